"""Writes the archives of which Linux makes its first file system: cpio's newc format, several of which may follow each
other in one image."""

import os
import shutil
import stat
from pathlib import Path


class Archive:
    """An archive in a file, written from the start to `close()`. Directories above an entry are made by themselves."""

    def __init__(self, path: Path):
        self._out = open(path, "wb")
        self._number = 0
        self._directories = {"."}

    def _entry(self, name: str, mode: int, data, device=(0, 0)):
        """One entry, owned by root; `data` is its bytes, or a path for a file's."""
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        self._number += 1
        encoded = name.encode() + b"\0"
        fields = (self._number, mode, 0, 0, 1, 0, size, 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._out.write(header + bytes(-len(header) % 4))
        if isinstance(data, Path):
            with open(data, "rb") as source:
                shutil.copyfileobj(source, self._out, 1 << 20)
        else:
            self._out.write(data)
        self._out.write(bytes(-size % 4))

    def directory(self, name: str, mode: int = 0o755):
        name = name.strip("/") or "."
        if name in self._directories:
            return
        self.directory(os.path.dirname(name))
        self._directories.add(name)
        self._entry(name, stat.S_IFDIR | mode, b"")

    def link(self, name: str, target: str):
        name = name.strip("/")
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name: str, major: int, minor: int, mode: int = 0o600):
        name = name.strip("/")
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | mode, b"", (major, minor))

    def text(self, name: str, text: str, mode: int = 0o644):
        name = name.strip("/")
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, text.encode())

    def file(self, name: str, source: Path):
        """A copy of a file, executable if that is."""
        name = name.strip("/")
        self.directory(os.path.dirname(name))
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        self._entry(name, stat.S_IFREG | mode, source)

    def close(self):
        self._entry("TRAILER!!!", 0, b"")
        # The kernel skips zeros between archives.
        self._out.write(bytes(-self._out.tell() % 512))
        self._out.close()
