"""An agent in a guest without a network, and programs there: as an ordinary user, and of user 0 on the device directly."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=256, products=["xensockd"]),
    guests=[
        Domain(
            "guest", "guest.py", memory=160, programs=["curl"], products=["xensock", "libxensock.so"],
            configuration=['pvcalls=["backend=0"]'], start=False),
    ],
    deadline=360,
)
