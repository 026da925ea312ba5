from probe import step, steps
from xenlab import case, hear, tell

for name in steps("alone"):
    step(name, "guest", name)


@case("tells dom0 that it is ready for both")
def _():
    tell("ready")


for name in steps("pairs"):
    step(name, "guest", name)


@case("stays until dom0 is done", limit=60)
def _():
    hear("done", 55)
