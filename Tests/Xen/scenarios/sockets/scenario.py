"""Unmodified programs of a guest without a network, through its agent and xensockd in dom0."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=640, products=["xensockd", "xensock"]),
    guests=[
        Domain(
            "guest",
            "guest.py",
            memory=256,
            products=["xensock", "libxensock.so"],
            configuration=['pvcalls=["backend=0"]'],
        )
    ],
    deadline=360,
)
