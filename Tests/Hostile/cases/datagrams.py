"""xensockd against programs that write what they like into a ring of datagrams."""

import random
import socket
import struct
import time

from harness import layout
from harness.attack import Attack
from harness.frontend import Frontend

from .frontends import during_transfer

GROUP = "datagrams"

ORDER = 7
HALF = 2048 << ORDER


def opened(frontend, port=1, kind=2, order=ORDER):
    """A datagram socket named by its port; `ret` of SOCKET."""
    frontend.bind_port(port)
    page = layout.indexes_page(port, frontend.arena.ports)
    base = page * layout.PAGE // 4
    frontend.arena.halves[base + 32] = order
    for index in range(1 << order):
        frontend.arena.halves[base + 33 + index] = page + 1 + index
    return frontend.request(layout.SOCKET, port, struct.pack("<IIIII", 2, kind, 0, port, page))


def record(payload=b"", address=b"", control=b"", flags=0, options=0, change=None):
    parts = b"".join(part + bytes(-len(part) % 8) for part in (payload, address, control))
    head = [24 + len(parts), len(payload), flags, options, len(address), len(control)]
    if change:
        head[change[0]] = change[1]
    return struct.pack("<6I", *head) + parts


class Ring:
    """`out` of a port."""

    def __init__(self, frontend, port=1):
        self.frontend, self.port = frontend, port
        self.page = layout.indexes_page(port, frontend.arena.ports) * layout.PAGE
        self.produced = 0

    def put(self, data, claimed=None):
        for offset in range(0, len(data), 8):
            at = self.page + layout.PAGE + HALF + (self.produced + offset) % HALF
            self.frontend.arena.map[at : at + 8] = data[offset : offset + 8].ljust(8, b"\0")
        self.produced += len(data) if claimed is None else claimed
        self.frontend.arena.words[(self.page + layout.OUT_PROD) // 8] = (self.produced & 0xFFFFFFFF) << 32
        self.frontend.ring(self.port)

    def room(self):
        """Bytes that may be put: an agent sends as far as the service behind it has room."""
        consumed = self.frontend.arena.words[(self.page + layout.OUT_CONS) // 8] >> 32
        return HALF - ((self.produced - consumed) & 0xFFFFFFFF)

    def flush(self):
        return self.frontend.request(layout.FLUSH, self.port, struct.pack("<I", self.produced & 0xFFFFFFFF))


def nowhere():
    """A UDP socket that nobody reads, and its address."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    return sink, layout.inet(sink.getsockname()[1])


def broken_heads(target):
    sink, address = nowhere()
    for field, values in enumerate(
        (
            (0, 8, 24, 1 << 20, 0xFFFFFFFF, 0x80000000),
            (0, 65536, 0xFFFFFFFF, 0xFFFFFFF8),
            (),
            (2, 0xFFFFFFFF),
            (0, 129, 0xFFFFFFFF),
            (1, 1025, 0xFFFFFFFF),
        )
    ):
        for value in values:
            frontend = Frontend(target.path).open()
            assert opened(frontend) == 0
            ring = Ring(frontend)
            ring.put(record(b"12345678" * 3, address, change=(field, value)))
            # A socket that the service gave up answers so; a length of another part may make a good record.
            assert ring.flush() in (-5, 0, -22), (field, value)
            frontend.close()
    sink.close()


def indexes_of_nonsense(target):
    for claimed in (1, 7, 23, HALF + 8, 1 << 31, 0xFFFFFFF8):
        frontend = Frontend(target.path).open()
        assert opened(frontend) == 0
        ring = Ring(frontend)
        ring.put(record(b"x"), claimed)
        ring.flush()
        frontend.close()


def random_rings(target):
    generator = random.Random(5)
    sink, address = nowhere()
    for _ in range(150):
        frontend = Frontend(target.path).open()
        assert opened(frontend) == 0
        ring = Ring(frontend)
        for _ in range(generator.randrange(1, 6)):
            data = record(generator.randbytes(generator.randrange(60)), address, b"", generator.getrandbits(32))
            if generator.random() < 0.5:
                at = generator.randrange(len(data))
                data = data[:at] + generator.randbytes(1) + data[at + 1 :]
            ring.put(data, None if generator.random() < 0.8 else generator.randrange(600))
        frontend.request(generator.choice((layout.FLUSH, layout.RECVERR, layout.LOOK)), 1, generator.randbytes(8))
        frontend.close()
    sink.close()


def floods(target):
    """A full ring of the smallest datagrams, again and again."""
    sink, address = nowhere()
    frontend = Frontend(target.path).open()
    assert opened(frontend) == 0
    ring = Ring(frontend)
    one = record(b"", address)
    begun = time.monotonic()
    while time.monotonic() - begun < 2:
        if ring.room() >= len(one) * 2000:
            ring.put(one * 2000)
        answer = ring.flush()
        assert answer == 0, answer
        frontend.request(layout.RECVERR, 1, bytes(4))
        frontend.request(layout.LOOK, 1)
    frontend.close()
    sink.close()


def other_types(target):
    frontend = Frontend(target.path).open()
    assert opened(frontend, 1, 2, order=6) == -22
    assert opened(frontend, 2, 2, order=0) == -22
    for port, kind in enumerate((0, 4, 5, 6, 10, 0xFFFFFFFF), 3):
        assert opened(frontend, port, kind) in (-94, -22), kind
    assert frontend.make_socket(20) == 0
    for command in (layout.FLUSH, layout.RECVERR, layout.LOOK):
        assert frontend.request(command, 20, bytes(8)) in (-95, -524)
        assert frontend.request(command, 999, bytes(8)) == -9
    frontend.close()


CASES = [
    Attack("heads out of bounds", during_transfer(broken_heads), logs="a record out of bounds"),
    Attack("indexes of nonsense", indexes_of_nonsense, logs="warning"),
    Attack("random rings", during_transfer(random_rings), logs="a record out of bounds"),
    Attack("floods of empty datagrams", during_transfer(floods)),
    Attack("sockets of other types", other_types),
]
