import errno
import select
import threading
import time

from xenlab import NAME, case, eventually, hear, linger, load, note, tell
from xenlab.conversations import echo_at_once, echoes, is_refused, serve_visits
from xenlab.family import FamilySocket, connected
from xenlab.traffic import get, measured, put, round_trips

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
    echoes(connected(*server))


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
    echo_at_once(lambda: connected(*server))


@case("is refused by a port that nobody listens on", limit=90)
def _():
    for _ in range(3):
        is_refused(FamilySocket())


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
    serve_visits(FamilySocket(), PORT, lambda: tell("listening", PORT), limit=60)
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
    echoes(connected(*server))


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


def receive(stream):
    """Slowly, until xensockd is killed; then for ever."""
    while stream.recv(1 << 14):
        time.sleep(0.02)


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
        stream = connected(*server)
        stream.sendall(b"source %d\n" % (1 << 30))
        threading.Thread(target=receive, args=(stream,), daemon=True).start()
        kept.append(stream)
        tell("streams")
    else:
        stream = connected(*server)
        stream.sendall(b"source %d\n" % (1 << 30))
        assert stream.recv(1 << 16)
        kept.append(stream)
        tell("kept")
    linger()
