"""A guest that is saved and restored: every connection ends with an error, and everything works again."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=1100, products=["xensockd", "xensock"]),
    guests=[
        Domain(
            "guest",
            "guest.py",
            memory=288,
            products=["xensock", "libxensock.so"],
            configuration=['pvcalls=["backend=0"]'],
        )
    ],
    deadline=320,
)
