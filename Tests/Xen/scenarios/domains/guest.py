import os
import subprocess
from pathlib import Path

from vectors import compute
from xenlab import USER, case, hear, run, start, tell


@case("has no network interface but lo, which is down")
def _():
    assert os.listdir("/sys/class/net") == ["lo"]
    assert Path("/sys/class/net/lo/operstate").read_text().strip() == "down"


@case("exchanges words with dom0")
def _():
    tell("greeting", "from the guest")
    assert hear("greeting") == "from dom0"


@case("runs programs as an ordinary user, to whom Xen's devices are closed")
def _():
    program = run(["sh", "-c", "id -u; cat /dev/xen/gntalloc"], user=USER, status=None)
    assert program.out == "1000\n" and "denied" in program.err, program


@case("computes the same while dom0 computes")
def _():
    tell("computing")
    compute(2.5)


@case("grants a page to dom0")
def _():
    with start(["/lab/bin/grants", "0"], stdin=subprocess.PIPE) as program:
        tell("reference", program.await_output("\n").strip())
        hear("unmapped")
        program.process.stdin.close()
        assert program.wait() == 0


@case("stays until dom0 has done")
def _():
    hear("done")
