"""ATTACH and DOOR: a child or an executed program asks what it has inherited, and is told nonsense."""

import os
import socket

from harness import layout
from harness.arena import sealed
from harness.case import Case, honest_attach
from harness.service import repeatedly

GROUP = "ATTACH"

EXEC = "socket connect exec nonblock send:10 recv:10 peername:16 poll:10 close"
FORK = "socket connect fork nonblock send:10 recv:10 peername:16 poll:10 close"


def first(session):
    return session.service.sessions[0]


def told(port=1, generation=0, error=0, arena_id=None, descriptors=None):
    """An answer about the first session's arena."""

    def attach(session, identity, wants_arena):
        arena = first(session)
        carried = (arena.arena.memory, arena.doorbell) if descriptors is None else descriptors(arena)
        session.attach_answer(
            identity, port, generation, error, first(session).identity if arena_id is None else arena_id, carried
        )

    return attach


def small(session):
    """A memfd whose header claims more ports than it has pages for."""
    memory = sealed(layout.PAGE)
    os.pwrite(memory, bytes(session.arena.map[: layout.PAGE]), 0)
    return memory


def dishonest_header(ports):
    def attach(session, identity, wants_arena):
        arena = first(session)
        arena.arena.halves[12 // 4] = ports
        session.attach_answer(identity, 1, 0, 0, arena.identity, (arena.arena.memory, arena.doorbell))

    return attach


def own_arena(session, identity, wants_arena):
    """Names the asking session's arena, with a port of nobody."""
    session.attach_answer(identity, 5, 0, 0, session.identity)


def kicks(session, identity, wants_arena):
    repeatedly(lambda: session.send(layout.frame(layout.KICK)))


def twice(session, identity, wants_arena):
    honest_attach(session, identity, wants_arena)
    honest_attach(session, identity, wants_arena)


CASES = [
    Case("no answer", "socket connect exec send:10", attach=lambda *_: None),
    Case("no answer to a child", FORK, attach=lambda *_: None),
    Case("no answer, and SIGTERM", "socket connect fork peername:16", attach=lambda *_: None, blocks=0.5),
    Case("errno 2^32 - 1", EXEC, attach=told(error=0xFFFFFFFF)),
    Case("errno 2^31", EXEC, attach=told(error=1 << 31)),
    Case("no descriptors", EXEC, attach=told(descriptors=lambda s: ())),
    Case("an arena without a doorbell", EXEC, attach=told(descriptors=lambda s: (s.arena.memory,))),
    Case("a pipe for an arena", EXEC, attach=told(descriptors=lambda s: (os.pipe()[0], s.doorbell))),
    Case("an empty memfd", EXEC, attach=told(descriptors=lambda s: (sealed(0), s.doorbell))),
    Case("a memfd without seals", EXEC, attach=told(descriptors=lambda s: (sealed(1 << 28, 0), s.doorbell))),
    Case("a memfd of one page", EXEC, attach=told(descriptors=lambda s: (small(s), s.doorbell))),
    Case("a pipe for a doorbell", EXEC, attach=told(descriptors=lambda s: (s.arena.memory, os.pipe()[1]))),
    Case("port 64 of 64", EXEC, attach=told(port=64)),
    Case("port 2^32 - 1", EXEC, attach=told(port=0xFFFFFFFF)),
    Case("port 0", EXEC, attach=told(port=0)),
    Case("another generation", EXEC, attach=told(generation=77)),
    Case("generation 2^32 - 1", EXEC, attach=told(generation=0xFFFFFFFF)),
    Case("an unknown arena's id", EXEC, attach=told(arena_id=0xDEADBEEF)),
    Case("the asker's own arena", EXEC, attach=own_arena),
    Case("a header of 65 ports", EXEC, attach=dishonest_header(65)),
    Case("a header of 16384 ports", EXEC, attach=dishonest_header(16384)),
    Case("a header of 2^32 - 1 ports", EXEC, attach=dishonest_header(0xFFFFFFFF)),
    Case("kicks instead", "socket connect exec send:10", attach=kicks),
    Case("two answers", FORK, attach=twice),
    Case("death", EXEC, attach=lambda session, *_: session.service.die()),
    Case("the session is closed", EXEC, attach=lambda s, *_: s.connection.shutdown(socket.SHUT_RDWR)),
    Case("-EBADF for ever after it", FORK, "peername:16=EBADF", attach=told(descriptors=lambda s: ())),
]
