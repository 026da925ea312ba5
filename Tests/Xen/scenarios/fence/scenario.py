"""Users other than root on the device directly: what the fence refuses them, what they share, what their death leaves."""

from harness.scenario import Domain, Scenario

PRODUCTS = ["xensock", "libxensock.so"]

SCENARIO = Scenario(
    dom0=Domain("dom0", "dom0.py", memory=256, products=["xensockd"]),
    guests=[
        Domain(
            "guest", "guest.py", memory=192, products=PRODUCTS, compiled=["compat.c"],
            configuration=['pvcalls=["backend=0"]'],
        ),
        Domain(
            "unfenced", "unfenced.py", memory=128, products=PRODUCTS, compiled=["compat.c"],
            configuration=['pvcalls=["backend=0"]'], parameters="lsm=yama",
        ),
    ],
    deadline=360,
)  # fmt: skip
