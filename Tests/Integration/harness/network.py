"""Native addresses, ports and peers of the tests."""

import hashlib
import random
import socket
import struct
import threading
import time

from .processes import eventually

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


def free_port(version: int = 4) -> int:
    """A port that nothing is bound to, for TCP and UDP, and that no socket gets by chance: below those that the kernel
    gives."""
    while True:
        port = random.randrange(10000, 32768)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(FAMILY[version], kind) as probe:
                    probe.bind((LOOPBACK[version], port))
        except OSError:
            continue
        return port


def listening(port: int) -> bool:
    """Whether a TCP listener has the port. Read from /proc: a probe would take the place of a connection, which
    matters to servers of one connection."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            for line in lines.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    return True
    return False


def await_listener(program, port: int, timeout: float = 15):
    """Waits until the port is listened to; fails with the program's output if it is not."""
    eventually(lambda: listening(port) or program.process.poll() not in (None, 0), timeout)
    if not listening(port):
        raise AssertionError(f"nothing listens at port {port} after {timeout} s: {program}")


def pattern(count: int, seed: int = 0) -> bytes:
    """Bytes that differ at every offset within 251 of each other, so that a loss or a swap shows in their hash."""
    block = bytes((seed + index) % 251 for index in range(251))
    return (block * (count // 251 + 1))[:count]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def drain(connection: socket.socket) -> str:
    """Reads to the end: the bytes' number and hash, and whether the end was EOF or a reset."""
    total = 0
    content = hashlib.sha256()
    ending = "eof"
    while True:
        try:
            data = connection.recv(1 << 18)
        except ConnectionResetError:
            ending = "reset"
            break
        if not data:
            break
        total += len(data)
        content.update(data)
    return f"{total} bytes {content.hexdigest()[:16]} {ending}"


def reset(connection: socket.socket):
    """Closes with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Peer:
    """A native TCP server in a thread: `behaviour(connection)` acts on one connection after another, and what it
    returns is what the peer observed. Ends with `close()` or after its number of connections."""

    def __init__(self, behaviour, version: int = 4, connections: int = 1, receive_buffer: int = 0):
        self.listener = socket.socket(FAMILY[version], socket.SOCK_STREAM)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind((LOOPBACK[version], 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        self._behaviour = behaviour
        self._connections = connections
        self._observed: list[str] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        for _ in range(self._connections):
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(20)
            try:
                self._observed.append(self._behaviour(connection) or "")
            except OSError as error:
                self._observed.append(f"{type(error).__name__}: {error}")
            connection.close()

    def observed(self, timeout: float = 20) -> list[str]:
        """What each connection's behaviour returned, after the last one's end."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise AssertionError(f"the peer still waits after {timeout} s, having seen {self._observed}")
        return self._observed

    def close(self):
        self.listener.close()


class FullListener:
    """A native listener whose backlog is full: a connect to it stays under way, as the kernel drops its SYN."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind((LOOPBACK[4], 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self._fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((LOOPBACK[4], self.port))
            self._fillers.append(filler)
        time.sleep(0.1)

    def close(self):
        for filler in self._fillers:
            filler.close()
        self.listener.close()
