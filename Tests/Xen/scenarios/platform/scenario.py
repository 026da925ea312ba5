"""Each call of the Xen platform (XenSockXen) on real devices, in the guest alone and between it and dom0."""

from harness.cache import SUITE
from harness.scenario import Domain, Scenario

PROBE = [str(SUITE.parents[1] / ".build/release/xen-probe")]

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=256, programs=PROBE),
    guests=[Domain("guest", "guest.py", programs=PROBE)],
    deadline=360,
)
