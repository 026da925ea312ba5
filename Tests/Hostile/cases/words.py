"""Index words and the placeholder of a connected socket."""

import random
import socket

from harness import layout
from harness.case import Case
from harness.service import repeatedly

from .status import after_connect

GROUP = "data ring"

RECEIVE = "socket connect recv:100 recvall:100 peek:10 discard:10 recvfrom:10 fionread nonblock recv:100 close"
SEND = "socket connect write:3000000 outq nonblock send:1000 shutdown:1 close"
ALL = "socket connect timeout:300 send:100 recv:100 write:100000 recvall:5000 nonblock recv:10 send:10 poll:20 close"


def words(*values):
    """Sets words once: (offset, index, flags)."""

    def change(session, port):
        for offset, index, flags in values:
            session.arena.set(port, offset, index, flags)

    return after_connect(change)


def random_words(offsets, flags=0xFFFFFFFF, indexes=(0, 1, 2, 4096, layout.HALF, layout.HALF + 1, 1 << 31, 0xFFFFFFFF)):
    def change(session, port):
        generator = random.Random(port)

        def write():
            offset = generator.choice(offsets)
            session.arena.set(port, offset, generator.choice(indexes), generator.getrandbits(32) & flags)

        repeatedly(write)

    return after_connect(change)


def tokens_without_bytes(session, port):
    session.arena.set(port, layout.IN_PROD, 0, 255)


def tokens_again(session, port):
    repeatedly(lambda: session.arena.set(port, layout.IN_PROD, 0, 255))


def flood(session, port):
    repeatedly(lambda: session.token(port, bytes(4000)))


def one_stale(session, port):
    session.token(port)


def full_without_filler(session, port):
    repeatedly(lambda: session.eat(port, 4096))


def out_of_band(session, port):
    session.token(port, b"!", socket.MSG_OOB)
    repeatedly(lambda: session.token(port, b"!", socket.MSG_OOB), 0.001)


def shut(how):
    def change(session, port):
        with socket.socket(fileno=session.placeholders[port]) as end:
            end.shutdown(how)
            end.detach()

    return after_connect(change)


def wandering_consumer(session, port):
    """in_cons, which is the frontend's own, changes under it while there is data."""
    state = [0]

    def write():
        state[0] += 1
        session.arena.set(port, layout.IN_PROD, state[0] + 1000, 1)
        session.arena.set(port, layout.IN_CONS, state[0], 0)

    session.token(port)
    repeatedly(write)


CASES = [
    Case("in_prod one beyond the size", RECEIVE, "recv:100=EIO", requests=words((layout.IN_PROD, layout.HALF + 1, 1))),
    Case("in_prod 2^32 - 1", RECEIVE, "recv:100=EIO", requests=words((layout.IN_PROD, 0xFFFFFFFF, 1))),
    Case("in_cons beyond in_prod", RECEIVE, "recv:100=EIO",
         requests=words((layout.IN_CONS, 5, 0), (layout.IN_PROD, 4, 1))),
    Case("all flags of in", RECEIVE, requests=words((layout.IN_PROD, 0, 0xFFFFFFFF), (layout.IN_CONS, 0, 0xFFFFFFFF))),
    Case("out_cons beyond out_prod", SEND, "write:3000000=EIO", requests=words((layout.OUT_CONS, 1, layout.CONNECTED))),
    Case("out_prod beyond the size", SEND, "write:3000000=EIO", requests=words((layout.OUT_PROD, layout.HALF + 1, 0))),
    Case("all flags of out", SEND, "write:3000000=EPIPE|EIO",
         requests=words((layout.OUT_CONS, 0, 0xFFFFFFFF), (layout.OUT_PROD, 0, 0xFFFFFFFF))),
    Case("BROKEN without an error", SEND, "write:3000000=EPIPE", requests=words((layout.OUT_CONS, 0, layout.BROKEN))),
    Case("the end without shutting down", RECEIVE, "recv:100=0 recvall:100=0",
         requests=words((layout.IN_PROD, 0, layout.EOF))),
    Case("the end and 50 bytes, with no token", RECEIVE, "recvall:100=0",
         requests=words((layout.IN_PROD, 50, layout.EOF))),
    Case("255 tokens without bytes", "socket connect nonblock recv:10", "recv:10=EAGAIN|EIO|ECONNRESET",
         requests=after_connect(tokens_without_bytes), echoes=False),
    Case("255 tokens without bytes, again and again", "socket connect nonblock recv:10",
         "recv:10=EAGAIN|EIO|ECONNRESET",
         requests=after_connect(tokens_again), echoes=False, cpu=2),
    Case("UNSETTLED again and again", "socket connect nonblock recv:10", "recv:10=EAGAIN|EIO", echoes=False, cpu=2,
         requests=after_connect(lambda s, p: repeatedly(lambda: s.arena.set(p, layout.IN_PROD, 0, layout.UNSETTLED)))),
    Case("FULL, FPEND and OWE without an end", SEND, cpu=3, echoes=False, waits=3, requests=random_words(
        (layout.OUT_CONS,), 7, (0,))),
    Case("FPEND for ever", "socket connect write:3000000", "write:3000000=ok|EIO", echoes=False, requests=words(
        (layout.OUT_CONS, 0, layout.FPEND | layout.CONNECTED))),
    Case("all words of in at random", RECEIVE, cpu=4, requests=random_words((layout.IN_PROD, layout.IN_CONS)), waits=4,
         echoes=False),
    Case("all words of out at random", SEND, cpu=4, waits=4, echoes=False,
         requests=random_words((layout.OUT_PROD, layout.OUT_CONS))),
    Case("all words at random", ALL, cpu=4, waits=4, echoes=False,
         requests=random_words((layout.IN_PROD, layout.IN_CONS, layout.OUT_PROD, layout.OUT_CONS))),
    Case("a consumer's index that wanders", "socket connect timeout:200 recvall:300000 close", cpu=3, waits=3,
         echoes=False,
         requests=after_connect(wandering_consumer)),
    Case("one byte that no word counts", "socket connect recv:10", echoes=False, requests=after_connect(one_stale),
         blocks=2, cpu=0.3),
    Case("a flood of bytes", "socket connect recv:10", echoes=False, requests=after_connect(flood), blocks=3, cpu=1.5),
    Case("a flood of bytes, non-blocking", "socket connect nonblock recv:10 poll:10 recv:10",
         "recv:10=EAGAIN|EIO", echoes=False, requests=after_connect(flood)),
    Case("a flood of bytes, and an alarm", "socket connect alarm:1 recv:10", "recv:10=EINTR", echoes=False,
         requests=after_connect(flood), cpu=1.5),
    Case("out-of-band bytes", "socket connect nonblock recv:10 pollin:10 recv:10 send:10", echoes=False,
         requests=after_connect(out_of_band)),
    Case("full, and a placeholder that is writable", "socket connect write:3000000", echoes=False, blocks=3, cpu=0.7,
         requests=after_connect(full_without_filler)),
    Case("full, writable, and an alarm", "socket connect alarm:1 write:3000000", "write:3000000=ok", echoes=False,
         requests=after_connect(full_without_filler)),
    Case("full, and nobody reads", "socket connect write:3000000", echoes=False, blocks=1),
    Case("full, and a time limit", "socket connect timeout:300 write:3000000 send:1",
         "write:3000000=524288 send:1=EAGAIN",
         echoes=False),
    Case("the placeholder closed at once", ALL + " socket close", requests=after_connect(lambda s, p: s.hang_up(p))),
    Case("the placeholder shut for writing", RECEIVE, "recv:100=ECONNRESET", requests=shut(socket.SHUT_WR),
         echoes=False),
    Case("the placeholder shut for reading", SEND, requests=shut(socket.SHUT_RD), echoes=False, waits=2),
    Case("the placeholder shut", ALL, requests=shut(socket.SHUT_RDWR), echoes=False),
    Case("never a token", "socket connect recv:10", echoes=False, blocks=1),
    Case("never a token, and a time limit", "socket connect timeout:300 recv:10", "recv:10=EAGAIN", echoes=False),
    Case("never a token, and an alarm", "socket connect alarm:1 recv:10", "recv:10=EINTR", echoes=False),
    Case("data without a token", "socket connect recv:10", "recv:10=10",
         requests=words((layout.IN_PROD, 10, 0)), echoes=False),
]
