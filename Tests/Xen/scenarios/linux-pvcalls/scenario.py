"""Linux's own PV Calls frontend in a guest against Linux's own backend in dom0, kernel to kernel."""

from harness.scenario import Domain, Scenario

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=256, modules=["pvcalls-back-corrected"]),
    guests=[Domain("guest", "guest.py", later=["pvcalls-family"], configuration=['pvcalls=["backend=0"]'])],
)
