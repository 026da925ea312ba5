import os
import re
import signal
from pathlib import Path

from xenlab import case, eventually, guest, run, start, store
from xenlab.conversations import is_free, visit
from xenlab.leaks import channels_between, descriptors, domains, mapped_grants, mappings
from xenlab.traffic import Server

by_hand, by_xl, again = guest("byhand"), guest("byxl"), guest("again")
server = Server()
before = {}
policy = Path("/tmp/policy.toml")
policy.write_text(
    """default = "allow"
[[rule]]
action = "deny"
domains = ["byxl"]
ports = [9]
error = "EPERM"
"""
)
os.makedirs("/run/xensock", exist_ok=True)
SERVICE = ["xensockd", "--xen", "--policy", policy, "--socket", "/run/xensock/xensock.sock"]
service = start(SERVICE)


def backend(one) -> str:
    return f"/local/domain/0/backend/pvcalls/{one.id}/0"


def state(one) -> str:
    return store.read(f"{backend(one)}/state")


@case("xensockd serves before there are guests", limit=90)
def _():
    eventually(lambda: "listens at" in service.err, 10, service.err)
    before["xensockd"] = descriptors(service.pid)


@case("xensock attach refuses what cannot have a device", limit=90)
def _():
    for name in ["0", "77", "nobody"]:
        assert run(["xensock", "attach", name], status=1).err.startswith("xensock: attach: "), name
    refused = run(["xensock", "attach", "byhand"], user=1000, status=1)
    assert "root" in refused.err, refused.err


@case("a device made by xl is published while its guest starts", limit=120)
def _():
    by_xl.start()
    by_hand.start()
    store.wait(f"{backend(by_xl)}/state", 2)
    assert store.read(f"{backend(by_xl)}/versions") == "1"
    assert run(["xensock", "attach", "byxl"], status=1).err.count("already") == 1


@case("a guest without a device starts", limit=150)
def _():
    by_hand.hear("up", 140)


@case("xensock attach makes a device with the permissions of xl's, and detach removes it", limit=120)
def _():
    front = f"{by_hand.path}/device/pvcalls/0"
    for _ in range(2):
        run(["xensock", "attach", "byhand"])
        assert store.read(f"{front}/state") == "1" and state(by_hand) == "2"
        for one in (by_hand, by_xl):
            path = f"{one.path}/device/pvcalls/0"
            for name in ("", "/state", "/backend", "/backend-id"):
                assert store.permitted(path + name) == [f"n{one.id}", "r0"], name
            for name in ("", "/state", "/frontend", "/online", "/versions"):
                assert store.permitted(backend(one) + name) == ["n0", f"r{one.id}"], name
        run(["xensock", "detach", "byhand"], limit=30)
        assert store.read(front) is None and store.read(backend(by_hand)) is None
        assert run(["xensock", "detach", "byhand"], status=1).err
    run(["xensock", "attach", by_hand.id])
    for one in (by_hand, by_xl):
        one.tell("server", server.port)


@case("connects with Linux's frontends in both guests", limit=120)
def _():
    for one in (by_hand, by_xl):
        store.wait(f"{backend(one)}/state", 4, limit=100)
        store.wait(f"{one.path}/device/pvcalls/0/state", 4)
        before[one] = len(mapped_grants(one.id))
        before[one, "channels"] = channels_between(0, one.id)
        one.tell("connected")


@case("serves the guests' connections, both at once", limit=240)
def _():
    for one in (by_hand, by_xl):
        one.hear("clients", 230)


@case("maps nothing after the guests' sockets were released, and has bound no channel for them", limit=90)
def _():
    for one in (by_hand, by_xl):
        eventually(lambda: len(mapped_grants(one.id)) == before[one], 20, f"{one.name} has more than {before[one]} mapped")
        assert channels_between(0, one.id) == before[one, "channels"]
    assert mappings(service.pid) == 2, "one command ring for each guest"
    for one in (by_hand, by_xl):
        one.tell("checked")


@case("reaches servers in both guests", limit=180)
def _():
    for one in (by_hand, by_xl):
        visit(int(one.hear("listening", 110)))


@case("finds the ports free once the guests' listeners are released", limit=120)
def _():
    for one in (by_hand, by_xl):
        assert is_free(int(one.hear("released", 80)))


@case("applies rules about a guest by its name", limit=90)
def _():
    assert by_hand.hear("port-9", 60) == "refused"
    assert by_xl.hear("port-9", 60) == "not permitted"
    assert re.search(r"denied connect 127\.0\.0\.1:9 domain=\d+ name=byxl: rule 1, EPERM", service.err), service.err


@case("destroys a guest in the middle of a transfer, of which nothing is left, and the other goes on", limit=120)
def _():
    by_hand.hear("kept", 60)
    assert len(mapped_grants(by_hand.id)) > before[by_hand]
    by_hand.destroy()
    eventually(lambda: by_hand.id not in domains())
    assert channels_between(0, by_hand.id) == 0
    assert store.read(backend(by_hand)) is None
    by_xl.tell("destroyed")
    by_xl.hear("still-served")


@case("is killed while a frontend transfers, and when it is back ends what that frontend had", limit=60)
def _():
    global service
    by_xl.hear("streams", 30)
    service.kill(signal.SIGKILL)
    service = start(SERVICE)
    eventually(lambda: "listens at" in service.err, 10, service.err)
    # The frontend closes, and stays so: it is of no more use.
    store.wait(f"{backend(by_xl)}/state", 6, limit=20)
    store.wait(f"{by_xl.path}/device/pvcalls/0/state", 6, limit=20)
    eventually(lambda: len(mapped_grants(by_xl.id)) == before[by_xl] - 1, 10, "the guest's pages are mapped")
    assert channels_between(0, by_xl.id) == before[by_xl, "channels"] - 1
    assert mappings(service.pid) == 0 and service.process.poll() is None, service
    before["xensockd"] = descriptors(service.pid)


@case("serves the frontend of a guest that comes then, and closes its device as the toolstack wishes", limit=150)
def _():
    again.start()
    run(["xensock", "attach", "again"])
    again.tell("server", server.port)
    store.wait(f"{backend(again)}/state", 4, limit=60)
    count, channels = len(mapped_grants(again.id)), channels_between(0, again.id)
    again.tell("connected")
    again.hear("holds", 60)
    assert len(mapped_grants(again.id)) > count
    store.write(f"{backend(again)}/state", 5)
    store.wait(f"{backend(again)}/state", 6, limit=20)
    store.wait(f"{again.path}/device/pvcalls/0/state", 6)
    eventually(lambda: len(mapped_grants(again.id)) == count - 1, 10, "the guest's pages are mapped")
    assert channels_between(0, again.id) == channels - 1 and mappings(service.pid) == 0
    assert again.ended.wait(40)
    again.destroy()
    eventually(lambda: again.id not in domains(), 20, "the guest is gone for good")


@case("destroys the other guest, and xensockd holds nothing any more", limit=120)
def _():
    assert by_xl.ended.wait(40)
    by_xl.destroy()
    eventually(lambda: by_xl.id not in domains())
    assert mappings(service.pid) == 0
    # The device of grants stays open for the next guest.
    before["xensockd"]["/dev/xen/gntdev"] = 1
    eventually(lambda: descriptors(service.pid) == before["xensockd"], 10, f"{descriptors(service.pid)}, {before}")


@case("xensockd stops in order", limit=90)
def _():
    service.process.send_signal(signal.SIGTERM)
    assert service.wait(10) == 0, service.err
