"""XenStore, over the kernel's device: relative paths are the domain's own."""

import os
import struct
import threading
import time

DIRECTORY, READ, WRITE, MKDIR, RM, SET_PERMS, GET_PERMS = 1, 2, 11, 12, 13, 14, 3
ERROR = 16


class StoreError(OSError):
    pass


class Store:
    def __init__(self):
        self._file = None
        self._lock = threading.Lock()

    def _ask(self, kind: int, *parts: bytes) -> bytes:
        body = b"".join(parts)
        with self._lock:
            if self._file is None:
                self._file = os.open("/dev/xen/xenbus", os.O_RDWR | os.O_CLOEXEC)
            os.write(self._file, struct.pack("<IIII", kind, 0, 0, len(body)) + body)
            got, _, _, length = struct.unpack("<IIII", self._read(16))
            answer = self._read(length)
        if got == ERROR:
            raise StoreError(answer.rstrip(b"\0").decode(), parts[0].rstrip(b"\0").decode())
        return answer

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += os.read(self._file, count - len(data))
        return data

    def read(self, path: str, otherwise=None):
        """A node's value, or `otherwise` if it cannot be read."""
        try:
            return self._ask(READ, path.encode() + b"\0").decode(errors="replace")
        except StoreError:
            return otherwise

    def write(self, path: str, value):
        self._ask(WRITE, path.encode() + b"\0", str(value).encode())

    def list(self, path: str) -> list[str]:
        """The names below a node; none if it is not there."""
        try:
            answer = self._ask(DIRECTORY, path.encode() + b"\0")
        except StoreError:
            return []
        return [name.decode() for name in answer.split(b"\0") if name]

    def remove(self, path: str):
        try:
            self._ask(RM, path.encode() + b"\0")
        except StoreError as error:
            if error.args[0] != "ENOENT":
                raise

    def permissions(self, path: str, *permissions: str):
        """Sets a node's permissions: "n0", "r1"; the first names the owner and what all others may do."""
        self._ask(SET_PERMS, path.encode() + b"\0", *(entry.encode() + b"\0" for entry in permissions))

    def permitted(self, path: str) -> "list[str]":
        """A node's permissions, as `permissions` takes them."""
        return [entry.decode() for entry in self._ask(GET_PERMS, path.encode() + b"\0").split(b"\0") if entry]

    def wait(self, path: str, wanted=None, limit: float = 60) -> str:
        """The node's value once there is one, or once it is `wanted`: a value, or a function of it."""
        end = time.monotonic() + limit
        while True:
            value = self.read(path)
            if value is not None:
                met = wanted(value) if callable(wanted) else wanted is None or value == str(wanted)
                if met:
                    return value
            if time.monotonic() > end:
                expected = "" if wanted is None or callable(wanted) else f" not {wanted!r} but"
                raise TimeoutError(f"{path} is{expected} {value!r} after {limit} s")
            time.sleep(0.03)

    def tree(self, path: str, depth: int = 6) -> str:
        """Nodes and values below a path, for messages."""
        lines = [f"{path} = {self.read(path)!r}"]
        if depth:
            lines += [self.tree(f"{path}/{name}", depth - 1) for name in self.list(path)]
        return "\n".join(lines)


store = Store()
