"""A frontend that is no library: raw frames, a raw arena, requests of any kind."""

import os
import select
import socket
import struct

from . import layout
from .arena import Arena
from .layout import frame, pairs


class Frontend:
    """A session with the service at `path`, or over a socket that is connected already."""

    def __init__(self, path: str = "", connection: socket.socket | None = None):
        self.connection = connection or socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if connection is None:
            self.connection.connect(path)
        self.connection.settimeout(20)
        self.arena: Arena | None = None
        self.doorbell = -1
        self.identity = 0
        self.produced = 0
        self.consumed = 0
        self.ends: dict[int, int] = {}

    def send(self, data: bytes, descriptors=()) -> bool:
        """Whether the frame went out: a session that broke the rules is over."""
        try:
            socket.send_fds(self.connection, [data], list(descriptors))
            return True
        except OSError:
            return False

    def receive(self) -> tuple[bytes, list[int]]:
        data, descriptors, _, _ = socket.recv_fds(self.connection, 8192, 8)
        return data, descriptors

    def hello(self, ports: int = 64) -> int:
        """The errno of the answer."""
        self.send(frame(layout.HELLO, 1, struct.pack("<I", ports)))
        data, descriptors = self.receive()
        if not data:
            return -1
        error = struct.unpack_from("<I", data, 4)[0]
        if error == 0:
            self.identity, count, self.arena_id = struct.unpack_from("<IIQ", data, 8)
            self.arena = Arena(descriptors[0], count)
            self.doorbell = descriptors[1]
        return error

    def store(self, **changes: str) -> bytes:
        """Connects the command ring; the answer's nodes."""
        nodes = {"version": "1", "xensock2": "1", "state": "3"}
        nodes |= {"ring-ref": "2", "port": "0", "arguments-ref": "3,4,5,6"}
        self.arena.halves[2 * layout.PAGE // 4 + 1] = 1
        self.arena.halves[2 * layout.PAGE // 4 + 3] = 1
        self.send(frame(layout.STORE, 0, pairs({**nodes, **changes})))
        return self.receive()[0][8:]

    def open(self, ports: int = 64) -> "Frontend":
        assert self.hello(ports) == 0
        assert b"state\x004\0" in self.store()
        return self

    def bind_port(self, port: int, descriptors=None) -> bool:
        """PORT with a new placeholder, or with other descriptors."""
        if descriptors is not None:
            return self.send(frame(layout.PORT, port), descriptors)
        program, backend = socket.socketpair()
        sent = self.send(frame(layout.PORT, port), (backend.fileno(), program.fileno()))
        backend.close()
        if port in self.ends:
            os.close(self.ends[port])
        self.ends[port] = program.detach()
        return sent

    def ring(self, port: int = 0):
        self.arena.words[(layout.PAGE // 8) + port // 64] |= 1 << port % 64
        self.arena.words[128 // 8 + port // 4096] |= 1 << port // 64 % 64
        os.eventfd_write(self.doorbell, 1)

    def push(self, entry: bytes):
        """Publishes a request as it is."""
        at = 2 * layout.PAGE + 64 + 64 * (self.produced & 31)
        self.arena.map[at : at + 64] = entry.ljust(64, b"\0")[:64]
        self.produced += 1
        self.arena.halves[2 * layout.PAGE // 4] = self.produced & 0xFFFFFFFF
        self.ring()

    def request(self, command: int, identity: int, body: bytes = b"", wait: bool = True) -> int | None:
        """`ret` of the answer; None if the session ended."""
        number = self.produced & 31
        self.push(struct.pack("<IIQ", number, command, identity) + body)
        return self.answer() if wait else None

    def answer(self) -> int | None:
        base = 2 * layout.PAGE
        while self.arena.halves[base // 4 + 2] == self.consumed:
            self.arena.halves[base // 4 + 3] = self.consumed + 1
            ready, _, _ = select.select([self.connection], [], [], 0.01)
            if ready and not self.receive()[0]:
                return None
        at = base + 64 + 64 * (self.consumed & 31)
        self.consumed += 1
        return struct.unpack_from("<i", self.arena.map, at + 8)[0]

    def make_socket(self, port: int) -> int | None:
        """A TCP socket named by its port."""
        self.bind_port(port)
        page = layout.indexes_page(port, self.arena.ports)
        return self.request(layout.SOCKET, port, struct.pack("<IIIII", 2, 1, 0, port, page))

    def connect_socket(self, port: int, address: bytes) -> int | None:
        page = layout.indexes_page(port, self.arena.ports)
        base = page * layout.PAGE // 4
        self.arena.halves[base + 32] = layout.ORDER
        for index in range(1 << layout.ORDER):
            self.arena.halves[base + 33 + index] = page + 1 + index
        body = address.ljust(28, b"\0") + struct.pack("<IIII", len(address), 0, page, port)
        return self.request(layout.CONNECT, port, body)

    def close(self):
        self.connection.close()
        for end in self.ends.values():
            os.close(end)
        self.ends.clear()
        if self.arena is not None:
            os.close(self.arena.memory)
            os.close(self.doorbell)
