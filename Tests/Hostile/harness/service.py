"""A service that speaks the local platform's protocol as far as a case wants it to. It is honest by default: it echoes
what connected sockets send. A case replaces one answer of it, or starts a thread that writes to the arena."""

import os
import select
import socket
import struct
import threading
import time

from . import layout
from .arena import Arena, sealed
from .layout import frame, pairs


class Died(Exception):
    """The service is to die now."""


class Request:
    """An entry of the command ring."""

    def __init__(self, entry: bytes):
        self.number, self.command, self.id = struct.unpack_from("<IIQ", entry)
        self.entry = entry

    def u32(self, offset: int) -> int:
        return struct.unpack_from("<I", self.entry, offset)[0]


class Session:
    def __init__(self, service: "Service", connection: socket.socket):
        self.service = service
        self.connection = connection
        self.ports = service.ports
        self.arena: Arena | None = None
        self.doorbell = -1
        self.placeholders: dict[int, int] = {}
        self.sockets: dict[int, int] = {}
        self.consumed = 0
        self.produced = 0
        self.is_connected = False
        self.ended = False
        self.accepted = 0

    # Frames

    def send(self, data: bytes, descriptors=()):
        socket.send_fds(self.connection, [data], list(descriptors))

    def make_arena(self, **other):
        memory = sealed(layout.arena_size(self.ports))
        self.arena = Arena(memory, self.ports)
        self.service.identity += 1
        self.identity = os.getpid() << 16 | self.service.identity
        self.arena.write_header(self.identity, **other)
        self.arena.halves[64 // 4] = 1
        self.doorbell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def hello(self, argument=0, ports=None, nodes=None, descriptors=None, kind=layout.HELLO, session=7):
        """The service's HELLO, with an arena of its own unless there is one."""
        if self.arena is None:
            self.make_arena()
        ports = self.ports if ports is None else ports
        data = frame(kind, argument, struct.pack("<IIQ", session, ports, self.identity))
        data += pairs(layout.NODES) if nodes is None else nodes
        self.send(data, (self.arena.memory, self.doorbell) if descriptors is None else descriptors)

    def store(self, state="4", **more):
        self.send(frame(layout.STORE, 0, pairs({**more, "state": state})))

    def attach_answer(self, identity: int, port: int, generation=0, error=0, arena_id=None, descriptors=()):
        arena_id = self.identity if arena_id is None else arena_id
        self.send(frame(layout.ATTACH, error, struct.pack("<QQII", identity, arena_id, port, generation)), descriptors)

    def take_frame(self) -> bool:
        # Not socket.recv_fds, which forgets its flags.
        data, controls, _, _ = self.connection.recvmsg(8192, socket.CMSG_LEN(32), socket.MSG_DONTWAIT)
        descriptors = [number for _, _, bytes_ in controls for number in struct.unpack(f"{len(bytes_) // 4}i", bytes_)]
        if not data:
            return False
        kind, argument = struct.unpack_from("<II", data)
        if kind == layout.HELLO:
            self.service.case.hello(self)
        elif kind == layout.STORE:
            self.service.case.store(self)
            self.is_connected = True
        elif kind == layout.PORT:
            with socket.socket(fileno=descriptors[1]) as program:
                program.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            self.placeholders[argument] = descriptors[0]
            descriptors = []
            self.service.case.port(self, argument)
        elif kind == layout.ATTACH:
            self.service.case.attach(self, struct.unpack_from("<Q", data, 8)[0], argument)
        elif kind == layout.DOOR:
            self.service.adopt(socket.socket(fileno=descriptors[0]))
            descriptors = []
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def drain_frames(self):
        while self.service.case.reads and self.connection.fileno() >= 0:
            try:
                if not self.take_frame():
                    # Its sockets live on, as others may have them.
                    self.connection.close()
            except BlockingIOError:
                return
            except ConnectionResetError:
                self.connection.close()

    # Commands

    def take_requests(self):
        if not self.is_connected or self.arena is None:
            return
        base = 2 * layout.PAGE
        while True:
            produced = self.arena.halves[base // 4]
            if (produced - self.consumed) & 0xFFFFFFFF in (0, *range(33, 1 << 10)) or produced == self.consumed:
                self.arena.halves[base // 4 + 1] = (self.consumed + 1) & 0xFFFFFFFF
                return
            # A PORT was sent before the request that names it.
            self.drain_frames()
            at = base + 64 + 64 * (self.consumed & 31)
            request = Request(bytes(self.arena.map[at : at + 64]))
            self.consumed += 1
            self.service.case.request(self, request)

    def respond(self, number, command, ret, identity, payload=b"", publish=1):
        """Writes a response, and moves rsp_prod on by `publish`."""
        at = 2 * layout.PAGE + 64 + 64 * (self.produced & 31)
        entry = struct.pack("<IIiIQ", number, command, ret, 0, identity & (1 << 64) - 1) + payload
        self.arena.map[at : at + 64] = entry.ljust(64, b"\0")
        self.produced += 1
        if publish:
            self.arena.halves[2 * layout.PAGE // 4 + 2] = self.produced & 0xFFFFFFFF
            try:
                self.send(frame(layout.KICK))
            except OSError:
                # The session's end is seen when its frames are read.
                pass

    def answer(self, request: Request, ret=0, payload=b"", **other):
        self.respond(
            other.get("number", request.number),
            other.get("command", request.command),
            ret,
            request.id,
            payload,
        )

    def argument(self, request: Request, data: bytes):
        at = 3 * layout.PAGE + 512 * (request.number & 31)
        self.arena.map[at : at + len(data)] = data

    def perform(self, request: Request):
        """What an honest service answers."""
        command = request.command
        port = self.sockets.get(request.id, 0)
        if command == layout.SOCKET:
            port = request.u32(28)
            if port not in self.placeholders:
                return self.answer(request, -9)
            self.sockets[request.id] = port
            self.set_state(port, layout.OPEN)
            return self.answer(request)
        if request.id not in self.sockets:
            return self.answer(request, -9)
        if command == layout.CONNECT:
            self.decide(port)
        elif command == layout.LISTEN:
            self.set_state(port, layout.LISTENING)
            self.publish(port, b"", arrivals=1)
        elif command == layout.ACCEPT:
            return self.accept(request, port)
        elif command in (layout.GETSOCKNAME, layout.GETPEERNAME):
            return self.answer(request, payload=struct.pack("<I", 16) + layout.inet())
        elif command == layout.GETSOCKOPT:
            self.argument(request, b"\1\0\0\0")
            return self.answer(request, payload=struct.pack("<I", 4))
        self.answer(request)

    def accept(self, request: Request, listener: int):
        """Gives the first a connection, and the others none."""
        index, _ = self.arena.get(listener, layout.IN_PROD)
        tail = struct.pack("<II", 1, index)
        port = request.u32(28)
        if self.accepted or port not in self.placeholders:
            return self.answer(request, -11, struct.pack("<I28x", 0) + tail)
        self.accepted += 1
        self.sockets[struct.unpack_from("<Q", request.entry, 16)[0]] = port
        self.decide(port)
        self.answer(request, 0, struct.pack("<I", 16) + layout.inet().ljust(28, b"\0") + tail)

    # Sockets

    def set_state(self, port: int, state: int, error: int = 0):
        line = self.arena.status(port)
        self.arena.halves[line + 2] = error
        self.arena.halves[line + 1] = state

    def decide(self, port: int):
        """The connect succeeded."""
        self.set_state(port, layout.IS_CONNECTED)
        index, flags = self.arena.get(port, layout.OUT_CONS)
        self.arena.set(port, layout.OUT_CONS, index, flags & ~3 | layout.CONNECTED)
        if flags & 3:
            self.eat(port, 256)

    def eat(self, port: int, count: int) -> int:
        """Receives filler from the placeholder."""
        with socket.socket(fileno=os.dup(self.placeholders[port])) as end:
            try:
                return len(end.recv(count, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return 0

    def token(self, port: int, data: bytes = b"\0", flags: int = 0) -> int:
        with socket.socket(fileno=os.dup(self.placeholders[port])) as end:
            try:
                return end.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL | flags)
            except OSError:
                return 0

    def publish(self, port: int, data: bytes, arrivals: int = 0):
        """Puts bytes (or arrivals) into `in`, with a token."""
        index, flags = self.arena.get(port, layout.IN_PROD)
        base = self.arena.data(port, out=False)
        for offset, byte in enumerate(data):
            self.arena.map[base + (index + offset) % layout.HALF] = byte
        tokens = flags & 255
        self.arena.set(port, layout.IN_PROD, index + len(data) + arrivals, flags | (1 if tokens == 0 else 0))
        if tokens == 0:
            self.token(port)

    def end_of_file(self, port: int):
        index, flags = self.arena.get(port, layout.IN_PROD)
        self.arena.set(port, layout.IN_PROD, index, flags | layout.EOF | (0 if flags & 255 else 1))
        if not flags & 255:
            self.token(port)

    def hang_up(self, port: int):
        descriptor = self.placeholders.pop(port, None)
        if descriptor is not None:
            os.close(descriptor)

    def pump(self):
        """Takes what the sockets sent; echoes it if the case wants that."""
        if self.arena is None:
            return
        for identity, port in list(self.sockets.items()):
            produced, _ = self.arena.get(port, layout.OUT_PROD)
            consumed, flags = self.arena.get(port, layout.OUT_CONS)
            count = (produced - consumed) & 0xFFFFFFFF
            if not count or count > layout.HALF or not self.service.case.echoes:
                continue
            base = self.arena.data(port, out=True)
            data = bytes(self.arena.map[base + (consumed + offset) % layout.HALF] for offset in range(min(count, 4096)))
            self.arena.set(port, layout.OUT_CONS, consumed + len(data), flags & ~layout.FULL)
            if flags & layout.FULL:
                self.eat(port, 256)
            self.publish(port, data)

    # Life

    def run(self):
        try:
            while not self.ended:
                watched = [self.connection] if self.connection.fileno() >= 0 else []
                watched += [self.doorbell] if self.doorbell >= 0 else []
                ready, _, _ = select.select(watched, [], [], 0.005)
                if self.doorbell in ready:
                    os.eventfd_read(self.doorbell)
                if self.arena is not None:
                    self.arena.halves[64 // 4] = 1
                if self.connection in ready:
                    self.drain_frames()
                self.take_requests()
                self.pump()
        except Died:
            for session in self.service.sessions:
                session.end()
        except OSError:
            pass
        self.end()

    def end(self):
        self.ended = True
        if self.connection.fileno() >= 0:
            self.connection.shutdown(socket.SHUT_RDWR)
        for port in list(self.placeholders):
            self.hang_up(port)


class Service:
    """Listens at `path` and serves each session in a thread."""

    def __init__(self, path: str, case, ports: int = 64):
        self.case = case
        self.ports = ports
        self.identity = 0
        self.sessions: list[Session] = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen(case.backlog)
        self.waiting = []
        while case.fills:
            waiting = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            waiting.setblocking(False)
            self.waiting.append(waiting)
            if waiting.connect_ex(path):
                break
        if case.accepts:
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.adopt(connection)

    def adopt(self, connection: socket.socket):
        session = Session(self, connection)
        self.sessions.append(session)
        threading.Thread(target=session.run, daemon=True).start()

    def die(self):
        """As SIGKILL would: everything is closed at once, and nothing listens."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for session in self.sessions:
            session.ended = True
        raise Died


def repeatedly(action, pause: float = 0.0):
    """Runs `action` in a thread for as long as the case lasts; errors end it."""

    def loop():
        try:
            while True:
                action()
                time.sleep(pause)
        except (OSError, KeyError, ValueError):
            pass

    threading.Thread(target=loop, daemon=True).start()
