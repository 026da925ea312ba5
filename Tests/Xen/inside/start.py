"""What runs in a domain: the scenario's script, the cases that it declares, and reports on them."""

import runpy
import sys

sys.path[:0] = ["/lab/inside", "/lab/scenario"]

from xenlab import cases, domain, guests, rendezvous, report  # noqa: E402


def main():
    script = domain.parameter("lab.script")
    try:
        if domain.IS_DOM0:
            guests.start_all()
        else:
            rendezvous.come_in()
        runpy.run_path(f"/lab/scenario/{script}", run_name="__main__")
    except BaseException:
        report.failure_outside(f"{script} before its cases")
    cases.run_all()
    if domain.IS_DOM0:
        guests.wait_for_all()
    cases.check_kernel()
    report.emit("end")
    cases.stay()


main()
