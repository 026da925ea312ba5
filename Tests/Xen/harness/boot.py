"""Runs Xen, dom0 and its guests in QEMU's software emulation, until the scenario's deadline at most."""

import ctypes
import gzip
import os
import re
import selectors
import signal
import subprocess
import time
from pathlib import Path

from . import modules
from .cache import digest, made
from .images import Built
from .judge import Judge
from .scenario import Scenario


def hypervisor(root: Path) -> Path:
    """Xen as an ELF file, which QEMU loads as it is."""

    def unpack(directory: Path):
        packed = (root / "boot/xen-4.17-amd64.gz").read_bytes()
        (directory / "xen").write_bytes(gzip.decompress(packed))

    return made("hypervisor", digest(root.name), unpack) / "xen"


XEN = 160
"""MiB for Xen itself; SHARE more for each guest."""
SHARE = 16


def command(root: Path, scenario: Scenario, built: Built, log: Path) -> list[str]:
    memory = built.dom0
    machine = memory + built.guests + SHARE * len(scenario.guests) + XEN
    kernel = f"{modules.vmlinux(root)} console=hvc0 rdinit=/init rootfstype=ramfs loglevel=5 panic=1 lab.script={scenario.dom0.script}"
    return [
        "qemu-system-x86_64",
        # The machine's clock counts its instructions, and idle time is skipped: a busy host makes no case late.
        *("-accel", "tcg,thread=single", "-icount", "shift=2,sleep=off", "-rtc", "clock=vm"),
        *("-smp", "1", "-m", str(machine)),
        # No SMAP, with which dom0 dies at once, and no AVX, which this emulation does not trap for lazy switching.
        *("-cpu", "qemu64,+rdrand", "-no-reboot", "-nodefaults", "-display", "none", "-monitor", "none"),
        *("-serial", f"file:{log}", "-serial", "stdio"),
        *("-kernel", str(hypervisor(root))),
        *("-initrd", f"{kernel},{built.image}"),
        "-append",
        f"console=com1 com1=115200,8n1 dom0_mem={memory}M,max:{memory}M loglvl=warning guest_loglvl=all"
        " conring_size=1m spec-ctrl=eager-fpu gnttab_max_frames=256",
    ]


PATIENCE = 5
"""How many seconds a boot may take for each that its deadline allows the emulator to compute: others compute too."""


def processor_time(pid: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def end_with_parent():
    """Lets a child be killed when this program is, however that ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def run(root: Path, scenario: Scenario, built: Built, directory: Path, judge: Judge):
    """Boots and lets the judge see each report at once; returns when the machine is off, by itself or by force."""
    log = directory / "console.log"
    log.touch()
    begun = time.monotonic()
    end = begun + PATIENCE * scenario.deadline
    emulator = subprocess.Popen(
        command(root, scenario, built, log),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=end_with_parent,
    )
    try:
        with selectors.DefaultSelector() as ready:
            ready.register(emulator.stdout, selectors.EVENT_READ)
            rest = data = b" "
            while processor_time(emulator.pid) < scenario.deadline and time.monotonic() < end:
                if not ready.select(1):
                    continue
                data = os.read(emulator.stdout.fileno(), 1 << 16)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    judge.report(line.decode(errors="replace").strip())
            late = data != b""
            judge.note(f"the emulator computed {processor_time(emulator.pid):.1f} s")
    finally:
        emulator.kill()
        _, errors = emulator.communicate(timeout=10)
    judge.close(console(log), late, errors.decode(errors="replace"), time.monotonic() - begun)


def console(log: Path) -> str:
    """The serial console's text without control sequences."""
    text = log.read_bytes().decode(errors="replace").replace("\r", "")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc", "", text)
