"""The kernel and modules: Linux as an ELF file, Debian's modules in the order of their dependencies, and Linux's PV
Calls drivers, which Debian leaves out, built of its unmodified sources."""

import lzma
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from .cache import SUITE, digest, made
from .packages import release

DRIVER = SUITE / "driver"
SOURCES = ("pvcalls-back.c", "pvcalls-front.c", "pvcalls-front.h")


def vmlinux(root: Path) -> Path:
    """The kernel without its own decompression, which would take seconds under emulation."""

    def extract(directory: Path):
        image = (root / "boot" / f"vmlinuz-{release(root)}").read_bytes()
        kernel = lzma.LZMADecompressor().decompress(image[image.index(b"\xfd7zXZ\0") :])
        if kernel[:4] != b"\x7fELF":
            raise RuntimeError("the kernel image holds no ELF file behind its xz header")
        (directory / "vmlinux").write_bytes(kernel)

    return made("kernel", digest(root.name), extract) / "vmlinux"


def pvcalls_sources(root: Path) -> Path:
    def extract(directory: Path):
        prefix = "linux-source-6.1/drivers/xen/"
        left = {prefix + name for name in SOURCES}
        with tarfile.open(root / "usr/src/linux-source-6.1.tar.xz", "r|xz") as archive:
            for member in archive:
                if member.name in left:
                    left.remove(member.name)
                    target = directory / Path(member.name).name
                    with archive.extractfile(member) as source, open(target, "wb") as copy:
                        shutil.copyfileobj(source, copy)
                if not left:
                    return
        raise RuntimeError(f"not in linux-source-6.1: {' '.join(left)}")

    return made("sources", digest(root.name), extract)


def corrected(source: str) -> str:
    """pvcalls-back.c with a correction that Linux has had since 6.3 (c70b7741dda7) and 6.1 lacks: an event that finds
    nothing to send masks the connection's channel for good, so that whoever only receives waits for ever at the second
    full ring."""
    reset = "\tatomic_set(&map->write, 0);\n"
    begin = source.index("static bool pvcalls_conn_back_write(")
    end = source.index("\n}\n", begin)
    body = source[begin:end]
    first = "\n\tcons = intf->out_cons;\n"
    if body.count(reset) != 1 or body.count(first) != 1:
        raise RuntimeError("pvcalls_conn_back_write() is not the one of Linux 6.1")
    return source[:begin] + body.replace(reset, "").replace(first, f"\n{reset}{first}") + source[end:]


def pvcalls(root: Path) -> Path:
    """The directory with pvcalls-back.ko, pvcalls-back-corrected.ko, pvcalls-front-exported.ko and pvcalls-family.ko."""
    sources = pvcalls_sources(root)
    own = sorted(path for path in DRIVER.iterdir() if path.is_file())

    def build(directory: Path):
        headers = root / "usr/src" / f"linux-headers-{release(root)}"
        common = headers.with_name(headers.name.replace("-amd64", "-common"))
        # As packaged it names the common headers' place in an installed system.
        (headers / "Makefile").write_text(f"include {common}/Makefile\n")
        for path in [*sources.iterdir(), *own]:
            shutil.copy(path, directory)
        fixed = corrected((sources / "pvcalls-back.c").read_text())
        (directory / "pvcalls-back-corrected.c").write_text(fixed)
        done = subprocess.run(
            ["make", "-C", headers, f"M={directory}", "-j", str(os.cpu_count()), "CC=gcc-12", "modules"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode != 0:
            raise RuntimeError(f"the PV Calls modules do not build:\n{done.stdout[-1000:]}\n{done.stderr[-5000:]}")
        for path in directory.iterdir():
            if path.suffix != ".ko":
                path.unlink()
            else:
                subprocess.run(["strip", "--strip-debug", path], check=True)

    parts = [part for path in own for part in (path.name, path)]
    return made("modules", digest(root.name, sources.name, Path(__file__), *parts), build)


def depends(module: Path) -> list[str]:
    """The names of the modules that one needs, from its own description."""
    match = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    return [name for name in match[1].decode().split(",") if name] if match else []


class Modules:
    """All modules there are, by name."""

    def __init__(self, root: Path):
        self.by_name = {}
        for directory in (root / "lib/modules", pvcalls(root)):
            for path in directory.rglob("*.ko"):
                self.by_name[path.stem.replace("-", "_")] = path

    def ordered(self, names) -> list[Path]:
        """The named modules and those that they need, each after what it needs."""
        order = []

        def add(name: str):
            path = self.by_name.get(name.replace("-", "_"))
            if path is None:
                raise RuntimeError(f"there is no module {name}")
            if path in order:
                return
            for other in depends(path):
                add(other)
            order.append(path)

        for name in names:
            add(name)
        return order
