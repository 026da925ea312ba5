import socket

from xenlab import case, hear, linger, note, tell
from xenlab.network import up
from xenlab.traffic import get, measured, put, round_trips

COUNT = 8 << 20


@case("reaches dom0 over netfront and netback")
def _():
    server = (up(), int(hear("port")))
    for action in (put, get):
        with socket.create_connection(server, 10) as client:
            note(f"netfront, {action.__name__}: {measured(action, client, COUNT)}")
    with socket.create_connection(server, 10) as client:
        note(f"netfront, there and back: {round_trips(client)}")
    tell("measured")
    linger()
