"""Linux's own PV Calls frontend against xensockd in dom0, in three guests: devices by hand and made by xl."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=256, products=["xensockd", "xensock"]),
    guests=[
        Domain("byhand", "guest.py", later=["pvcalls-family"], start=False),
        Domain("byxl", "guest.py", later=["pvcalls-family"], configuration=['pvcalls=["backend=0"]'], start=False),
        Domain("again", "again.py", later=["pvcalls-family"], start=False),
    ],
    deadline=320,
)
