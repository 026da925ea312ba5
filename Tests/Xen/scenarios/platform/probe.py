"""Cases that are steps of xen-probe."""

from xenlab import case, note, run

LIMIT = 60


def steps(which: str) -> list[str]:
    """Their names: "alone" or "pairs"."""
    return run(["xen-probe", "list", which]).out.split()


def step(name: str, *arguments):
    """Declares the case; what the probe prints is a note."""

    @case(name, limit=LIMIT + 5)
    def _():
        done = run(["xen-probe", *arguments], limit=LIMIT, status=None)
        status = done.process.returncode
        note(f"{name}: {done.out}{done.err}".strip())
        assert status == 0, f"status {status}\n{done.out}{done.err}"
