"""Cases: functions that a script declares, which run in the script's order and fail by raising."""

import re
import signal
import subprocess
import time
import traceback

from . import report

FAULTS = re.compile(
    r"BUG:|WARNING:|Oops|general protection|Call Trace|hung task|blocked for more than|Bad page map|Bad rss-counter"
    r"|kernel panic|double free|use-after-free|soft lockup|rcu.*stall|refcount_t|unable to handle",
    re.IGNORECASE,
)
"""What no kernel's log may hold."""

_cases = []
_lingers = False


def case(name: str, limit: float = 60):
    """Declares a case, which is ended after `limit` seconds. The function takes nothing; what it returns is ignored."""

    def declare(function):
        _cases.append((name, function, limit))
        return function

    return declare


def note(text: str):
    """Prints a line among the cases outside: a measurement, for example."""
    report.emit("note", text=text)


def linger():
    """Lets the domain stay after its cases until dom0 destroys it, or ends, instead of powering off."""
    global _lingers
    _lingers = True


def stay():
    while _lingers:
        time.sleep(1)


def _expired(*_):
    raise TimeoutError("ended by the case's time limit")


def run_case(name: str, function, limit: float):
    report.emit("begin", name=name)
    begun = time.monotonic()
    message = ""
    signal.signal(signal.SIGALRM, _expired)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        function()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException:
        signal.setitimer(signal.ITIMER_REAL, 0)
        message = traceback.format_exc()
        report.say(message)
    report.emit("case", name=name, ok=not message, seconds=round(time.monotonic() - begun, 2), message=message)


def run_all():
    report.emit("plan", names=[name for name, _, _ in _cases] + [KERNEL])
    for entry in _cases:
        run_case(*entry)


KERNEL = "the kernel logged no fault"


def check_kernel():
    def check():
        log = subprocess.run(["dmesg"], capture_output=True, timeout=30).stdout.decode(errors="replace")
        lines = log.splitlines()
        found = [number for number, text in enumerate(lines) if FAULTS.search(text)]
        assert not found, "\n".join(lines[max(0, found[0] - 3) : found[0] + 40])

    run_case(KERNEL, check, 60)
