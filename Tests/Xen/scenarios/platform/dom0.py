from xenlab import case, guest, note, run
from xenlab.leaks import channels_between, mapped_grants

one = guest("guest")
before = channels_between(one.id, 0)


def step(name):
    @case(name, limit=60)
    def _():
        done = run(["xen-probe", "backend", name, one.id], limit=55, status=None)
        note(f"{name}: {done.out}{done.err}".strip())
        assert done.process.returncode == 0, f"status {done.process.returncode}\n{done.out}{done.err}"


for name in run(["xen-probe", "list", "backend"]).out.split():
    step(name)


@case("nothing is left behind")
def _():
    assert channels_between(one.id, 0) == before
    assert len(mapped_grants(one.id)) <= 2
    one.tell("done")
