"""The lab itself: a guest without a network and one with netfront, what they share and how they end."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=256, modules=["xen-netback"], programs=["redis-server"]),
    guests=[
        Domain("guest", "guest.py", compiled=["grants.c"]),
        Domain("routed", "routed.py", modules=["xen-netfront"], configuration=['vif=["script=/lab/inside/vif"]']),
    ],
)
