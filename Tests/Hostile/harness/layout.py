"""The numbers of docs/PROTOCOL.md: frames, commands, the arena and what lies in it."""

import struct

HELLO, STORE, PORT, ATTACH, DOOR, KICK = range(1, 7)

SOCKET, CONNECT, RELEASE, BIND, LISTEN, ACCEPT = range(6)
SHUTDOWN, GETSOCKNAME, GETPEERNAME, GETSOCKOPT, SETSOCKOPT, IOCTL, SENDOOB = range(64, 71)
RELAY, FLUSH, RECVERR, LOOK = range(71, 75)

PAGE = 4096
MAGIC = 0x324B434F534E4558
PAGES_PER_PORT = 257
ORDER = 8
HALF = 2048 << ORDER

IN_PROD, IN_CONS, OUT_PROD, OUT_CONS = 3840, 3904, 3968, 4032
EOF, UNSETTLED = 1 << 8, 1 << 9
STALL = 1
IDLE = 1
FULL, FPEND, OWE, CONNECTED, BROKEN = 1, 2, 4, 8, 16

FREE, OPEN, CONNECTING, IS_CONNECTED, LISTENING, FAILED, RESET = range(7)

NODES = {
    "versions": "1",
    "max-page-order": "8",
    "function-calls": "1",
    "feature-xensock2": "1",
    "state": "2",
}


def pairs(nodes: dict[str, str]) -> bytes:
    return b"".join(f"{name}\0{value}\0".encode() for name, value in nodes.items())


def frame(kind: int, argument: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack("<II", kind, argument) + payload


def first_grantable(ports: int) -> int:
    return 8 + ports // 32


def arena_size(ports: int) -> int:
    return PAGE * (first_grantable(ports) + PAGES_PER_PORT * ports)


def indexes_page(port: int, ports: int) -> int:
    return first_grantable(ports) + PAGES_PER_PORT * port


def inet(port: int = 4242) -> bytes:
    """127.0.0.1 as a sockaddr_in."""
    return struct.pack("<HBBBBBB8x", 2, port >> 8, port & 255, 127, 0, 0, 1)
