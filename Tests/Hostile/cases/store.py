"""STORE: the backend's state does not become Connected, or does not stay so."""

import socket

from harness import layout
from harness.case import Case
from harness.service import repeatedly

GROUP = "STORE"

REFUSED = "socket=ENETDOWN"
STEPS = "socket connect send:10 recv:10 close"


# The answer may be seen before the frame is.
SOON = "connect=ENETDOWN|0"


def refused(name, store, **options):
    return Case(name, STEPS, REFUSED, store=store, **options)


def raw(payload):
    return lambda session: session.send(layout.frame(layout.STORE, 0, payload))


def without_an_end(session):
    repeatedly(lambda: session.send(layout.frame(layout.STORE, 0, b"name\0value\0")))


def later(frame):
    """Connected, and something else while the program works."""

    def connect(session, request):
        session.send(frame)
        session.perform(request)

    return {layout.CONNECT: connect}


CASES = [
    refused("no answer", lambda s: None),
    refused("state 6", lambda s: s.store("6")),
    refused("state 6 and a long error", lambda s: s.store("6", error="no" * 1500)),
    refused("the session is closed", lambda s: s.connection.shutdown(socket.SHUT_RDWR)),
    refused("death", lambda s: s.service.die()),
    refused("no nodes", raw(b"")),
    refused("a frame of four bytes", lambda s: s.send(b"\2\0\0\0")),
    refused("nodes without NUL", raw(b"state4" * 600)),
    refused("the state as a name", raw(b"4\0state\0")),
    refused("other states without an end", without_an_end),
    Case(
        "two descriptors with it",
        STEPS,
        "socket=ok recv:10=10",
        store=lambda s: s.send(layout.frame(layout.STORE, 0, b"state\0004\0"), (0, 1)),
    ),
    Case("state 5 later", "socket connect send:10 close", SOON,
         requests=later(layout.frame(layout.STORE, 0, b"state\0005\0"))),
    Case("state 6 later", "socket connect send:10 close", SOON,
         requests=later(layout.frame(layout.STORE, 0, b"state\0006\0"))),
    Case("HELLO later", "socket connect send:10 close", SOON,
         requests=later(layout.frame(layout.HELLO, 0, bytes(100)))),
    Case("an unknown frame later", "socket connect send:10 close", SOON, requests=later(layout.frame(77))),
    Case("ATTACH that nobody asked for", "socket connect send:10 close", SOON,
         requests=later(layout.frame(4, 0, bytes(24)))),
    Case("a frame of one byte later", "socket connect send:10 close", SOON, requests=later(b"\6")),
]
