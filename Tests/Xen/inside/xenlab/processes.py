"""Programs that cases run: each with a time limit, its output kept, as another user if wished, under XenSock if wished."""

import os
import signal
import subprocess
import tempfile
import time

USER = 1000
"""The ordinary user of every domain, and its group."""

LIBRARY = "/usr/local/lib/libxensock.so"


def eventually(condition, limit: float = 20, message: str = "it did not happen"):
    """What `condition()` returns once that is true; fails after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{message} within {limit} s")
        time.sleep(0.03)


class Program:
    """A started program in a process group of its own, its output in files."""

    def __init__(self, arguments, *, user=None, preload=False, variables=None, stdin=None, directory="/tmp"):
        self.arguments = [str(argument) for argument in arguments]
        self._out = tempfile.TemporaryFile()
        self._err = tempfile.TemporaryFile()
        setting = dict(os.environ)
        if preload:
            setting["LD_PRELOAD"] = LIBRARY
        setting.update(variables or {})
        identity = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        self.process = subprocess.Popen(
            self.arguments,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=self._out,
            stderr=self._err,
            env=setting,
            cwd=directory,
            start_new_session=True,
            **identity,
        )
        self.pid = self.process.pid

    @staticmethod
    def _text(file) -> str:
        return os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace")

    @property
    def out(self) -> str:
        """What it wrote on standard output so far, up to 1 MiB."""
        return self._text(self._out)

    @property
    def err(self) -> str:
        return self._text(self._err)

    def wait(self, limit: float = 30) -> int:
        """The exit status, negative for a signal; fails if it still runs after `limit` seconds."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {limit} s: {self}") from None

    def await_output(self, text: str, limit: float = 30) -> str:
        """Standard output once it holds `text`."""
        eventually(lambda: text in self.out or self.process.poll() is not None, limit, f"no {text!r} from {self}")
        assert text in self.out, f"no {text!r} from {self}"
        return self.out

    def kill(self, number: int = signal.SIGKILL):
        """Signals the whole group and waits for the program's end."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass
        self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def __str__(self) -> str:
        status = self.process.poll()
        state = "running" if status is None else f"status {status}"
        return f"{' '.join(self.arguments)[:300]} ({state})\n--- stdout\n{self.out[-1500:]}\n--- stderr\n{self.err[-3000:]}"


def start(arguments, **options) -> Program:
    """Starts a program: `user` (a number: USER), `preload` (libxensock.so), `variables`, `stdin`, `directory`. Use it
    with `with`, or kill it."""
    return Program(arguments, **options)


def run(arguments, *, limit: float = 30, status=0, **options) -> Program:
    """Runs a program to its end; fails unless it exits with `status` (None: any) within `limit` seconds."""
    program = Program(arguments, **options)
    try:
        actual = program.wait(limit)
    finally:
        program.kill()
    assert status is None or actual == status, f"status {actual}, not {status}: {program}"
    return program


def load(module: str):
    """Loads a kernel module that the scenario put into the image for later, and what it needs."""
    with open(f"/lab/modules.later/{module}") as order:
        for path in order.read().split():
            done = subprocess.run(["insmod", path], capture_output=True, text=True, timeout=20)
            assert done.returncode == 0 or "File exists" in done.stderr, done.stderr
