import errno
import select

from xenlab import NAME, case, eventually, hear, linger, load, note, tell
from xenlab.family import FamilySocket, connected
from xenlab.traffic import get, measured, put, round_trips, serve

PORT = {"byhand": 7001, "byxl": 7002}[NAME]
# Both guests move bytes at the same time, one of them many.
COUNT = {"byhand": 64 << 20, "byxl": 4 << 20}[NAME]
kept = []
tell("up")
server = ("127.0.0.1", int(hear("server", 200)))
load("pvcalls-family")
hear("connected", 120)


@case("connects and echoes", limit=90)
def _():
    with connected(*server) as client:
        client.sendall(b"echo\nhello")
        assert client.recv(16) == b"hello"


@case("sends many MiB, which arrive with the same checksum", limit=180)
def _():
    with connected(*server) as client:
        put(client, 1 << 20)
    with connected(*server) as client:
        note(f"{NAME}: {COUNT >> 20} MiB to dom0 {measured(put, client, COUNT)}")


@case("receives as many with the same checksum", limit=180)
def _():
    with connected(*server) as client:
        note(f"{NAME}: {COUNT >> 20} MiB from dom0 {measured(get, client, COUNT)}")


@case("sends a byte there and back, again and again", limit=90)
def _():
    with connected(*server) as client:
        note(f"{NAME}: there and back {round_trips(client)}")


@case("has 30 connections at once", limit=90)
def _():
    clients = [connected(*server) for _ in range(30)]
    for number, client in enumerate(clients):
        client.sendall(b"echo\n%02d" % number)
    for number, client in enumerate(clients):
        assert client.recv(8) == b"%02d" % number
    for client in clients:
        client.close()


@case("is refused by a port that nobody listens on", limit=90)
def _():
    for _ in range(3):
        client = FamilySocket()
        try:
            client.connect(("127.0.0.1", 1))
            raise AssertionError("connected to nobody")
        except ConnectionRefusedError:
            pass
        client.close()


@case("does not get a privileged port, and hears of it at listen", limit=90)
def _():
    client = FamilySocket()
    client.bind(("127.0.0.1", 80))
    try:
        client.listen(1)
        raise AssertionError("listens at port 80")
    except PermissionError:
        pass
    client.close()
    tell("clients")


@case("waits until dom0 has looked for what is left", limit=250)
def _():
    hear("checked", 240)


@case("binds, listens, polls and accepts", limit=200)
def _():
    listener = FamilySocket()
    listener.bind(("127.0.0.1", PORT))
    listener.listen(16)
    ready = select.poll()
    ready.register(listener, select.POLLIN)
    assert ready.poll(0) == []
    tell("listening", PORT)
    for _ in range(12):
        assert ready.poll(60000) == [(listener.fileno(), select.POLLIN)]
        connection = listener.accept()
        # One after the other: dom0's clients come so.
        serve(connection)
    listener.close()
    tell("released", PORT)


@case("closes listeners that poll or accept, as often as the command ring has entries and more", limit=120)
def _():
    for number in range(40):
        listener = FamilySocket()
        listener.bind(("127.0.0.1", PORT + 100))
        listener.listen(1)
        listener.setblocking(False)
        if number % 2:
            try:
                listener.accept()
                raise AssertionError("accepted nobody")
            except BlockingIOError:
                pass
        else:
            ready = select.poll()
            ready.register(listener, select.POLLIN)
            assert ready.poll(0) == []
        listener.close()
    with connected(*server) as client:
        client.sendall(b"echo\nhello")
        assert client.recv(16) == b"hello"


@case("is told what the policy says about it", limit=90)
def _():
    client = FamilySocket()
    try:
        client.connect(("127.0.0.1", 9))
        answer = "connected"
    except ConnectionRefusedError:
        answer = "refused"
    except OSError as error:
        answer = "not permitted" if error.errno == errno.EPERM else str(error)
    client.close()
    tell("port-9", answer)


@case("keeps a connection until its domain is destroyed", limit=180)
def _():
    kept.append(connected(*server))
    kept[0].sendall(b"echo\nkept")
    assert kept[0].recv(8) == b"kept"
    if NAME == "byxl":
        hear("destroyed", 110)
        kept[0].sendall(b"still")
        assert kept[0].recv(8) == b"still"
        tell("still-served")
    else:
        stream = connected(*server)
        stream.sendall(b"source %d\n" % (1 << 30))
        assert stream.recv(1 << 16)
        kept.append(stream)
        tell("kept")
    linger()
