"""Programs in a guest, with the agent on a device of a simulated Xen: what happens to the device, and the direct path."""

import unittest

import test_transfers
from harness.case import Case, xensock_only
from harness.environment import PYTHON, SIMULATION
from harness.network import Peer, await_listener, digest, drain, free_port, listening, pattern
from harness.processes import eventually
from harness.service import Guest

WAIT = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
listener = socket.create_server(("127.0.0.1", 0))
print("process", __import__("os").getpid(), "port", listener.getsockname()[1], flush=True)
try:
    print("got", connection.recv(10), flush=True)
except OSError as error:
    print(error.errno, flush=True)
try:
    listener.accept()
    print("accepted", flush=True)
except OSError as error:
    print(error.errno, flush=True)
"""

CONNECT = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
    print("connected")
except OSError as error:
    print(error.errno)
"""

FORK = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
children = []
for _ in range(3):
    if os.fork() == 0:
        for _ in range(4):
            connection, _ = listener.accept()
            connection.sendall(connection.recv(100).upper())
            connection.close()
        os._exit(0)
    children.append(_)
for _ in range(3):
    assert os.wait()[1] == 0
print("served")
"""

SERVE = """
import socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
while True:
    connection, _ = listener.accept()
    connection.sendall(b"hello")
    connection.close()
"""

EXECUTE = """
import os, socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.set_inheritable(True)
os.execv(sys.executable, [sys.executable, "-c",
    "import socket, sys; c = socket.socket(fileno=int(sys.argv[1])); p = c.getpeername()[0];"
    "c.sendall(b'x' * 300000); c.shutdown(socket.SHUT_WR); print(p, len(b''.join(iter(lambda: c.recv(65536), b''))))", str(connection.fileno())])
"""

ECONNRESET, ENETDOWN = "104", "100"


@xensock_only("there is no agent")
@unittest.skipUnless(SIMULATION.exists(), "xen-simulation is not built: swift build")
class OnADevice(Case):
    limit = 60

    def setUp(self):
        super().setUp()
        self.guest = Guest(self, self.directory / "socket")

    def connect(self, port, path=None):
        return self.call([PYTHON, "-c", CONNECT, port], under=True, socket=path or self.guest.path).out.strip()

    def lose(self, *commands, path=None):
        """Connections end when the device does."""
        peer = Peer(lambda connection: connection.recv(1), connections=3)
        self.waiting = self.start([PYTHON, "-c", WAIT, peer.port], under=True, socket=path or self.guest.path)
        self.waiting.await_output("process ")
        for command in commands:
            self.guest.tell(command)
        self.assert_within(20, lambda: len(self.waiting.out.split()) > 4, "the connection ends")
        self.assertEqual(self.waiting.out.split()[4], ECONNRESET, str(self.waiting))
        return peer

    def accepts(self):
        """The program's listener is made again: it still waits, and gets a connection at its port."""
        import socket

        port = int(self.waiting.out.split()[3])
        self.assert_within(20, lambda: listening(port), f"{port} is listened to again")
        self.assertIsNone(self.waiting.process.poll(), str(self.waiting))
        with socket.create_connection(("127.0.0.1", port), 5):
            self.waiting.await_output("accepted")

    def test_sockets_end_with_a_backend_that_stops_and_new_ones_work_when_it_is_back(self):
        peer = self.lose("stop")
        self.assertEqual(self.connect(peer.port), ENETDOWN)
        self.guest.tell("start")
        self.assert_within(20, lambda: self.connect(peer.port) == "connected", "it connects again")
        self.accepts()

    def test_sockets_end_when_a_backend_that_crashed_is_back(self):
        peer = self.lose("crash", "start")
        self.assert_within(20, lambda: self.connect(peer.port) == "connected", "it connects again")
        # Of the simulated backend, a thread, the listener stays when it crashes, and holds the port.
        self.assertIsNone(self.waiting.process.poll(), str(self.waiting))

    def test_sockets_end_with_a_device_that_is_made_anew(self):
        peer = self.lose("resume")
        self.assert_within(20, lambda: self.connect(peer.port) == "connected", "it connects again")
        self.accepts()

    def test_a_listener_is_made_again_by_version_1_too(self):
        import socket

        guest = Guest(self, self.directory / "calls", "--calls")
        port = free_port()
        server = self.start([PYTHON, "-c", SERVE, port], under=True, socket=guest.path)
        made = 0

        def greets():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                    return connection.recv(100) == b"hello"
            except OSError:
                return False

        self.assert_within(20, greets, "it serves")
        for commands in (("resume",), ("stop", "start")):
            for command in commands:
                guest.tell(command)
            self.assert_within(15, lambda: guest.program.err.count("are made again") == made + 1, "it is made again")
            made += 1
            self.assert_within(20, greets, f"it serves after {commands}")
        self.assertIsNone(server.process.poll(), str(server))

    def test_a_listener_of_the_direct_path_ends_with_the_device(self):
        self.lose("resume", path=self.guest.direct)
        self.waiting.wait(20)
        self.assertEqual(self.waiting.out.split()[5:], [ENETDOWN], str(self.waiting))

    def test_a_dozen_losses_leave_nothing(self):
        peer = Peer(lambda connection: connection.recv(1), connections=40)
        self.assertEqual(self.connect(peer.port), "connected")
        before = None
        for number in range(12):
            self.guest.tell("resume")
            self.assert_within(20, lambda: self.connect(peer.port) == "connected", "it connects again")
            if number == 1:
                before = self.guest.holdings()
        # The agent keeps the pages of a port that was used, and by chance a program uses a second port at one time.
        held = lambda: all(count <= before[what] + 2 for what, count in self.guest.holdings().items())
        self.assertTrue(eventually(held, 10), f"{before} before, {self.guest.holdings()} now")

    def test_curl_fetches_directly(self):
        content = pattern(64 << 20)
        (self.directory / "file").write_bytes(content)
        port = free_port()
        server = self.start(["python3.11", "-m", "http.server", port, "--bind", "127.0.0.1",
                             "--directory", self.directory])
        await_listener(server, port)
        self.call([*test_transfers.CURL, "-o", self.directory / "fetched", f"http://127.0.0.1:{port}/file"],
                  under=True, socket=self.guest.direct)
        self.assertEqual(digest((self.directory / "fetched").read_bytes()), digest(content))

    def test_children_accept_from_an_inherited_listener_directly(self):
        import socket

        port = free_port()
        server = self.start([PYTHON, "-c", FORK, port], under=True, socket=self.guest.direct)
        await_listener(server, port)
        for _ in range(12):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"hello")
                self.assertEqual(connection.recv(100), b"HELLO")
        self.assertEqual(server.wait(10), 0, str(server))
        self.assertIn("served", server.out)

    def test_an_executed_program_has_its_connection_directly(self):
        def reply(connection):
            observed = drain(connection)
            connection.sendall(b"y" * 200_000)
            return observed

        peer = Peer(reply)
        program = self.call([PYTHON, "-c", EXECUTE, peer.port], under=True, socket=self.guest.direct)
        self.assertEqual(program.out.strip(), "127.0.0.1 200000", str(program))

    def test_programs_of_other_users_are_refused_directly(self):
        self.directory.chmod(0o755)
        program = self.call(
            ["setpriv", "--reuid", "65534", "--clear-groups", "--", PYTHON, "-c",
             "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); print(s.connect_ex('%s'))"
             % self.guest.direct])
        self.assertEqual(program.out.strip(), "13")
