"""A guest's ordinary network, for comparison: netfront in the guest, netback in dom0, a network of the two.

The guest's configuration has `vif=["script=/lab/inside/vif"]`, its modules xen-netfront, dom0's xen-netback."""

import os

from .processes import eventually, run
from .store import store


def address(domain: int, host: int) -> str:
    """The address of dom0 (1) or of the guest (2) in a guest's network."""
    return f"10.77.{domain}.{host}"


def up(limit: float = 20) -> str:
    """Sets the guest's interface up; dom0's address in its network."""
    number = int(store.read("domid"))
    eventually(lambda: "eth0" in os.listdir("/sys/class/net"), limit, "there was no eth0")
    run(["ip", "address", "add", f"{address(number, 2)}/24", "dev", "eth0"])
    run(["ip", "link", "set", "eth0", "up"])
    eventually(lambda: store.read("device/vif/0/state") == "4", limit, "netfront and netback did not connect")
    return address(number, 1)
