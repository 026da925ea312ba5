from xenlab import case, hear, note, run


def step(name):
    @case(name)
    def _():
        done = run(["xen-probe", "guest", name], limit=25, status=None)
        note(f"{name}: {done.out}{done.err}".strip())
        assert done.process.returncode == 0, f"status {done.process.returncode}\n{done.out}{done.err}"


for name in run(["xen-probe", "list", "guest"]).out.split():
    step(name)


@case("stays until dom0 is done")
def _():
    hear("done")
