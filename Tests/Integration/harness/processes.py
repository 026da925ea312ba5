"""Processes as /proc shows them: which belong to the suite, which live, what they hold and use."""

import os
import time
from pathlib import Path

from .environment import MARK

TICKS = os.sysconf("SC_CLK_TCK")


def processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state (field 3) on; empty if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether the process runs; one that waits to be reaped does not."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def marked(mark: str) -> list[int]:
    """Living processes whose environment carries `mark` or a mark that continues it."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for pid in processes():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(entry == wanted or entry.startswith(wanted + b".") for entry in environment) and alive(pid):
            found.append(pid)
    return found


def descendants(ancestor: int) -> list[int]:
    """Living processes below `ancestor`. Finds those that wiped their environment (nginx and redis write their titles
    over it); complete because the runner adopts orphans."""
    parents = {pid: int(fields[1]) for pid in processes() if (fields := _stat(pid))}
    below = {ancestor}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        below |= more
        grown = bool(more)
    return [pid for pid in below - {ancestor} if alive(pid)]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(gone)"


def program_of(pid: int) -> str:
    """Base name of the program that the process executes, also for one that changed its title."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def processor_seconds(pid: int) -> float:
    """User and system time of the process so far."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def holdings(pid: int) -> dict[str, int]:
    """How many descriptors, sockets among them, and mappings the process has."""
    descriptors = 0
    sockets = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        descriptors += 1
        sockets += target.startswith("socket:")
    mappings = len(Path(f"/proc/{pid}/maps").read_text().splitlines())
    return {"descriptors": descriptors, "sockets": sockets, "mappings": mappings}


def eventually(condition, timeout: float, interval: float = 0.02):
    """Calls `condition` until it returns something true or `timeout` seconds have passed; returns its last value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() >= end:
            return value
        time.sleep(interval)


def settled(look, quiet: float = 0.5, timeout: float = 15):
    """What `look` returns once that has been the same for `quiet` seconds."""
    end = time.monotonic() + timeout
    value = look()
    since = time.monotonic()
    while time.monotonic() - since < quiet:
        time.sleep(0.05)
        if (now := look()) != value:
            value = now
            since = time.monotonic()
        if time.monotonic() > end:
            raise AssertionError(f"changes for {timeout} s, now {value}")
    return value


def rests(pids, seconds: float, most: float, timeout: float = 30):
    """Whether there comes a time of `seconds` in which none of the processes uses more than `most` seconds of a
    processor: what they had to do before may be late on a busy machine, and who spins never rests. Returns the least
    that the busiest one used."""
    end = time.monotonic() + timeout
    least = float("inf")
    while least > most and time.monotonic() < end:
        before = [processor_seconds(pid) for pid in pids]
        time.sleep(seconds)
        least = min(least, max(processor_seconds(pid) - used for pid, used in zip(pids, before)))
    return least
