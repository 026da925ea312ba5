"""The lab itself: dom0 and a guest without a network start, talk over XenStore and end."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=512),
    guests=[Domain("guest", "guest.py")],
    deadline=90,
)
