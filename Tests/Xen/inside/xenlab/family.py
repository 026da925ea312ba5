"""Sockets on Linux's own PV Calls frontend: those of the family that the lab's module pvcalls-family registers."""

import ctypes
import os
import socket
import struct

PF_PVCALLS = 19

_libc = ctypes.CDLL(None, use_errno=True)


def _address(host: str, port: int) -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)


def _called(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class FamilySocket(socket.socket):
    """As a stream socket of AF_INET, without shutdown, options and names, which the frontend has not."""

    def __init__(self, fileno=None):
        super().__init__(PF_PVCALLS, socket.SOCK_STREAM, 0, fileno)

    def connect(self, address):
        raw = _address(*address)
        _called(_libc.connect(self.fileno(), raw, len(raw)))

    def bind(self, address):
        raw = _address(*address)
        _called(_libc.bind(self.fileno(), raw, len(raw)))

    def accept(self):
        return FamilySocket(_called(_libc.accept4(self.fileno(), None, None, socket.SOCK_CLOEXEC)))


def connected(host: str, port: int) -> FamilySocket:
    client = FamilySocket()
    client.connect((host, port))
    return client
