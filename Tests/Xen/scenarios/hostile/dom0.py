import time

from xenlab import case, eventually, guest, note, run, start, store
from xenlab.leaks import channels_between, descriptors, mapped_grants
from xenlab.traffic import Server

hostile = guest("hostile")
honest = guest("honest")
backend = f"/local/domain/0/backend/pvcalls/{hostile.id}/0"
traffic = Server()
honest.tell("traffic", traffic.port)
honest.tell("go-on", "yes")
daemon = start(["xensockd", "--xen", "--socket", "/run/xensock/xensock.sock"])
before = {}


def memory() -> int:
    with open(f"/proc/{daemon.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@case("serves the honest guest", limit=60)
def _():
    store.wait(f"{backend}/state", 2, limit=40)
    honest.hear("ready", 50)
    before.update(grants=len(mapped_grants(hostile.id)), channels=channels_between(0, hostile.id), memory=memory())


@case("outlives a minute of garbage", limit=120)
def _():
    hostile.tell("begin")
    hostile.hear("ended", 110)
    assert daemon.process.poll() is None, daemon
    honest.tell("go-on", "no")


@case("holds nothing of the hostile guest's then", limit=60)
def _():
    eventually(lambda: len(mapped_grants(hostile.id)) <= before["grants"], 20, "grants are still mapped")
    eventually(lambda: channels_between(0, hostile.id) <= before["channels"], 20, "channels are still bound")
    eventually(lambda: descriptors(daemon.pid)["socket"] < 40, 20, "sockets are still open")
    assert memory() < before["memory"] + (48 << 10), (memory(), before)


@case("logged what it refused, and not without bounds")
def _():
    assert "xensock" in daemon.err or daemon.err, "nothing logged"
    assert len(daemon.err) < 1 << 19, len(daemon.err)
    hostile.tell("done")
