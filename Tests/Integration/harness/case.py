"""The base of the tests: a directory, programs inside and outside that end with the test, failures that show output."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from . import environment
from .environment import inside
from .processes import eventually


def xensock_only(reason: str):
    """Marks a test that says nothing about a native run; the runner leaves it out there and prints why."""

    def mark(test):
        test.left_out_natively = reason
        return test

    return mark


class Program:
    """A started program in a process group of its own, its output in files of the test's directory."""

    def __init__(self, case: "Case", arguments, environment_of, stdin, directory):
        self.arguments = [str(argument) for argument in arguments]
        stem = case.directory / f"program-{len(case.programs)}"
        self._out = Path(f"{stem}.out")
        self._err = Path(f"{stem}.err")
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self.process = subprocess.Popen(
                self.arguments,
                stdin=stdin,
                stdout=out,
                stderr=err,
                env=environment_of,
                cwd=directory,
                start_new_session=True,
            )
        self.pid = self.process.pid

    @property
    def out(self) -> str:
        return self.out_bytes.decode(errors="replace")

    @property
    def out_bytes(self) -> bytes:
        return self._out.read_bytes()

    @property
    def err(self) -> str:
        return self._err.read_text(errors="replace")

    def tell(self, text: str):
        """Writes to the program's standard input, which must have been started as a pipe."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait(self, timeout: float) -> int:
        """The exit status, negative for a signal; fails the test if the program still runs after `timeout` seconds."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s: {self}") from None

    def await_output(self, text: str, timeout: float = 10) -> str:
        """Standard output once it holds `text`."""

        def arrived():
            ended = self.process.poll() is not None
            return text in self.out or ended

        eventually(arrived, timeout)
        out = self.out
        if text not in out:
            raise AssertionError(f"no {text!r} within {timeout} s from {self}")
        return out

    def signal_group(self, number: int):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def stop(self):
        """Asks the program and its children to end, and makes them after 3 seconds."""
        self.signal_group(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            pass
        self.signal_group(signal.SIGKILL)
        self.process.wait(3)
        if self.process.stdin:
            try:
                self.process.stdin.close()
            except OSError:
                pass

    def __str__(self) -> str:
        status = self.process.poll()
        state = "running" if status is None else f"status {status}"
        command = " ".join(self.arguments)
        return f"{command[:300]} ({state})\n--- stdout\n{self.out[-1500:]}\n--- stderr\n{self.err[-3000:]}"


class Case(unittest.TestCase):
    limit = 60
    """Seconds after which the runner ends the test and every process that it started."""
    maxDiff = 4000

    def setUp(self):
        self.programs: list[Program] = []
        self.directory = Path(tempfile.mkdtemp(dir=environment.RUN, prefix="test-"))
        self.directory.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def start(self, arguments, *, under=False, isolate=True, socket=None, variables=None, stdin=None, directory=None):
        """Starts a program, outside or (`under`) under XenSock, with `variables` added to its environment."""
        if under:
            arguments = inside(arguments, isolate=isolate, socket=socket)
        setting = environment.clean_environment() | (variables or {})
        if stdin is None:
            stdin = subprocess.DEVNULL
        program = Program(self, arguments, setting, stdin, directory)
        self.programs.append(program)
        self.addCleanup(program.stop)
        return program

    def call(self, arguments, *, timeout=30, status=0, **options) -> Program:
        """Runs a program to its end; fails unless it exits with `status` (None: any)."""
        program = self.start(arguments, **options)
        actual = program.wait(timeout)
        if status is not None and actual != status:
            raise AssertionError(f"status {actual}, not {status}: {program}")
        return program

    def assert_within(self, seconds: float, condition, message: str):
        start = time.monotonic()
        if not eventually(condition, seconds):
            shown = "\n".join(str(program) for program in self.programs[-2:])
            self.fail(f"not within {seconds} s: {message} (waited {time.monotonic() - start:.2f} s)\n{shown}")
