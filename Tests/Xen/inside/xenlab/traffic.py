"""Bytes whose loss, doubling and swapping show, and a server for them, which any client can use over any transport.

A connection begins with a line: `echo`, `sink COUNT` (answered by the bytes' checksum once all are there) or `source COUNT`."""

import hashlib
import socket
import threading
import time
import zlib

_BLOCK = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(2053))
"""65,696 bytes, no two parts alike."""

CHUNK = 1 << 16


def pattern(start: int, count: int) -> bytes:
    """The bytes from `start` of an endless row."""
    begin = start % len(_BLOCK)
    return (_BLOCK * ((begin + count) // len(_BLOCK) + 1))[begin : begin + count]


def digest(count: int) -> str:
    """The checksum of the row's first bytes: CRC-32, as under emulation a SHA-256 takes longer than what is measured."""
    state = 0
    whole, rest = divmod(count, len(_BLOCK))
    for _ in range(whole):
        state = zlib.crc32(_BLOCK, state)
    return f"{zlib.crc32(_BLOCK[:rest], state):08x}"


def send_row(send, count: int):
    """Sends the row's first bytes by `send(data)`, which may take less than it is given."""
    done = 0
    while done < count:
        data = memoryview(pattern(done, min(CHUNK, count - done)))
        done += len(data)
        while data:
            data = data[send(data) :]


class Reader:
    """Reads lines and rows of a connection, never more than one call for what has arrived: a byte a call would make
    Linux's PV Calls frontend send as many events, for which the backend slows it down."""

    def __init__(self, connection):
        self._receive = connection.recv
        self._rest = b""

    def some(self, most: int = CHUNK) -> bytes:
        """What has arrived, nothing only at the end of the stream."""
        data = self._rest[:most] or self._receive(most)
        self._rest = self._rest[most:]
        return data

    def line(self) -> str:
        while b"\n" not in self._rest:
            data = self._receive(CHUNK)
            assert data, f"the stream ended within a line: {self._rest!r}"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def row(self, count: int) -> str:
        """The checksum of as many bytes. Fails if the stream ends before."""
        state = 0
        left = count
        while left:
            data = self.some(min(CHUNK, left))
            assert data, f"the stream ended {left} bytes early"
            state = zlib.crc32(data, state)
            left -= len(data)
        return f"{state:08x}"


def put(client, count: int):
    """Sends the row to a server's sink and compares the checksum that it answers."""
    client.sendall(b"sink %d\n" % count)
    send_row(client.send, count)
    assert Reader(client).line() == digest(count), "the server received other bytes"


def get(client, count: int):
    """Receives the row from a server's source and compares its checksum."""
    client.sendall(b"source %d\n" % count)
    assert Reader(client).row(count) == digest(count), "other bytes than were sent"


def measured(action, client, count: int) -> str:
    """Runs put or get; the rate in words. Rates of an emulated machine are for comparing within one boot only."""
    begun = time.monotonic()
    action(client, count)
    return f"{count / (1 << 20) / (time.monotonic() - begun):.1f} MiB/s"


def round_trips(client, count: int = 200) -> str:
    """Echoes a byte again and again; the median time in words. To be used on a fresh connection."""
    client.sendall(b"echo\n")
    times = []
    for number in range(count):
        begun = time.monotonic()
        client.sendall(b"%c" % (number % 251))
        assert client.recv(1) == b"%c" % (number % 251)
        times.append(time.monotonic() - begun)
    return f"{sorted(times)[count // 2] * 1e6:.0f} µs"


def serve(connection):
    """One connection's server; returns at its end."""
    reader = Reader(connection)
    try:
        words = reader.line().split()
        if words[0] == "echo":
            while data := reader.some():
                connection.sendall(data)
        elif words[0] == "sink":
            connection.sendall(reader.row(int(words[1])).encode() + b"\n")
            reader.some()
        elif words[0] == "source":
            send_row(connection.send, int(words[1]))
            reader.some()
    except (OSError, AssertionError):
        pass
    finally:
        connection.close()


class Server:
    """A TCP server in threads of this process, on a port that the kernel chooses."""

    def __init__(self, address: str = "127.0.0.1"):
        self.listener = socket.create_server((address, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.served = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.served += 1
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def close(self):
        self.listener.close()
