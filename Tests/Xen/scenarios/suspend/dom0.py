import os
import socket

from xenlab import case, eventually, guest, start, store
from xenlab.leaks import channels_between, mapped_grants
from xenlab.traffic import Server

one = guest("guest")
first = one.id
traffic = Server()
one.tell("traffic", traffic.port)
daemon = start(["xensockd", "--xen", "--socket", "/run/xensock/xensock.sock"])


def greeted():
    """Whether the guest's server, which is never started again, is reached at its port."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            return client.recv(100) == b"a greeting"
    except OSError:
        return False


@case("saves the guest, and nothing of it is held then", limit=120)
def _():
    global port
    port = int(one.hear("connected", 90))
    assert greeted()
    one.save("/run/saved")
    eventually(lambda: not mapped_grants(first), 15, "grants are still mapped")
    eventually(lambda: channels_between(0, first) == 0, 15, "channels are still bound")
    assert daemon.process.poll() is None, daemon


@case("restores it, and its device is connected again", limit=120)
def _():
    one.restore("/run/saved")
    os.unlink("/run/saved")
    assert one.id != first
    one.tell("restored")
    store.wait(f"/local/domain/0/backend/pvcalls/{one.id}/0/state", 4, limit=60)
    one.hear("works", 60)


@case("reaches the server in the guest, and again when xensockd was killed", limit=90)
def _():
    global daemon
    eventually(greeted, 30, daemon.err)
    daemon.kill()
    assert not greeted()
    daemon = start(["xensockd", "--xen", "--socket", "/run/xensock/xensock.sock"])
    eventually(greeted, 40, daemon.err)
    one.tell("reached")
