"""An attack on xensockd: what a frontend does to it, and what must be so afterwards: the service lives and serves,
holds what it held before, and an honest program that transferred data meanwhile saw no error."""

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from .case import AGENT, COMMAND, LIBRARY, SERVICE

PYTHON = "/usr/bin/python3.11"

TRANSFER = """
import socket, sys, zlib
port, size = int(sys.argv[1]), int(sys.argv[2])
block = bytes(range(251)) * 1044
with socket.create_connection(("127.0.0.1", port)) as connection:
    left, sent, got = size, 0, 0
    while left:
        piece = block[:left]
        connection.sendall(piece)
        sent = zlib.crc32(piece, sent)
        back = connection.recv(len(piece), socket.MSG_WAITALL)
        got = zlib.crc32(back, got)
        left -= len(piece)
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b""
assert sent == got, "the bytes that came back differ"
print("transferred", size)
"""


def echo_server() -> int:
    """A native echo server in a thread; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        with connection:
            while data := connection.recv(1 << 18):
                connection.sendall(data)

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def answers(path: str) -> bool:
    """Whether a service listens there: between bind(2) and listen(2) the socket stands and refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        return probe.connect_ex(path) == 0


def eventually(condition, seconds: float):
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


class Attack:
    """`attack(target)` runs against a service of its own; `target` has `path`, `port` of a native echo server, and
    `transfer(size)`, which starts an honest program and returns a function that waits for its success.

    - `logs`: text that the service's log must hold afterwards.
    - `overtime`: seconds beyond the runner's limit.
    """

    limit = 30.0

    def __init__(self, name, attack, *, logs="", overtime=0.0, arguments=()):
        self.name = name
        self.attack = attack
        self.logs = logs
        self.overtime = overtime
        self.arguments = arguments

    def run(self, directory: Path):
        self.path = str(directory / "socket")
        self.log = directory / "service-log"
        self.directory = directory
        self.port = echo_server()
        command = [SERVICE]
        behind = None
        with open(self.log, "wb") as log:
            if AGENT:
                behind = self.start([SERVICE, "--socket", f"{self.path}.behind"], subprocess.DEVNULL)
                assert eventually(lambda: answers(f"{self.path}.behind"), 15), "the service behind does not listen"
                command = [COMMAND, "agent", "--upstream", f"{self.path}.behind"]
            self.service = self.start([*command, "--socket", self.path, *self.arguments], log)
        try:
            self.examine()
            assert behind is None or behind.poll() is None, "the service behind the agent ended"
        finally:
            for process in (self.service, behind):
                if process is not None:
                    process.send_signal(signal.SIGKILL)
                    process.wait()

    @staticmethod
    def start(command, log):
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def examine(self):
        assert eventually(lambda: answers(self.path), 15), "the service does not listen"
        self.transfer(1000)()
        before = self.settled()
        self.attack(self)
        assert self.service.poll() is None, f"the service ended with {self.service.returncode}\n{self.text()}"
        assert eventually(lambda: self.holds_no_more_than(before), 15), (
            f"held {before}, now {self.holdings()}\n{self.text()}"
        )
        self.transfer(1 << 20)()
        used = self.processor_ticks()
        time.sleep(0.3)
        assert self.processor_ticks() - used <= 5, f"the service is busy with nothing\n{self.text()}"
        assert self.logs in self.text(), f"no {self.logs!r} in the log\n{self.text()}"

    def transfer(self, size: int):
        setting = {name: value for name, value in os.environ.items() if not name.startswith(("XENSOCK", "LD_"))}
        setting |= {"LD_PRELOAD": str(LIBRARY), "XENSOCK_SOCKET": self.path}
        program = subprocess.Popen(
            [PYTHON, "-c", TRANSFER, str(self.port), str(size)],
            env=setting,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

        def finish(seconds: float = 30.0):
            try:
                text, _ = program.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                program.kill()
                raise AssertionError(f"the honest program does not end\n{self.text()}") from None
            good = program.returncode == 0 and f"transferred {size}" in text.decode()
            assert good, f"the honest program: {text.decode()}\n{self.text()}"

        finish.running = lambda: program.poll() is None
        return finish

    def settled(self):
        """The service's holdings when they have not changed for a moment."""
        last = None
        for _ in range(50):
            held = self.holdings()
            if held == last:
                break
            last = held
            time.sleep(0.1)
        return last

    def holdings(self) -> tuple[int, int]:
        """Descriptors, and mappings of shared memory: anonymous ones are the allocator's to keep."""
        pid = self.service.pid
        try:
            maps = Path(f"/proc/{pid}/maps").read_text().count("memfd:")
            return len(os.listdir(f"/proc/{pid}/fd")), maps
        except OSError:
            return -1, -1

    def holds_no_more_than(self, before) -> bool:
        """The program of before may have been a while ending: then what it held was counted."""
        return all(0 <= now <= then for now, then in zip(self.holdings(), before))

    def processor_ticks(self) -> int:
        fields = Path(f"/proc/{self.service.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def text(self) -> str:
        return self.log.read_text(errors="replace")[-20000:]
