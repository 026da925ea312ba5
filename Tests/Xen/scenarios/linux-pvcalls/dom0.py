from xenlab import case, eventually, guest, store
from xenlab.conversations import is_free, visit
from xenlab.leaks import channels_between, domains, mapped_grants
from xenlab.traffic import Server

one = guest("guest")
backend = f"/local/domain/0/backend/pvcalls/{one.id}/0"
server = Server()
one.tell("server", server.port)
start = {}


@case("Linux's backend and frontend connect")
def _():
    store.wait(f"{backend}/state", 2)
    one.tell("published")
    store.wait(f"{backend}/state", 4)
    store.wait(f"{one.path}/device/pvcalls/0/state", 4)
    start["grants"] = len(mapped_grants(one.id))
    start["channels"] = channels_between(0, one.id)
    one.tell("connected")


@case("serves the guest's connections")
def _():
    one.hear("clients")
    assert server.served == 34, server.served


@case("maps nothing after the guest's sockets were released, and has bound no channel for them")
def _():
    eventually(lambda: len(mapped_grants(one.id)) == start["grants"])
    assert channels_between(0, one.id) == start["channels"]
    one.tell("checked")


@case("reaches a server in the guest")
def _():
    visit(int(one.hear("listening")))


@case("finds the port free once the guest's listener is released")
def _():
    assert is_free(int(one.hear("released")))


@case("destroys the guest, of which nothing is left")
def _():
    # Linux's frontend cannot close its device: taking it away makes the kernel warn of a page that it frees wrongly.
    assert one.ended.wait(60)
    assert len(mapped_grants(one.id)) > start["grants"]
    one.destroy()
    eventually(lambda: one.id not in domains())
    assert channels_between(0, one.id) == 0
