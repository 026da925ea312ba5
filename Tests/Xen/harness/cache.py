"""The cache: directories that are made once of their inputs, and made anew when these change."""

import hashlib
import os
import shutil
from pathlib import Path

SUITE = Path(__file__).resolve().parent.parent
TOP = SUITE.parent.parent
CACHE = Path(os.environ.get("XENSOCK_XEN_CACHE") or TOP / ".build-xen").resolve()


def digest(*inputs) -> str:
    """A key of strings, numbers and the contents of files."""
    state = hashlib.sha256()
    for entry in inputs:
        data = entry.read_bytes() if isinstance(entry, Path) else str(entry).encode()
        state.update(f"{len(data)}:".encode())
        state.update(data)
    return state.hexdigest()[:16]


def stamp(path: Path) -> str:
    """A key of a large file that does not read it: what a build changes."""
    status = path.stat()
    return f"{path}:{status.st_size}:{status.st_mtime_ns}"


def made(name: str, key: str, make) -> Path:
    """The directory `name` of the cache for a key. If there is none, `make(directory)` fills an empty one, which counts
    only once that has returned; directories of other keys go then."""
    wanted = CACHE / f"{name}-{key}"
    if wanted.is_dir():
        return wanted
    print(f"-      making {name}", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = CACHE / f".{name}-{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        make(unfinished)
        unfinished.rename(wanted)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for other in CACHE.iterdir():
        # A key is 16 hexadecimal digits: `name-` alone could be the start of another name.
        if other != wanted and other.name[:-17] == name:
            shutil.rmtree(other, ignore_errors=True)
    return wanted
