"""A service started by hand at a path of its own, to be counted, killed and started again."""

import os
import signal
import socket

from . import environment
from .processes import eventually, holdings


class Service:
    """xensockd at `path`. Started at once; the test's cleanup stops it."""

    def __init__(self, case, path):
        self.path = path
        self.program = case.start([environment.SERVICE, "--socket", path])
        eventually(lambda: self._answers() or self.program.process.poll() is not None, 10)
        if not self._answers():
            raise AssertionError(f"the service does not accept at {path} within 10 s: {self.program}")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            return probe.connect_ex(str(self.path)) == 0

    @property
    def pid(self) -> int:
        return self.program.pid

    def holdings(self) -> dict[str, int]:
        return holdings(self.pid)

    def kill(self):
        """SIGKILL, as a crash: nothing is told to anyone."""
        os.kill(self.pid, signal.SIGKILL)
        self.program.wait(5)
