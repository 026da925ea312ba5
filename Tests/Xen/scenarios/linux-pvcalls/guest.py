from xenlab import case, hear, linger, load, note, tell
from xenlab.conversations import echo_at_once, echoes, is_refused, serve_visits
from xenlab.family import FamilySocket, connected
from xenlab.traffic import get, measured, put, round_trips

PORT = 7001
kept = []
hear("published")
load("pvcalls-family")
server = ("127.0.0.1", int(hear("server")))
hear("connected")


@case("connects and echoes")
def _():
    echoes(connected(*server))


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
    echo_at_once(lambda: connected(*server))


@case("is refused by a port that nobody listens on")
def _():
    is_refused(FamilySocket())
    tell("clients")
    hear("checked")


@case("binds, listens, polls and accepts")
def _():
    serve_visits(FamilySocket(), PORT, lambda: tell("listening", PORT))
    tell("released", PORT)


@case("keeps a connection until dom0 destroys it")
def _():
    kept.append(connected(*server))
    kept[0].sendall(b"echo\nkept")
    assert kept[0].recv(8) == b"kept"
    linger()
