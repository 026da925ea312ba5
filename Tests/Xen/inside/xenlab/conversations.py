"""What the scenarios of Linux's PV Calls drivers let their ends do: passages between traffic's server and clients."""

import select
import socket

from .traffic import get, put, serve


def echoes(client):
    """A client that was connected to the server gets back what it sends."""
    with client:
        client.sendall(b"echo\nhello")
        assert client.recv(16) == b"hello"


def echo_at_once(connect, count: int = 30):
    """As many clients, connected by `connect()`, are there at once."""
    clients = [connect() for _ in range(count)]
    for number, client in enumerate(clients):
        client.sendall(b"echo\n%02d" % number)
    for number, client in enumerate(clients):
        assert client.recv(8) == b"%02d" % number
    for client in clients:
        client.close()


def is_refused(client):
    """Nobody listens at port 1."""
    try:
        client.connect(("127.0.0.1", 1))
        raise AssertionError("connected to nobody")
    except ConnectionRefusedError:
        pass
    client.close()


VISITS = 12


def serve_visits(listener, port: int, said, limit: float = 10):
    """Binds and listens, calls `said()`, then polls, accepts and serves what `visit` does, and closes."""
    listener.bind(("127.0.0.1", port))
    listener.listen(16)
    ready = select.poll()
    ready.register(listener, select.POLLIN)
    assert ready.poll(0) == []
    said()
    for _ in range(VISITS):
        assert ready.poll(limit * 1000) == [(listener.fileno(), select.POLLIN)]
        connection = listener.accept()
        # One after the other: the visits come so.
        serve(connection)
    listener.close()


def visit(port: int, count: int = 1 << 20, back: int = 1 << 20):
    """As many connections as `serve_visits` takes, from where the port is: `count` bytes there, `back` back, echoes."""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        put(client, count)
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        get(client, back)
    for number in range(VISITS - 2):
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            client.sendall(b"echo\n%d" % number)
            assert client.recv(8) == b"%d" % number


def _sockets() -> "list[tuple[str, set[str]]]":
    """State and both ports of this domain's TCP sockets, as /proc/net/tcp has them."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return [(row[3], {end.rpartition(":")[2] for end in row[1:3]}) for row in rows]


LISTENING = "0A"
BUSY = ("01", "04", "05", "08", "09", "0B")
"""ESTABLISHED, and states on the way to the end with somebody to tell."""


def is_free(port: int) -> bool:
    """Whether nobody listens at a port of this domain. Looks only: a connection would be one for who listens."""
    return not any(state == LISTENING and f"{port:04X}" in ports for state, ports in _sockets())


def connections(port: int) -> int:
    """Sockets of this domain that are connected to or from a port, or still have bytes to send there."""
    return sum(state in BUSY and f"{port:04X}" in ports for state, ports in _sockets())
