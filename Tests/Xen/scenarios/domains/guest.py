import os
from pathlib import Path

from xenlab import case, hear, run, tell
from xenlab.processes import USER


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
    hear("done")
