"""What dom0 can see of things left behind: Xen's tables of grants and event channels, a process's descriptors."""

import os
import re
import time
from collections import Counter
from dataclasses import dataclass

from .guests import xl


def xen_log(key: str) -> list[str]:
    """What the hypervisor prints for a debug key."""
    xl("dmesg", "-c")
    xl("debug-keys", key)
    return [line.removeprefix("(XEN) ") for line in xl("dmesg", "-c").splitlines()]


@dataclass(frozen=True)
class Grant:
    """A grant that another domain has mapped or copies."""

    owner: int
    reference: int
    mapper: int


def mapped_grants(owner=None) -> list[Grant]:
    """All grants in use, or those of one domain's memory. Xen's own console and XenStore rings are among them."""
    found = []
    domain = None
    for line in xen_log("g"):
        heading = re.search(r"grant-table for remote d(\d+)", line)
        if heading:
            domain = int(heading[1])
        entry = re.match(r"\s*\[0x([0-9a-f]+)\]\s+d?(\d+)\s", line)
        if entry and domain is not None and owner in (None, domain):
            found.append(Grant(domain, int(entry[1], 16), int(entry[2])))
    return found


def domains() -> set[int]:
    """The numbers of all domains. One that was destroyed stays as long as somebody has pages of its memory mapped."""
    return {int(number) for number in re.findall(r"^\S+\s+(\d+)\s", xl("list"), re.M)}


CHANNEL_STATES = {1: "reserved", 2: "unbound", 3: "interdomain", 4: "pirq", 5: "virq", 6: "ipi"}


@dataclass(frozen=True)
class Channel:
    """An event channel of a domain. `remote` is the other domain of an interdomain or unbound one."""

    domain: int
    port: int
    state: str
    remote: int | None = None


def channels(domain: int) -> list[Channel]:
    """The event channels of one domain."""
    found = []
    current = None
    for line in xen_log("e"):
        heading = re.search(r"Event channel information for domain (\d+)", line)
        if heading:
            current = int(heading[1])
        entry = re.match(r"\s*(\d+) \[[^\]]*\]: s=(\d)(.*)", line)
        if entry and current == domain:
            remote = re.search(r" d=(\d+)", entry[3])
            state = CHANNEL_STATES.get(int(entry[2]), entry[2])
            found.append(Channel(domain, int(entry[1]), state, int(remote[1]) if remote else None))
    return found


def channels_between(domain: int, other: int) -> int:
    """How many of a domain's channels are bound to another, or wait for it."""
    return sum(channel.remote == other for channel in channels(domain))


def descriptors(pid: int) -> Counter:
    """A process's open files by kind: socket, pipe, /dev/xen/gntdev, …"""
    kinds = Counter()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            kinds[re.sub(r":\[.*", "", os.readlink(f"/proc/{pid}/fd/{name}"))] += 1
        except FileNotFoundError:
            pass
    return kinds


def mappings(pid: int, device: str = "/dev/xen/gntdev") -> int:
    """How many of a process's memory areas are of a device."""
    with open(f"/proc/{pid}/maps") as maps:
        return sum(device in line for line in maps)


def settled(held):
    """What `held()` finds, if it is the same a second later; else None."""
    first = held()
    time.sleep(1)
    return first if held() == first else None
