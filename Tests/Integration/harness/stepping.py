"""Whether programs can be run step by step here."""

import ctypes
import os
import platform

REASON = "steps through instructions of x86-64 with ptrace(2)"


def steppable() -> bool:
    if platform.machine() != "x86_64":
        return False
    child = os.fork()
    if child == 0:
        # PTRACE_TRACEME
        os._exit(0 if ctypes.CDLL(None).ptrace(0, 0, None, None) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0
