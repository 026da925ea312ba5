"""Programs whose calls are interrupted, step by step (programs/stepping.h)."""

import ctypes
import os
import platform
import unittest

from .case import Case
from .programs import compiled


def _steppable() -> bool:
    if platform.machine() != "x86_64":
        return False
    child = os.fork()
    if child == 0:
        # PTRACE_TRACEME
        os._exit(0 if ctypes.CDLL(None).ptrace(0, 0, None, None) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0


@unittest.skipUnless(_steppable(), "steps through instructions of x86-64 with ptrace(2)")
class SteppedCase(Case):
    """Has the name of its `program`."""

    limit = 180

    def step(self, subject, stride, *, pairs=0, under=True, dialect=None):
        """Interrupts `subject` at every `stride`th place that it comes by: with 1, minutes instead of seconds."""
        program = self.call(
            [compiled(self.program), subject, stride, pairs], under=under, timeout=80,
            variables={"XENSOCK_DIALECT": dialect} if dialect else {},
        )  # fmt: skip
        self.assertEqual(program.out, "done\n", str(program))
