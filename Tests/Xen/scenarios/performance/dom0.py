import signal

from xenlab import case, eventually, guest, load, start, store
from xenlab.traffic import Server

one = guest("guest")
backend = f"/local/domain/0/backend/pvcalls/{one.id}/0"
everywhere = Server("0.0.0.0")
one.tell("port", everywhere.port)
service = start(["xensockd", "--xen", "--socket", "/run/xensock/xensock.sock"])


@case("xensockd serves, and then Linux's own backend does", limit=200)
def _():
    store.wait(f"{backend}/state", 4, limit=60)
    one.hear("measured", 120)
    service.kill(signal.SIGTERM)
    load("pvcalls-back-corrected")
    one.tell("linux")
    store.wait(f"{backend}/state", 4, limit=60)


@case("the guest has measured", limit=200)
def _():
    one.hear("done", 180)
    eventually(lambda: everywhere.served >= 12, 1)
