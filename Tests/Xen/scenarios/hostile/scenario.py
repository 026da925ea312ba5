"""A guest that writes garbage wherever it may, beside one that goes on with its work."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=512, products=["xensockd", "xensock"]),
    guests=[
        Domain("hostile", "hostile.py", memory=128, compiled=["hostile.c"], configuration=['pvcalls=["backend=0"]']),
        Domain(
            "honest",
            "honest.py",
            memory=192,
            products=["xensock", "libxensock.so"],
            configuration=['pvcalls=["backend=0"]'],
        ),
    ],
    deadline=420,
)
