"""A service started by hand at a path of its own, to be counted, killed and started again. Where the suite runs through
agents that is an agent, with an xensockd of its own behind it."""

import os
import signal
import socket

from . import environment
from .processes import eventually, holdings


class Service:
    """xensockd, or an agent, at `path`. Started at once; the test's cleanup stops it."""

    def __init__(self, case, path):
        arguments = [environment.SERVICE, "--socket", path]
        if environment.AGENT:
            behind = Xensockd(case, f"{path}.behind")
            arguments = [environment.COMMAND, "agent", "--socket", path, "--upstream", behind.path]
        self._begin(case, path, arguments)

    def _begin(self, case, path, arguments):
        self.path = path
        self.program = case.start(arguments)
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


class Xensockd(Service):
    """xensockd at `path`, also where the suite runs through agents."""

    def __init__(self, case, path, *options):
        self._begin(case, path, [environment.SERVICE, "--socket", path, *options])


class Agent(Service):
    """An agent at `path`, with further options, before the service at `upstream`."""

    def __init__(self, case, path, upstream, *options):
        self._begin(case, path, [environment.COMMAND, "agent", "--socket", path, "--upstream", upstream, *options])


class Guest(Service):
    """A guest's agent at `path` over a simulated Xen, its backend domain in the same process. Programs of user 0 may use
    the device directly at the path `direct`."""

    def __init__(self, case, path, *options):
        self.direct = f"{path}.direct"
        self._begin(case, path, [environment.SIMULATION, "--socket", path, "--direct", self.direct, *options])
        if "--calls" not in options and not eventually(lambda: os.path.exists(self.direct), 10):
            raise AssertionError(f"no {self.direct} after 10 s: {self.program}")
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        case.addCleanup(self.control.close)
        self.control.bind(f"{path}.test")
        self.control.settimeout(15)

    def tell(self, command):
        """Lets `stop`, `crash`, `start` or `resume` happen to the backend."""
        self.control.sendto(command.encode(), f"{self.path}.control")
        self.control.recv(16)
