"""The same transfers over each way out of a guest, in one boot: docs/PERFORMANCE.md is made of its notes."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain(
        "dom0", "dom0.py", memory=512, modules=["xen-netback"], later=["pvcalls-back-corrected"], products=["xensockd"]
    ),
    guests=[
        Domain(
            "guest",
            "guest.py",
            memory=256,
            modules=["xen-netfront"],
            products=["xensock", "libxensock.so"],
            configuration=['pvcalls=["backend=0"]', 'vif=["script=/lab/inside/vif"]'],
        )
    ],
    by_name=True,
    deadline=360,
)
