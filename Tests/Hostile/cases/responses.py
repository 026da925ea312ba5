"""Responses: the wrong request, the wrong numbers, the wrong lengths, or none."""

import struct
import time

from harness import layout
from harness.case import Case
from harness.service import repeatedly

GROUP = "responses"

STEPS = "socket connect send:10 recv:10 sockname:16 peername:16 option:4 fionread shutdown:2 close"
DEAD = "connect=ENETDOWN"


def connecting(answer):
    return {layout.CONNECT: answer}


def answered(**other):
    return connecting(lambda session, request: session.answer(request, **other))


def twice(session, request):
    session.perform(request)
    session.answer(request)


def never(session, request):
    pass


def late(session, request):
    time.sleep(1.5)
    session.perform(request)


def producer(value):
    def answer(session, request):
        session.answer(request)
        session.arena.halves[2 * layout.PAGE // 4 + 2] = value & 0xFFFFFFFF

    return connecting(answer)


def before_it_is_asked(session):
    """Connected, with an answer to nothing on the ring already."""
    session.store()
    session.respond(0, layout.SOCKET, 0, 0)


def names(length, then=b""):
    """An answer with an address of `length` bytes."""

    def answer(session, request):
        session.argument(request, b"\2\0" + b"\xee" * 510)
        session.answer(request, payload=struct.pack("<I", length & 0xFFFFFFFF) + layout.inet() + then)

    return {layout.GETSOCKNAME: answer, layout.GETPEERNAME: answer}


def option(length):
    def answer(session, request):
        session.argument(request, b"\xee" * 512)
        session.answer(request, payload=struct.pack("<I", length & 0xFFFFFFFF))

    return {layout.GETSOCKOPT: answer}


def queue(value):
    """An answer to IOCTL with a count."""
    return {layout.IOCTL: lambda session, request: session.answer(request, payload=struct.pack("<i", value))}


def commands(number):
    """Every answer claims to be that of another command."""

    def answer(session, request):
        if request.command in (layout.SOCKET, layout.CONNECT):
            session.perform(request)
        else:
            session.answer(request, payload=b"\xff" * 40, command=number)

    return {command: answer for command in (*range(6), *range(64, 74)) if command not in (0, 1)}


def all_with(ret):
    def answer(session, request):
        session.answer(request, ret)

    return {command: answer for command in (*range(6), *range(64, 74)) if command != layout.SOCKET}


def kicks_only(session, request):
    repeatedly(lambda: session.send(layout.frame(layout.KICK)))


def stale_kicks(session, request):
    for _ in range(100):
        session.send(layout.frame(layout.KICK))
    session.perform(request)


def clobbered(session):
    """The command ring's page changes all the time."""
    session.store()
    base = 2 * layout.PAGE // 4
    state = [1]

    def scribble():
        for offset in (0, 1, 3, *range(16, 1024)):
            state[0] = (state[0] * 1103515245 + 12345) & 0xFFFFFFFF
            session.arena.halves[base + offset] = state[0]

    repeatedly(scribble)


def resumed(session, request):
    """Answers nothing in the first session, everything in the next."""
    if len(session.service.sessions) > 1:
        session.perform(request)


CASES = [
    Case("request id 31 that nobody has", STEPS, DEAD, requests=answered(number=31)),
    Case("request id 32", STEPS, DEAD, requests=answered(number=32)),
    Case("request id 2^32 - 1", STEPS, DEAD, requests=answered(number=0xFFFFFFFF)),
    Case("one answer twice", STEPS, requests=connecting(twice)),
    Case("an answer to nothing", STEPS, store=before_it_is_asked),
    Case("none", STEPS, DEAD, requests=connecting(never)),
    Case("none, and SIGTERM", "socket connect", requests=connecting(never), blocks=0.5),
    Case("none, and threads that wait", "socket threads:8 close", requests={layout.GETSOCKOPT: never}, cpu=2),
    Case("none, but in the next session", "socket connect socket connect send:10 recv:10", "socket=ok recv:10=10",
         requests=connecting(resumed)),
    Case("none to the first request", STEPS, "socket=ENETDOWN", requests={layout.SOCKET: never}),
    Case("none to RELEASE", "socket bind close", "bind=0 close=0", requests={layout.RELEASE: never}),
    Case("a late one", STEPS, "connect=0 recv:10=10", requests=connecting(late)),
    Case("ret 1", STEPS, "connect=EIO", requests=answered(ret=1)),
    Case("ret 2^31 - 1", STEPS, "connect=EIO", requests=answered(ret=2**31 - 1)),
    Case("ret -2^31", STEPS, "connect=EIO", requests=answered(ret=-(2**31))),
    Case("ret -4095", STEPS, "connect=EIO", requests=answered(ret=-4095)),
    Case("ret -134", STEPS, "connect=EIO", requests=answered(ret=-134)),
    Case("-EINTR to everything", STEPS, requests=all_with(-4)),
    Case("-EAGAIN to everything", "socket bind listen connect send:1 recv:1 close", requests=all_with(-11)),
    Case("-EINPROGRESS to everything but the connect", STEPS,
         requests={c: f for c, f in all_with(-115).items() if c != layout.CONNECT}),
    Case("-EBADF to everything", STEPS, requests=all_with(-9)),
    Case("rsp_prod one ahead", STEPS, requests=producer(3)),
    Case("rsp_prod 2^31", STEPS, requests=producer(1 << 31)),
    Case("rsp_prod backwards", STEPS, requests=producer(-1)),
    Case("address lengths of 129", STEPS, "sockname:16=EIO peername:16=EIO", requests=names(129)),
    Case("address lengths of 2^32 - 1", STEPS, "sockname:16=EIO peername:16=EIO", requests=names(-1)),
    *[
        Case(f"address lengths of {length}", STEPS, "sockname:16=EIO peername:16=EIO", requests=names(length))
        for length in (0, 2, 15, 17, 28, 128)
    ],
    *[
        Case(f"a queue of {value}", "socket connect send:100 unsent unread",
             f"unread={allowed} unsent={allowed}|99|100", echoes=False, requests=queue(value))
        for value, allowed in ((0, "0"), (-1, "0"), (-200, "0"), (-(2**31), "0"), (2**31 - 1, str(2**31 - 1)))
    ],
    Case("an address, and little room", "socket connect sockname:2 peername:15 sockname:0",
         "sockname:2=16 peername:15=16 sockname:0=16"),
    Case("option lengths of 513", STEPS, "option:4=EIO", requests=option(513)),
    Case("option lengths of 2^32 - 1", STEPS, "option:4=EIO", requests=option(-1)),
    Case("option lengths of 512, and little room", "socket connect option:4 option:0 option:200",
         "option:4=4 option:0=0 option:200=200", requests=option(512)),
    Case("the echo of ACCEPT everywhere", STEPS, requests=commands(layout.ACCEPT)),
    Case("the echo of GETSOCKOPT everywhere", STEPS, requests=commands(layout.GETSOCKOPT)),
    Case("the echo of an unknown command everywhere", STEPS, requests=commands(0xFFFFFFFF)),
    Case("kicks instead", STEPS, DEAD, requests=connecting(kicks_only)),
    Case("a hundred kicks before it", STEPS, "connect=0 recv:10=10", requests=connecting(stale_kicks)),
    # Chance may answer CONNECT with success, and a receive would then wait as for any silent peer.
    Case(
        "a ring that changes all the time",
        STEPS.replace("recv:10 ", "") + " sockets:40",
        store=clobbered,
        cpu=2,
    ),
]
