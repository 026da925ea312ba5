"""The domains' first file systems. Each is a chain of archives: a base that all domains share, dom0's tools, what the
scenario wants, and in dom0 the guests' kernel and images."""

import os
import py_compile
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import modules
from .archive import Archive
from .cache import SUITE, TOP, digest, made, stamp
from .scenario import Domain, Scenario

BUILD = Path(os.environ.get("XENSOCK_BUILD") or TOP / "build").resolve()
PRODUCTS = {
    "xensockd": (BUILD / "bin/xensockd", "/usr/local/bin/xensockd"),
    "xensock": (BUILD / "bin/xensock", "/usr/local/bin/xensock"),
    "libxensock.so": (BUILD / "lib/libxensock.so", "/usr/local/lib/libxensock.so"),
}
INSIDE = SUITE / "inside"
PYTHON = Path("/usr/bin/python3.11")
STANDARD_LIBRARY = Path("/usr/lib/python3.11")
LEFT_OUT = {
    "__pycache__", "config-3.11-x86_64-linux-gnu", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test",
    "tkinter", "turtledemo", "unittest", "venv", "wsgiref", "xmlrpc", "sqlite3", "curses", "dbm",
}  # fmt: skip
UNUSED = (
    "turtle", "_pydecimal", "_test", "_codecs_", "_xx", "_dbm", "_gdbm", "_sqlite3", "_curses", "readline", "nis", "ossaudio",
)  # fmt: skip
BASE_MODULES = ["xenfs", "xen-evtchn", "xen-gntalloc", "xen-gntdev"]
TOOLS = ["xenstored", "xenconsoled", "xl", "xen-init-dom0", "libxl-save-helper", "lsevtchn"]
STORE_TOOLS = "chmod exists list ls read rm watch write".split()
DLOPENED = ["libgcc_s.so.1", "libxengnttab.so.1", "libxenevtchn.so.1", "libxenstore.so.4", "libxenvchan.so.4.17"]
"""Libraries that are opened at run time: by pthread_cancel(), by ctypes and by the products."""


def libraries(root: Path, paths) -> dict[str, Path]:
    """The shared libraries that programs need, by their place in an image; Xen's come from the packages."""
    place = f"{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib/xen-4.17/lib/x86_64-linux-gnu"
    done = subprocess.run(
        ["ldd", *paths], capture_output=True, text=True, timeout=60, env=os.environ | {"LD_LIBRARY_PATH": place}
    )
    missing = sorted(set(re.findall(r"(\S+) => not found", done.stdout)))
    if missing:
        raise RuntimeError(f"no such library: {' '.join(missing)}")
    found = {}
    for name, path in re.findall(r"^\s+(\S+)(?: => (\S+))? \(0x", done.stdout, re.M):
        if name.startswith("/"):
            found[name] = Path(name)
        elif path:
            found[f"/lib/x86_64-linux-gnu/{name}"] = Path(path)
    return found


def library(root: Path, name: str) -> Path:
    for directory in (root / "usr/lib/x86_64-linux-gnu", Path("/lib/x86_64-linux-gnu")):
        if (directory / name).exists():
            return directory / name
    raise RuntimeError(f"no library {name}")


def program(root: Path, name: str) -> Path:
    if name in ("xenstored", "xenconsoled", "xl", "xen-init-dom0", "libxl-save-helper", "lsevtchn"):
        return root / "usr/lib/xen-4.17/bin" / name
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"this machine has no {name}")
    return Path(path)


def python_files() -> list[tuple[str, Path]]:
    """The interpreter and its library without what no script here needs."""
    files = [(str(PYTHON), PYTHON)]
    for directory, below, names in os.walk(STANDARD_LIBRARY):
        below[:] = sorted(set(below) - LEFT_OUT)
        for name in sorted(names):
            if name.endswith((".py", ".so")) and not name.startswith(UNUSED):
                path = Path(directory) / name
                files.append((str(path), path))
    return files


def compile_python(path: Path, inside: str, scratch: Path) -> Path:
    """The compiled form of a file that will be at `inside`, in `scratch`: under emulation compiling takes long."""
    compiled = scratch / "compiled.pyc"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(path), str(compiled), inside, doraise=True, invalidation_mode=mode)
    return compiled


def base(root: Path) -> Path:
    """What every domain has: busybox, python, curl, the modules of /dev/xen/*, libxen*."""
    drivers = modules.Modules(root).ordered(BASE_MODULES)
    programs = [program(root, "curl"), PYTHON]
    files = python_files()
    key = digest(root.name, Path(__file__), *(stamp(path) for path in programs), *(stamp(path) for _, path in files))

    def make(directory: Path):
        archive = Archive(directory / "base.cpio")
        for name in ("proc", "sys", "dev", "run", "root", "mnt", "var/log/xen", "var/lib/xen", "var/run/xen", "lab/bin"):
            archive.directory(name)
        archive.directory("tmp", 0o1777)
        archive.device("dev/console", 5, 1)
        archive.file("bin/busybox", root / "bin/busybox")
        applets = subprocess.run([root / "bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout
        for applet in set(applets.split()) - {"busybox"}:
            archive.link(f"bin/{applet}", "busybox")
        archive.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n")
        archive.text("etc/group", "root:x:0:\nuser:x:1000:\n")
        archive.text("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        archive.text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        archive.link("usr/bin/python3", "python3.11")
        linked = dict.fromkeys(programs + [library(root, name) for name in DLOPENED])
        extensions = [path for _, path in files if path.suffix == ".so"]
        needed = libraries(root, [*linked, *extensions])
        for name in DLOPENED:
            needed[f"/lib/x86_64-linux-gnu/{name}"] = library(root, name)
        for inside, path in sorted(needed.items()):
            archive.file(inside, path)
        archive.file("/usr/bin/curl", programs[0])
        for inside, path in files:
            if path.suffix == ".py":
                archive.file(f"{inside}c", compile_python(path, inside, directory))
            else:
                archive.file(inside, path)
        for path in drivers:
            archive.file(f"/lab/modules/{path.name}", path)
        archive.close()
        (directory / "compiled.pyc").unlink()
        (directory / "libraries").write_text("\n".join(needed))

    return made("base", key, make)


def tools(root: Path) -> Path:
    """What dom0 has besides: Xen's tools and the kernel of its guests."""
    key = digest(root.name, Path(__file__))

    def make(directory: Path):
        archive = Archive(directory / "tools.cpio")
        paths = {f"/usr/lib/xen-4.17/bin/{name}": program(root, name) for name in TOOLS}
        paths |= {f"/usr/bin/xenstore-{name}": root / f"usr/bin/xenstore-{name}" for name in STORE_TOOLS}
        for inside, path in (libraries(root, paths.values()) | paths).items():
            archive.file(inside, path)
        for name in TOOLS:
            archive.link(f"/usr/sbin/{name}", f"/usr/lib/xen-4.17/bin/{name}")
        archive.text("etc/xen/xl.conf", 'autoballoon="off"\nclaim_mode=0\nlockfile="/run/xl.lock"\n')
        archive.file("/lab/vmlinux", modules.vmlinux(root))
        archive.close()

    return made("tools", key, make) / "tools.cpio"


def compiled(root: Path, scenario: Scenario, name: str) -> Path:
    """A C program of a scenario, with Xen's headers and libraries of the packages."""
    source = scenario.directory / name
    headers = sorted(scenario.directory.glob("*.h"))

    def make(directory: Path):
        libraries_of = root / "usr/lib/x86_64-linux-gnu"
        subprocess.run(
            ["gcc", "-O2", "-g", "-Wall", "-Wextra", "-pthread", f"-I{root}/usr/include", "-o", directory / source.stem]
            + [source, f"-L{libraries_of}", f"-Wl,-rpath-link,{libraries_of}", "-Wl,--as-needed"]
            + ["-lxengnttab", "-lxenevtchn", "-lxenstore", "-lxencall", "-lxenforeignmemory"],
            check=True,
            timeout=120,
        )

    return made(f"program-{scenario.name}-{source.stem}", digest(root.name, Path(__file__), source, *headers), make) / source.stem


def wanted_files(root: Path, scenario: Scenario, domain: Domain) -> dict[str, Path]:
    """Files of a domain's own, by their place in its image."""
    files = {}
    linked = []
    for name in domain.programs:
        path = program(root, name)
        files[str(path) if path.is_relative_to("/usr") else f"/usr/bin/{path.name}"] = path
        linked.append(path)
    for name in domain.products:
        path, inside = PRODUCTS[name]
        if not path.exists():
            raise RuntimeError(f"not built: {path}")
        files[inside] = path
        linked.append(path)
    for name in domain.compiled:
        path = compiled(root, scenario, name)
        files[f"/lab/bin/{path.name}"] = path
        linked.append(path)
    files |= domain.files
    if linked:
        present = set((base(root) / "libraries").read_text().split("\n"))
        files |= {inside: path for inside, path in libraries(root, linked).items() if inside not in present}
    for path in scenario.directory.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            files[f"/lab/scenario/{path.relative_to(scenario.directory)}"] = path
    return files


def own(root: Path, scenario: Scenario, domain: Domain, target: Path, guests=()):
    """The domain's own archive: the lab's scripts, the modules' order, its files and, in dom0, the guests' images."""
    archive = Archive(target)
    archive.link("init", "lab/inside/init")
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted(INSIDE.rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            name = f"/lab/inside/{path.relative_to(INSIDE)}"
            archive.file(name, path)
            if path.suffix == ".py":
                parent, _, last = name.rpartition("/")
                compiled_name = f"{parent}/__pycache__/{last.removesuffix('.py')}.cpython-311.pyc"
                archive.file(compiled_name, compile_python(path, name, Path(scratch)))
    available = modules.Modules(root)
    present = set(available.ordered(BASE_MODULES))
    orders = {"/lab/modules.order": available.ordered(BASE_MODULES + domain.modules)}
    orders |= {f"/lab/modules.later/{name}": available.ordered([name]) for name in domain.later}
    for name, order in orders.items():
        archive.text(name, "".join(f"/lab/modules/{path.name}\n" for path in order))
        for path in order:
            if path not in present:
                archive.file(f"/lab/modules/{path.name}", path)
                present.add(path)
    for name, path in wanted_files(root, scenario, domain).items():
        archive.file(name, path)
    for guest, image in guests:
        lines = [
            f'name="{guest.name}"',
            'kernel="/lab/vmlinux"',
            f'ramdisk="/lab/guests/{image.name}"',
            f"memory={memory(guest, image)}",
            "vcpus=1",
            f'extra="console=hvc0 rdinit=/init rootfstype=ramfs loglevel=5 panic=1 lab.name={guest.name} lab.script={guest.script}'
            f' {guest.parameters}"',
            'on_poweroff="destroy"',
            'on_reboot="destroy"',
            'on_crash="destroy"',
            *guest.configuration,
        ]
        archive.text(f"/lab/guests/{guest.name}.cfg", "\n".join(lines) + "\n")
    for image in {image for _, image in guests}:
        archive.file(f"/lab/guests/{image.name}", image)
    archive.text("/lab/guests/started", "".join(f"{guest.name}\n" for guest, _ in guests if guest.start))
    archive.close()


def memory(domain: Domain, image: Path) -> int:
    """MiB of a domain: while Linux unpacks the image there are both."""
    return domain.memory + 2 * (image.stat().st_size >> 20)


def concatenate(target: Path, parts):
    with open(target, "wb") as out:
        for part in parts:
            with open(part, "rb") as source:
                shutil.copyfileobj(source, out, 1 << 20)


@dataclass
class Built:
    """dom0's image and how many MiB it and all guests need."""

    image: Path
    dom0: int
    guests: int


def build(root: Path, scenario: Scenario, directory: Path) -> Built:
    """dom0's image, with its guests' in it, in `directory`. Guests that differ in their scripts only share one."""
    shared = base(root) / "base.cpio"
    images = {}
    guests = []
    for guest in scenario.guests:
        alike = repr((guest.modules, guest.later, guest.programs, guest.products, guest.compiled, guest.files))
        if alike not in images:
            images[alike] = directory / f"{guest.name}.image"
            own(root, scenario, guest, directory / "own.cpio")
            concatenate(images[alike], [shared, directory / "own.cpio"])
        guests.append((guest, images[alike]))
    own(root, scenario, scenario.dom0, directory / "own.cpio", guests)
    target = directory / "dom0.image"
    concatenate(target, [shared, tools(root), directory / "own.cpio"])
    (directory / "own.cpio").unlink()
    return Built(target, memory(scenario.dom0, target), sum(memory(guest, image) for guest, image in guests))
