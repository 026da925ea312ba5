"""Runs a module's tests in one way, natively or under XenSock, to the end: what hangs or dies is left out, and the rest
run again."""

import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness import environment, processes

from .selection import PYTHON, TEST_LIMIT

WORKER = Path(__file__).with_name("worker.py")


@dataclass
class Outcome:
    """What became of one test: pass, skip, fail, xfail, unexpected, hang, death, or missing (its fixture failed)."""

    kind: str
    why: str = ""

    @property
    def good(self):
        return self.kind in ("pass", "xfail")


@dataclass
class Run:
    """The outcomes of a module's tests in one way, by the tests' names, and the seconds that they took."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: float = 0.0


def command_line(way, arguments):
    """`way` is how a program runs: native, direct (with its service), or agent (with an agent between the two)."""
    if way == "native":
        return [str(argument) for argument in arguments]
    agent = ["--agent"] if way == "agent" else []
    return [str(environment.COMMAND), "run", "--isolate", *agent, "--", *(str(argument) for argument in arguments)]


class Attempt:
    """One process that runs tests of a module; reads its events as they come."""

    def __init__(self, way, imported, pattern, only, without, log):
        self.directory = tempfile.TemporaryDirectory(prefix="xensock-compat-")
        directory = Path(self.directory.name)
        self.events = directory / "events"
        self.events.touch()
        order = directory / "order"
        order.write_text(
            json.dumps({"module": imported, "pattern": pattern, "only": only, "without": sorted(without)})
        )
        self.plan = None
        self.current = None
        self.since = time.monotonic()
        self.outcomes = {}
        self.done = False
        self.module_failure = None
        self.read_to = 0
        variables = environment.clean_environment()
        variables["TMPDIR"] = self.directory.name
        self.process = subprocess.Popen(
            command_line(way, [PYTHON, "-u", "-W", "ignore", WORKER, self.events, order]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=variables,
            cwd=directory,
            start_new_session=True,
        )

    def read(self):
        with open(self.events, "rb") as file:
            file.seek(self.read_to)
            data = file.read()
        complete = data.rfind(b"\n") + 1
        self.read_to += complete
        for line in data[:complete].splitlines():
            event = json.loads(line)
            self.since = time.monotonic()
            if "plan" in event:
                self.plan = event["plan"]
            elif "begin" in event:
                self.current = event["begin"]
            elif "end" in event:
                self.outcomes[event["end"]] = Outcome(event["as"], event["why"])
                self.current = None
            elif "module" in event:
                self.module_failure = Outcome(event["module"], event["why"])
            elif "done" in event:
                self.done = True

    def finish(self):
        """Waits until the process ends or hangs; returns what happened to the test that was running, if any."""
        what = None
        while self.process.poll() is None:
            self.read()
            silent = time.monotonic() - self.since
            if silent > TEST_LIMIT or (self.done and silent > 20):
                # The dump of the threads' stacks goes to the log.
                os.kill(self.process.pid, signal.SIGABRT)
                what = Outcome("hang", f"nothing happened for {TEST_LIMIT} s")
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    pass
                break
            time.sleep(0.05)
        self.end_processes()
        self.read()
        if what is None:
            what = Outcome("death", f"the process ended with status {self.process.wait()}")
        self.directory.cleanup()
        return what

    def end_processes(self):
        """Ends what a test left; the controller adopted it. Private services end by themselves after their programs."""
        for _ in range(100):
            left = [
                pid
                for pid in processes.descendants(os.getpid())
                if processes.program_of(pid) != "xensockd" or _ > 40
            ]
            if not left and not processes.descendants(os.getpid()):
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
            self.process.poll()
            reap_adopted(self.process.pid)


def reap_adopted(own):
    """Reaps the orphans that the controller adopted, but not the process that `subprocess` looks after."""
    for pid in processes.processes():
        if pid != own:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def run_imported(way, imported, pattern, only, without, log):
    outcomes = {}
    plan = None
    without = set(without)
    for _ in range(40):
        attempt = Attempt(way, imported, pattern, only, without, log)
        what = attempt.finish()
        plan = plan or attempt.plan
        if attempt.module_failure or attempt.plan is None:
            outcomes.setdefault(imported, attempt.module_failure or what)
            break
        outcomes.update(attempt.outcomes)
        if attempt.done:
            break
        if attempt.current:
            outcomes[attempt.current] = what
        # A fixture that hangs has no name: then there is no way on.
        before = len(without)
        without |= set(attempt.outcomes) | ({attempt.current} if attempt.current else set())
        if len(without) == before:
            break
    for name in plan or ():
        outcomes.setdefault(name, Outcome("missing", "not reached: a fixture of its class or module failed"))
    return outcomes


def run(way, module, log_path, only=None, without=()):
    """Runs a module, `only` some of its tests or all but those `without`. Output goes to the file `log_path`."""
    result = Run()
    started = time.monotonic()
    with open(log_path, "a", encoding="utf-8") as log:
        for imported in module.imported:
            wanted = None
            if only is not None:
                wanted = [name for name in only if name == imported or f"{imported}." in name]
                if not wanted:
                    continue
            result.outcomes |= run_imported(way, imported, module.pattern, wanted, without, log)
    result.seconds = time.monotonic() - started
    return result
