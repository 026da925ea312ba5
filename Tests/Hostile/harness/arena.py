"""An arena: the memory that a service shares with a frontend, and its words as numbers."""

import fcntl
import mmap
import os
import struct

from . import layout

MFD_HUGETLB = 4


def sealed(size: int, seals: int = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL, flags: int = 0) -> int:
    """A memfd of `size` bytes under `seals`."""
    memory = os.memfd_create("xensock", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | flags)
    os.ftruncate(memory, size)
    if seals:
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, seals)
    return memory


class Arena:
    """The arena behind a descriptor, which must be large enough for `ports`."""

    def __init__(self, memory: int, ports: int):
        self.memory = memory
        self.ports = ports
        self.map = mmap.mmap(memory, layout.arena_size(ports))
        self.words = memoryview(self.map).cast("Q")
        self.halves = memoryview(self.map).cast("I")

    def write_header(self, identity: int, **other: int):
        """The header; `ports` in `other` writes another number than the true one."""
        struct.pack_into(
            "<QIIQII",
            self.map,
            0,
            layout.MAGIC,
            1,
            other.get("ports", self.ports),
            identity,
            layout.first_grantable(self.ports),
            layout.arena_size(self.ports) // layout.PAGE,
        )

    def status(self, port: int) -> int:
        """Index in `halves` of the port's status line."""
        return (0x8000 + 128 * port) // 4

    def word(self, port: int, offset: int) -> int:
        """Index in `words` of one of the port's index words."""
        return (layout.indexes_page(port, self.ports) * layout.PAGE + offset) // 8

    def get(self, port: int, offset: int) -> tuple[int, int]:
        value = self.words[self.word(port, offset)]
        return value >> 32, value & 0xFFFFFFFF

    def set(self, port: int, offset: int, index: int, flags: int):
        self.words[self.word(port, offset)] = (index & 0xFFFFFFFF) << 32 | flags & 0xFFFFFFFF

    def data(self, port: int, out: bool) -> int:
        """Offset in `map` of a half of the port's ring."""
        base = (layout.indexes_page(port, self.ports) + 1) * layout.PAGE
        return base + layout.HALF if out else base
