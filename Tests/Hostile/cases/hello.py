"""HELLO: sizes, types, descriptors and numbers that no service sends. No socket comes of it, and nothing else."""

import fcntl
import os
import socket

from harness import layout
from harness.arena import MFD_HUGETLB, sealed
from harness.case import Case
from harness.service import repeatedly

GROUP = "HELLO"

REFUSED = "socket=ENETDOWN"
STEPS = "socket connect send:10 recv:10 close"


def refused(name, hello, **options):
    return Case(name, STEPS, REFUSED, hello=hello, **options)


def with_memory(make):
    """HELLO with another descriptor in the arena's place."""

    def hello(session):
        session.make_arena()
        memory = make(session)
        session.hello(descriptors=(memory, session.doorbell))
        os.close(memory)

    return hello


def with_doorbell(make):
    def hello(session):
        session.make_arena()
        session.hello(descriptors=(session.arena.memory, make()))

    return hello


def regular_file(session):
    path = "/tmp/xensock-hostile-%d" % os.getpid()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.unlink(path)
    os.ftruncate(descriptor, layout.arena_size(session.ports))
    return descriptor


def unsealed_and_shrinking(session):
    """A memfd that is large enough until it has been mapped."""
    memory = sealed(layout.arena_size(session.ports), 0)
    copy = os.dup(memory)
    repeatedly(lambda: os.ftruncate(copy, 0))
    return memory


def huge_pages(session):
    """A memfd whose pages come from a pool, which is empty."""
    try:
        size = (layout.arena_size(session.ports) + (1 << 21) - 1) >> 21 << 21
        return sealed(size, flags=MFD_HUGETLB)
    except OSError:
        return os.pipe()[0]


def flood_before_answer(session):
    repeatedly(lambda: session.send(layout.frame(layout.KICK)))


def one_descriptor(session):
    session.make_arena()
    session.hello(descriptors=(session.arena.memory,))


def many_descriptors(session):
    """More than the frame has: the first two count."""
    session.make_arena()
    session.hello(descriptors=(session.arena.memory, session.doorbell, *([session.doorbell] * 30)))


def full_pipe():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        pass
    fcntl.fcntl(writer, fcntl.F_SETFL, 0)
    full_pipe.kept = reader
    return writer


def exhausted_eventfd():
    """A blocking eventfd that takes no more."""
    doorbell = os.eventfd(0)
    os.eventfd_write(doorbell, (1 << 64) - 2)
    return doorbell


def die(session):
    session.service.die()


CASES = [
    refused("an empty frame", lambda s: s.send(b"")),
    refused("four bytes", lambda s: s.send(b"\1\0\0\0")),
    refused("cut off before the arena's id", lambda s: s.send(layout.frame(layout.HELLO, 0, bytes(8)))),
    refused("longer than a frame may be", lambda s: s.send(layout.frame(layout.HELLO, 0, bytes(60000)))),
    refused("another type", lambda s: s.hello(kind=layout.STORE)),
    refused("an unknown type", lambda s: s.hello(kind=0xFFFFFFFF)),
    refused("no descriptors", lambda s: s.hello(descriptors=())),
    refused("the arena without a doorbell", one_descriptor),
    Case("more descriptors than two", STEPS, "socket=ok close=0", hello=many_descriptors),
    refused("a pipe for an arena", with_memory(lambda s: os.pipe()[0])),
    refused("a socket for an arena", with_memory(lambda s: socket.socket().detach())),
    refused("a regular file for an arena", with_memory(regular_file)),
    refused("a directory for an arena", with_memory(lambda s: os.open("/", os.O_RDONLY))),
    refused("/dev/zero for an arena", with_memory(lambda s: os.open("/dev/zero", os.O_RDWR))),
    refused("an empty memfd", with_memory(lambda s: sealed(0))),
    refused("a memfd of one page", with_memory(lambda s: sealed(layout.PAGE))),
    refused("a memfd one byte too small", with_memory(lambda s: sealed(layout.arena_size(s.ports) - 1))),
    refused("a memfd without seals that shrinks", with_memory(unsealed_and_shrinking)),
    refused(
        "a memfd sealed only against growing",
        with_memory(lambda s: sealed(layout.arena_size(s.ports), fcntl.F_SEAL_GROW)),
    ),
    refused(
        "a memfd that nobody may write",
        with_memory(lambda s: sealed(layout.arena_size(s.ports), fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_WRITE)),
    ),
    refused("a memfd of huge pages", with_memory(huge_pages)),
    refused("a full pipe for a doorbell", with_doorbell(full_pipe)),
    refused("a regular file for a doorbell", with_doorbell(lambda: os.open("/", os.O_TMPFILE | os.O_RDWR))),
    Case("a doorbell that takes no more", STEPS, "socket=ok close=0", hello=with_doorbell(exhausted_eventfd)),
    refused("no ports", lambda s: s.hello(ports=0)),
    refused("65 ports", lambda s: s.hello(ports=65)),
    refused("more ports than the memfd holds", lambda s: s.hello(ports=128)),
    refused("16448 ports", lambda s: s.hello(ports=16448)),
    refused("2^32 - 64 ports", lambda s: s.hello(ports=0xFFFFFFC0)),
    refused("no nodes", lambda s: s.hello(nodes=b"")),
    refused("nodes without an end", lambda s: s.hello(nodes=b"feature-xensock2")),
    refused("nodes of nothing but NUL", lambda s: s.hello(nodes=bytes(4000))),
    refused("errno 1", lambda s: s.hello(1)),
    refused("errno 4095", lambda s: s.hello(4095)),
    refused("errno 2^31", lambda s: s.hello(1 << 31)),
    refused("errno 2^32 - 1", lambda s: s.hello(0xFFFFFFFF)),
    Case("session id 0", STEPS, "socket=ok recv:10=10", hello=lambda s: s.hello(session=0)),
    Case("session id 2^32 - 1", STEPS, "socket=ok recv:10=10", hello=lambda s: s.hello(session=0xFFFFFFFF)),
    refused("no answer", lambda s: None),
    Case("no answer, and SIGTERM", "socket", hello=lambda s: None, blocks=0.5),
    refused("kicks instead of an answer", flood_before_answer),
    refused("closed", lambda s: s.connection.shutdown(socket.SHUT_RDWR)),
    refused("death", die),
    refused("nobody accepts", None, accepts=False, backlog=0),
    refused("the backlog is full", None, accepts=False, backlog=0, fills=True),
    Case("the backlog is full, and SIGTERM", "socket", accepts=False, backlog=0, fills=True, blocks=0.5),
]
