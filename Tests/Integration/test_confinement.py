"""Programs that change user or root, daemonize, execute themselves or lock themselves in keep their network."""

import os
import shutil
import socket

from harness.case import Case, xensock_only
from harness.environment import LIBRARY, PYTHON
from harness.network import Peer, await_listener, free_port
from harness.programs import compiled

DROP = """
def drop():
    if os.geteuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
"""

FIRST = "import encodings.idna, os, socket, sys" + DROP + """
{before}
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(connection.makefile().read(), end="")
"""

DAEMON = "import os, socket, sys" + DROP + """
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
start, end = os.pipe()
if os.fork():
    os._exit(0)
os.close(end)
os.read(start, 1)
if sys.argv[2] == "execute":
    os.set_inheritable(listener.fileno(), True)
    again = "import socket, sys; sys.argv = ['', '', 'serve']; listener = socket.socket(fileno=int({!r}))\\n"
    os.execv(sys.executable, [sys.executable, "-c", again.format(str(listener.fileno())) + open(sys.argv[3]).read()])
exec(open(sys.argv[3]).read())
"""

SERVE = "import os" + DROP + """
listener.getsockname()
for _ in range(2):
    if os.fork() == 0:
        drop()
        connection, _ = listener.accept()
        connection.sendall(b"from user %d" % os.geteuid())
        os._exit(0)
os.wait(); os.wait()
"""


class Changes(Case):
    """As root with real changes; an ordinary user's run shows only that nothing else changes."""

    def check(self, before, **options):
        peer = Peer(lambda connection: connection.sendall(b"reached\n"))
        script = FIRST.format(before=before)
        self.assertEqual(self.call([PYTHON, "-c", script, peer.port], under=True, **options).out, "reached\n")

    def test_the_first_socket_comes_after_a_change_of_user(self):
        self.check("drop()")

    def test_the_first_socket_comes_after_a_change_of_root(self):
        self.check(f"os.geteuid() == 0 and os.chroot({str(self.directory)!r}); drop()")

    def test_the_first_socket_comes_in_a_program_executed_by_another_user(self):
        again = FIRST.format(before="")
        options = {}
        if LIBRARY.exists():
            # Who executes must be able to read it, wherever this was built.
            library = self.directory / LIBRARY.name
            shutil.copy(LIBRARY, library)
            library.chmod(0o755)
            options["variables"] = {"XENSOCK_LIBRARY": str(library)}
        self.check(f"drop(); os.execv(sys.executable, [sys.executable, '-c', {again!r}, *sys.argv[1:]])", **options)


class Daemons(Case):
    def check(self, way):
        """The process that made the listener ends; children of its child, as another user, serve it."""
        port = free_port()
        script = self.directory / "serve.py"
        script.write_text(SERVE)
        program = self.call([PYTHON, "-c", DAEMON, port, way, script], under=True)
        await_listener(program, port)
        user = 65534 if os.geteuid() == 0 else os.geteuid()
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                connection.settimeout(10)
                self.assertEqual(connection.makefile().read(), f"from user {user}", str(program))

    def test_unprivileged_children_of_a_daemon_accept_from_its_parents_listener(self):
        self.check("fork")

    def test_unprivileged_children_accept_after_the_daemon_executed_itself(self):
        self.check("execute")


class Confined(Case):
    def check(self, *arguments):
        def echo(connection):
            while data := connection.recv(1 << 16):
                connection.sendall(data)

        peer = Peer(echo)
        self.assertEqual(self.call([compiled("confined"), peer.port, *arguments], under=True).out, "status 0\n")

    def test_a_child_without_descriptors_and_system_calls_exchanges_a_megabyte(self):
        self.check()

    def test_so_does_one_whose_standard_input_is_the_connection(self):
        self.check("standard input")

    def test_so_does_one_that_is_left_hardly_a_system_call(self):
        self.check("strictly")

    def test_a_filter_may_forbid_what_only_the_library_would_call(self):
        self.check("probes")


class Environment(Case):
    def check(self, environment, expected):
        peer = Peer(lambda connection: connection.sendall(b"reached\n"))
        inner = (
            "import socket, sys\ntry: print(socket.create_connection(('127.0.0.1', int(sys.argv[1]))).recv(100))\n"
            "except OSError as error: print(error.strerror)"
        )
        for function in ("os.execve", "os.posix_spawn"):
            script = (
                f"import os, sys\nresult = {function}({PYTHON!r}, [{PYTHON!r}, '-c', {inner!r}, sys.argv[1]], {environment})\n"
                "os.waitpid(result, 0)"
            )
            self.assertEqual(self.call([PYTHON, "-c", script, peer.port], under=True).out, expected)
            peer = Peer(lambda connection: connection.sendall(b"reached\n"))

    def test_a_program_with_an_environment_of_its_own_keeps_its_network(self):
        self.check("{'PATH': '/bin'}", "b'reached\\n'\n")

    @xensock_only("there is nothing to take away")
    def test_a_program_whose_environment_lacks_the_library_alone_is_left_without(self):
        environment = "{name: value for name, value in os.environ.items() if name != 'LD_PRELOAD'}"
        self.check(environment, "Network is unreachable\n")

    def test_an_empty_environment_stays_empty(self):
        script = "import os; os.execve('/usr/bin/env', ['env'], {})"
        self.assertEqual(self.call([PYTHON, "-c", script], under=True).out, "")
