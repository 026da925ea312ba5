"""A driver domain: xensockd in one guest serves the programs of another, and dom0 runs nothing but the toolstack."""

from harness.scenario import Domain, Scenario

PRODUCTS = ["xensockd", "xensock", "libxensock.so"]

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=256, products=["xensock"]),
    # One image for both: their products are the same.
    guests=[
        Domain("driver", "driver.py", memory=256, products=PRODUCTS, start=False),
        Domain(
            "user", "user.py", memory=256, products=PRODUCTS, configuration=['pvcalls=["backend=driver"]'], start=False),
    ],  # fmt: skip
    deadline=360,
)
