"""Programs of a guest's ordinary user, the agent, and Linux's own PV Calls backend in dom0."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=900, modules=["pvcalls-back"]),
    guests=[
        Domain("guest", "guest.py", products=["xensock", "libxensock.so"], configuration=['pvcalls=["backend=0"]'])
    ],
    deadline=320,
)
