"""Status lines: states, errors, generations and locks that no service writes."""

import random

from harness import layout
from harness.case import Case
from harness.service import repeatedly

GROUP = "status line"

RELAYED = 1 << 16
"""The flag of a socket whose placeholder carries the bytes."""

STEPS = "socket connect send:10 recv:10 poll:50 select:50 error peername:16 fionread shutdown:2 close"


def after_connect(change, echo=True):
    """The connect succeeds, then `change(session, port)`."""

    def connect(session, request):
        session.decide(session.sockets[request.id])
        change(session, session.sockets[request.id])
        session.answer(request)

    return {layout.CONNECT: connect}


def state(value):
    return after_connect(lambda s, port: s.set_state(port, value))


def under_way(change):
    """The connect is under way for ever; `change(session, port)` happens after the answer."""

    def connect(session, request):
        port = session.sockets[request.id]
        session.set_state(port, layout.CONNECTING)
        session.answer(request, -115)
        change(session, port)

    return {layout.CONNECT: connect}


def field(offset, value):
    """A word of the status line, written all the time."""

    def change(session, port):
        line = session.arena.status(port)

        def write():
            session.arena.halves[line + offset // 4] = value

        repeatedly(write)

    return change


def lock(offset):
    """A lock that somebody holds for ever."""

    def change(session, port):
        at = (0x8000 + 128 * port + offset) // 8
        session.arena.words[at] = 99 << 32 | 1

    return change


def locked(command, offset):
    """A lock that somebody holds before a command is answered."""

    def answer(session, request):
        lock(offset)(session, request.u32(28) if command == layout.SOCKET else session.sockets[request.id])
        session.perform(request)

    return {command: answer}


def generations(session, port):
    line = session.arena.status(port)

    def bump():
        session.arena.halves[line] = (session.arena.halves[line] + 1) & 0xFFFFFFFF

    repeatedly(bump, 0.0001)


def noise(session, port):
    """All of the line at random, without the locks."""
    generator = random.Random(port)
    line = session.arena.status(port)

    def write():
        for offset in (0, 1, 2, 3, 20, 21, 22, 24, 26):
            session.arena.halves[line + offset] = generator.choice((0, 1, 3, 5, 8, 255, 1 << 31, 0xFFFFFFFF))

    repeatedly(write)


def silent_failure(session, port):
    """The connect failed, without an error."""
    session.set_state(port, layout.FAILED)
    session.arena.set(port, layout.OUT_CONS, 0, layout.CONNECTED)
    session.hang_up(port)


CASES = [
    *[
        Case(f"state {value} after the connect", STEPS, requests=state(value), waits=1)
        for value in (0, 1, 2, 4, 5, 6, 7, 1 << 31)
    ],
    Case("state 2^32 - 1 after the connect", STEPS, requests=state(0xFFFFFFFF), waits=1),
    Case("a pending error of 2^32 - 1 for ever", STEPS, "error=0|5", requests=after_connect(field(8, 0xFFFFFFFF)),
         echoes=False),
    Case("a pending error of EINTR for ever", "socket connect drain:100 error", "drain:100=EIO error=0|5",
         requests=after_connect(field(8, 4)), echoes=False),
    Case("a pending error of EAGAIN for ever", "socket connect recv:1 error", "recv:1=EIO error=0|5",
         requests=after_connect(field(8, 11)), echoes=False),
    Case("a pending error of 4096", "socket connect recv:1 error", "recv:1=EIO", requests=after_connect(field(8, 4096)),
         echoes=False),
    Case("generations that change all the time", STEPS + " socket close", requests=after_connect(generations), waits=2),
    Case("a line of noise", STEPS + " write:100000 close", requests=after_connect(noise), waits=3, cpu=2,
         echoes=False),
    Case("order 0", STEPS, "send:10=EIO recv:10=EIO", requests=after_connect(field(104, 0))),
    Case("order 9", STEPS, "send:10=EIO recv:10=EIO", requests=after_connect(field(104, 9))),
    Case("order 2^32 - 1", STEPS, "send:10=EIO recv:10=EIO", requests=after_connect(field(104, 0xFFFFFFFF))),
    Case("the order changes all the time", "socket connect write:400000 close", cpu=2, waits=3, echoes=False,
         requests=after_connect(lambda s, p: [field(104, order)(s, p) for order in (1, 8, 0, 5)])),
    Case("the receive lock of a session that is none", "socket connect recv:1", requests=after_connect(lock(64)),
         blocks=1),
    Case("the send lock of a session that is none", "socket connect send:1", requests=after_connect(lock(72)),
         blocks=1),
    # Calls that block signals meanwhile.
    Case("the receive lock of a session that is none, in a connect", "socket connect", blocks=1,
         requests=locked(layout.SOCKET, 64)),
    Case("the receive lock of a session that is none, in one that does not wait", "socket:1 connect", blocks=1,
         requests=locked(layout.SOCKET, 64)),
    Case("the receive lock of a session that is none, in an accept", "socket bind listen nonblock accept", blocks=1,
         requests=locked(layout.LISTEN, 64)),
    Case("flags of all kinds", STEPS, requests=after_connect(field(80, 0xFFFFFFFF & ~RELAYED))),
    # The bytes are exchanged over the placeholder then, where this service does not answer.
    Case("a relayed socket that nobody relays", "socket connect send:10 poll:50 fionread recv:10",
         "send:10=10", requests=after_connect(field(80, RELAYED)), echoes=False, blocks=1),
    Case("all flags on a relayed socket", STEPS, requests=after_connect(field(80, 0xFFFFFFFF)), echoes=False, waits=1),
    Case("a time limit of 2^64 - 1", "socket connect write:2000000", requests=after_connect(
        lambda s, p: [field(96, 0xFFFFFFFF)(s, p), field(100, 0xFFFFFFFF)(s, p)]), echoes=False, blocks=1),
    Case("a connect that is never decided", "socket connect", requests=under_way(lambda s, p: None), blocks=1),
    Case("a connect that is never decided, without filler", "socket connect", cpu=0.7, blocks=3,
         requests=under_way(lambda s, p: repeatedly(lambda: s.eat(p, 4096)))),
    Case("a connect whose placeholder is closed", "socket connect close", "connect=ENETDOWN close=0",
         requests=under_way(lambda s, p: s.hang_up(p))),
    Case("a connect that failed without an error", "socket connect close", "connect=ECONNABORTED|ENETDOWN",
         requests=under_way(silent_failure)),
    Case("a connect whose words flip", "socket connect close", cpu=3, waits=2, requests=under_way(
        lambda s, p: [repeatedly(lambda v=v: s.arena.set(p, layout.OUT_CONS, 0, v)) for v in (0, 1, 2, 4)])),
]
