import os
import signal
import socket

from xenlab import case, eventually, guest, start, store
from xenlab.leaks import channels_between, descriptors, domains, mappings, settled
from xenlab.traffic import Server, get, put

one = guest("guest")
server = Server()
os.makedirs("/run/xensock", exist_ok=True)


def serve():
    started = start(["xensockd", "--xen", "--socket", "/run/xensock/xensock.sock"])
    eventually(lambda: "listens at" in started.err, 10, started.err)
    return started


services = [serve()]


@case("the guest's agent connects", limit=60)
def _():
    global number
    one.start()
    number = one.id
    one.tell("server", server.port)
    eventually(lambda: store.read(f"/local/domain/0/backend/pvcalls/{one.id}/0/state") == "4", 50, services[0].err)


@case("a server in the guest is reached from dom0", limit=60)
def _():
    port = int(one.hear("listening", 50))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        put(client, 4 << 20)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        get(client, 4 << 20)


@case("xensockd is killed and started again", limit=60)
def _():
    one.hear("waits", 60)
    services[0].kill(signal.SIGKILL)
    services.append(serve())
    one.tell("restarted")


def held():
    pid = services[-1].pid
    return mappings(pid), channels_between(0, number), descriptors(pid)


@case("programs that are killed leave nothing mapped, bound or open", limit=200)
def _():
    one.hear("before", 60)
    before = eventually(lambda: settled(held), 20, "what is held settles")
    one.tell("counted")
    one.hear("after", 150)
    eventually(lambda: held() == before, 20, f"{before} is held again")
    one.tell("compared")


@case("nothing is mapped or bound when the guest has ended", limit=90)
def _():
    one.hear("over", 80)
    eventually(lambda: number not in domains(), 40, "the guest is gone for good")
    assert services[-1].process.poll() is None, str(services[-1])
    eventually(lambda: mappings(services[-1].pid) == 0, 10, "no page is mapped")
