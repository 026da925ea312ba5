import select

from xenlab import case, hear, linger, load, note, tell
from xenlab.family import FamilySocket, connected
from xenlab.traffic import get, measured, put, round_trips, serve

PORT = 7001
kept = []
hear("published")
load("pvcalls-family")
server = ("127.0.0.1", int(hear("server")))
hear("connected")


@case("connects and echoes")
def _():
    with connected(*server) as client:
        client.sendall(b"echo\nhello")
        assert client.recv(16) == b"hello"


@case("sends 8 MiB, which arrive with the same checksum")
def _():
    with connected(*server) as client:
        note(f"to dom0 {measured(put, client, 8 << 20)}")


@case("receives 8 MiB with the same checksum")
def _():
    with connected(*server) as client:
        note(f"from dom0 {measured(get, client, 8 << 20)}")


@case("sends a byte there and back, again and again")
def _():
    with connected(*server) as client:
        note(f"there and back {round_trips(client)}")


@case("has 30 connections at once")
def _():
    clients = [connected(*server) for _ in range(30)]
    for number, client in enumerate(clients):
        client.sendall(b"echo\n%02d" % number)
    for number, client in enumerate(clients):
        assert client.recv(8) == b"%02d" % number
    for client in clients:
        client.close()


@case("is refused by a port that nobody listens on")
def _():
    client = FamilySocket()
    try:
        client.connect(("127.0.0.1", 1))
        raise AssertionError("connected to nobody")
    except ConnectionRefusedError:
        pass
    client.close()
    tell("clients")
    hear("checked")


@case("binds, listens, polls and accepts")
def _():
    listener = FamilySocket()
    listener.bind(("127.0.0.1", PORT))
    listener.listen(16)
    ready = select.poll()
    ready.register(listener, select.POLLIN)
    assert ready.poll(0) == []
    tell("listening", PORT)
    for _ in range(12):
        assert ready.poll(10000) == [(listener.fileno(), select.POLLIN)]
        connection = listener.accept()
        # One after the other: dom0's clients come so.
        serve(connection)
    listener.close()
    tell("released", PORT)


@case("keeps a connection until dom0 destroys it")
def _():
    kept.append(connected(*server))
    kept[0].sendall(b"echo\nkept")
    assert kept[0].recv(8) == b"kept"
    linger()
