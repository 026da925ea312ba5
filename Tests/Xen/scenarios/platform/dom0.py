from probe import step, steps
from xenlab import case, guest
from xenlab.leaks import channels_between, mapped_grants

one = guest("guest")
before = {}


@case("hears that the guest is ready", limit=120)
def _():
    one.hear("ready", 115)
    before["channels"] = channels_between(one.id, 0)


for name in steps("pairs"):
    step(name, "backend", name, one.id)


@case("nothing is left behind")
def _():
    assert channels_between(one.id, 0) == before["channels"]
    assert len(mapped_grants(one.id)) <= 2
    one.tell("done")
