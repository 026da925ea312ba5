"""The base of the exchanges: programs inside and outside, what they need, what they did."""

import os
import shutil
import socket

from harness import environment
from harness.case import Case
from harness.network import await_listener, free_port
from harness.processes import eventually

NOBODY = 65534

SIDES = {"both inside": (True, True), "server inside": (True, False), "client inside": (False, True)}
"""Who runs under XenSock: the server, the client. Two that are inside have a service each."""


class Exchange(Case):
    """One program, or one way of running it. A subclass names it, says what it needs, and talks in `exchange`."""

    name = ""
    limit = 60
    """Seconds after which the runner ends it and every process that it started."""
    needs: tuple[str, ...] = ()
    """Commands, and files where they begin with a slash; scripts/ensure-packages has their packages."""

    def __init__(self):
        super().__init__("exchange")
        self.exchanged: list[str] = []

    def exchange(self):
        raise NotImplementedError

    def check_requirements(self):
        missing = [need for need in self.needs if not (os.path.exists(need) if need[0] == "/" else shutil.which(need))]
        if missing:
            raise AssertionError(f"not installed: {', '.join(missing)} (scripts/ensure-packages compat)")

    def did(self, text: str):
        """Notes what was exchanged, for the runner's line."""
        if text not in self.exchanged:
            self.exchanged.append(text)

    @property
    def sides(self) -> dict[str, tuple[bool, bool]]:
        """`SIDES`; natively one of them, as they are all the same."""
        return {"native": (False, False)} if environment.NATIVE else SIDES

    def place(self, name: str, *, owner: int | None = None) -> "os.PathLike":
        """A directory of the exchange, of user and group `owner`."""
        path = self.directory / name
        path.mkdir(parents=True, exist_ok=True)
        if owner is not None and os.geteuid() == 0:
            os.chown(path, owner, owner)
        return path

    def write(self, name: str, content: str | bytes, mode: int = 0o644):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def as_nobody(self, arguments) -> list:
        """The command line as an ordinary user's, for servers that refuse to run as root."""
        if os.geteuid() != 0:
            return list(arguments)
        return ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--", *arguments]

    def serve(self, arguments, port: int, **options):
        """Starts a server and waits until it listens at `port`."""
        server = self.start(arguments, **options)
        await_listener(server, port, 20)
        return server

    def serve_datagrams(self, arguments, port: int, **options):
        """Starts a server and waits until it has a UDP socket at `port`."""
        server = self.start(arguments, **options)
        eventually(lambda: bound(port) or server.process.poll() is not None, 15)
        if not bound(port):
            raise AssertionError(f"no UDP socket at port {port} after 15 s: {server}")
        return server

    def fetch(self, url: str, *options, under: bool = False) -> bytes:
        """What curl gets from there."""
        return self.call(
            ["curl", "-q", "-sS", "--fail", "--noproxy", "*", "--max-time", 20, *options, url], under=under
        ).out_bytes

    def certificate(self):
        """A self-signed certificate for 127.0.0.1: its file, its key's file."""
        key, certificate = self.directory / "key.pem", self.directory / "certificate.pem"
        self.call(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", "/CN=127.0.0.1"]
            + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
        )
        key.chmod(0o644)
        return certificate, key


def bound(port: int) -> bool:
    """Whether a UDP socket has the port."""
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with open(table, encoding="ascii") as lines:
            if any(int(line.split()[1].rpartition(":")[2], 16) == port for line in lines.readlines()[1:]):
                return True
    return False


def accepts(port: int) -> bool:
    """Whether a connection to the port is taken."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


__all__ = ["Exchange", "NOBODY", "accepts", "await_listener", "bound", "eventually", "free_port", "free_udp_port"]
