"""Linux's own PV Calls frontend in two guests against xensockd in dom0: one device by hand, one made by xl."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=256, products=["xensockd", "xensock"]),
    guests=[
        Domain("byhand", "guest.py", later=["pvcalls-family"], start=False),
        Domain("byxl", "guest.py", later=["pvcalls-family"], configuration=['pvcalls=["backend=0"]'], start=False),
    ],
    deadline=200,
)
