"""ACCEPT: connections that are announced and never come, or come with nonsense."""

import struct

from harness import layout
from harness.case import Case
from harness.service import repeatedly

GROUP = "ACCEPT"

STEPS = "socket bind listen accept"


def accepted(answer):
    return {layout.ACCEPT: answer}


def none(session, request):
    """-EAGAIN, and never that the queue is empty."""
    session.answer(request, -11, bytes(40))


def none_and_arrivals(session, request):
    index, flags = session.arena.get(1, layout.IN_PROD)
    session.arena.set(1, layout.IN_PROD, index + 1, flags | 1)
    session.answer(request, -11, struct.pack("<I28xII", 0, 1, index))


def with_length(length):
    def answer(session, request):
        port = request.u32(28)
        session.sockets[struct.unpack_from("<Q", request.entry, 16)[0]] = port
        session.decide(port)
        session.argument(request, b"\xee" * 512)
        session.answer(request, 0, struct.pack("<I28xII", length & 0xFFFFFFFF, 1, 1))

    return accepted(answer)


def listening(*scribbles):
    """A listener whose words are written all the time."""

    def answer(session, request):
        port = session.sockets[request.id]
        session.set_state(port, layout.LISTENING)
        for scribble in scribbles:
            repeatedly(lambda scribble=scribble: scribble(session, port))
        session.answer(request)

    return {layout.LISTEN: answer}


def unsettled(session, port):
    session.arena.set(port, layout.IN_PROD, 1, layout.UNSETTLED | 1)


def flipping(session, port):
    for flags in (0, 1, layout.UNSETTLED, 255):
        session.arena.set(port, layout.IN_PROD, flags, flags)


def flood(session, port):
    session.arena.set(port, layout.IN_PROD, 1, 0)
    session.token(port, bytes(200))


CASES = [
    Case("always -EAGAIN", STEPS + " nonblock accept", requests=accepted(none)),
    Case("always -EAGAIN, and always an arrival", STEPS, requests=accepted(none_and_arrivals), cpu=2),
    Case("an address of 129 bytes", STEPS + " close", "accept=EIO|ok", requests=with_length(129)),
    Case("an address of 2^32 - 1 bytes", STEPS + " close", "accept=EIO|ok", requests=with_length(-1)),
    *[
        Case(f"an address of {length} bytes", STEPS + " close", "accept=EIO", requests=with_length(length))
        for length in (0, 2, 15, 17, 28, 128)
    ],
    Case("no answer", STEPS, "accept=ENETDOWN", requests=accepted(lambda s, r: None)),
    Case("UNSETTLED for ever", STEPS, requests={**listening(unsettled), **accepted(none)}, cpu=3, waits=2),
    Case("an honest listener whose words flip", STEPS + " nonblock accept", "",
         requests={**listening(flipping), **accepted(none)},
         cpu=3, waits=2),
    Case("tokens in the placeholder that no word counts", "socket bind listen accept", waits=3.0, cpu=2,
         requests={**listening(flood), **accepted(none)}),
    Case("the end of a listener", STEPS + " accept close", requests={
        layout.LISTEN: lambda s, r: (s.perform(r), s.hang_up(s.sockets[r.id]))}),
]
