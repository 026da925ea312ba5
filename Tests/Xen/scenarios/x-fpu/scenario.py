"""debug"""
from harness.scenario import Domain, Scenario
SCENARIO = Scenario(dom0=Domain("dom0", "dom0.py", memory=512), guests=[Domain("guest","guest.py")], deadline=60)
