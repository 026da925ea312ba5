"""AF_UNIX sockets of the backend domain, where configured; all others stay the program's own."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from harness.case import Case, xensock_only
from harness.environment import AGENT, COMMAND, PYTHON
from harness.processes import eventually
from harness.service import Xensockd
from harness.programs import SOURCES

SERVER, CLIENT, SEMANTICS = (SOURCES / f"unix_{name}.py" for name in ("server", "client", "semantics"))


class UnixCase(Case):
    def setUp(self):
        super().setUp()
        self.names = self.directory / "names"
        self.names.mkdir()

    def server(self, name, *options):
        program = self.start([PYTHON, SERVER, name, *options])
        program.await_output("at ")
        return program

    def hidden(self, arguments):
        """The command line in a view of the file system in which `names` is an empty directory."""
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        return ["unshare", *user, "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', self.names, *arguments]

    def under(self, arguments, *, unix=(), policy=None, socket=None, content=b"words", status=0, hidden=True):
        """Runs a command in `xensock run --isolate` with such names, with `content` on standard input."""
        options = [word for name in unix for word in ("--unix", name)]
        if policy is not None:
            file = self.directory / "policy.toml"
            file.write_text(policy)
            options += ["--policy", file]
        if socket is not None:
            options += ["--socket", socket]
        elif AGENT:
            options += ["--agent"]
        file = self.directory / "content"
        file.write_bytes(content)
        arguments = self.hidden(arguments) if hidden else arguments
        with open(file, "rb") as stdin:
            return self.call(
                [COMMAND, "run", "--isolate", *options, "--", *arguments], stdin=stdin, status=status, timeout=50)


class Semantics(UnixCase):
    def test_sockets_behave_the_same_on_both_sides(self):
        """Natively, redirected, and with the library but other names: three transcripts that are the same."""
        self.server(f"{self.names}/server")
        run = [PYTHON, SEMANTICS, f"{self.names}/server", self.names]
        native = self.call(run, timeout=40)
        self.assertIn("through a descriptor", native.out)
        os.unlink(self.names / "served")
        for variables in ({"XENSOCK_UNIX": f"{self.names}/"}, {"XENSOCK_UNIX": "/none/*:@none"}, {}):
            program = self.call(run, under=True, variables=variables, timeout=50)
            self.assertEqual(program.out, native.out, str(program))
            self.assertEqual(program.err, "")
            os.unlink(self.names / "served")


@xensock_only("it is about two domains")
class Names(UnixCase):
    def test_a_client_reaches_a_server_that_it_cannot_see(self):
        server = self.server(f"{self.names}/server")
        content = os.urandom(1 << 21).replace(b"\0", b"a")
        program = self.under([PYTHON, CLIENT, f"{self.names}//server"], unix=[f"{self.names}/*"], content=content)
        self.assertEqual(program.out_bytes, content.upper())
        server.await_output(f"from '', user {os.getuid()}")

    def test_without_configuration_it_does_not(self):
        self.server(f"{self.names}/server")
        program = self.under([PYTHON, CLIENT, f"{self.names}/server"])
        self.assertEqual(program.out, "No such file or directory\n")

    def test_an_abstract_name(self):
        name = f"@xensock-test-{os.getpid()}"
        self.server(name)
        self.assertEqual(self.under([PYTHON, CLIENT, name], unix=[name]).out, "WORDS")
        self.assertEqual(self.under([PYTHON, CLIENT, name], unix=["@other"]).out, "Connection refused\n")

    def test_a_server_inside_is_found_outside(self):
        path = f"{self.names}/inside"
        file = self.directory / "content"
        file.write_bytes(b"")
        options = ["--agent"] if AGENT else []
        program = self.start(
            [COMMAND, "run", "--isolate", *options, "--unix", f"{self.names}/", "--",
             *self.hidden([PYTHON, SERVER, path])])
        program.await_output("at ")
        self.assertTrue(Path(path).is_socket())
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(path)
                client.sendall(b"from outside")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(client.recv(100), b"FROM OUTSIDE")

    def test_relative_paths_stay_local(self):
        self.server(f"{self.names}/server")
        script = f"cd {self.names} && exec {PYTHON} {CLIENT} server ./server ../{self.names.name}/server"
        program = self.under(["sh", "-c", script], unix=[f"{self.names}/"])
        self.assertEqual(program.out, "No such file or directory\n" * 3)

    def test_other_types_are_refused_in_time(self):
        path = self.names / "log"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.bind(str(path))
            script = (
                "import socket, sys\n"
                "for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):\n"
                "  for call in ('connect', 'bind', 'sendto', 'sendmsg'):\n"
                "    s = socket.socket(socket.AF_UNIX, kind)\n"
                "    try:\n"
                "      if call == 'sendto': s.sendto(b'x', sys.argv[1])\n"
                "      elif call == 'sendmsg': s.sendmsg([b'x'], [], 0, sys.argv[1])\n"
                "      else: getattr(s, call)(sys.argv[1])\n"
                "      print(call, 'worked')\n"
                "    except OSError as e: print(e.errno)\n"
            )
            program = self.under([PYTHON, "-c", script, path], unix=[path], hidden=False)
            self.assertEqual(program.out, "94\n" * 8)
            self.assertEqual(program.err.count("SOCK_STREAM"), 1, program.err)

    def test_descriptors_and_credentials_do_not_cross(self):
        self.server(f"{self.names}/server")
        script = (
            "import os, socket, sys\n"
            "def attempt(call, *arguments):\n"
            "  try: print('worked', call(*arguments))\n"
            "  except OSError as e: print(e.errno)\n"
            "s = socket.socket(socket.AF_UNIX)\n"
            "s.connect(sys.argv[1])\n"
            "attempt(socket.send_fds, s, [b'with a descriptor'], [0])\n"
            "attempt(s.setsockopt, socket.SOL_SOCKET, socket.SO_PASSCRED, 1)\n"
            "attempt(s.send, b'nothing but this')\n"
            "s.shutdown(socket.SHUT_WR)\n"
            "print(s.recv(100))\n"
            "s = socket.socket(socket.AF_UNIX)\n"
            "s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)\n"
            "attempt(s.connect, sys.argv[1])\n"
        )
        program = self.under([PYTHON, "-c", script, f"{self.names}/server"], unix=[f"{self.names}/"])
        self.assertEqual(program.out, "95\n95\nworked 16\nb'NOTHING BUT THIS'\n95\n")
        self.assertEqual(program.err.count("do not pass"), 1, program.err)

    def test_a_descriptor_with_two_names_is_refused(self):
        self.server(f"{self.names}/server")
        script = (
            "import socket, sys\n"
            "for mine, theirs in ((sys.argv[2], sys.argv[1]), (sys.argv[1] + '2', sys.argv[2])):\n"
            "  s = socket.socket(socket.AF_UNIX)\n"
            "  s.bind(mine)\n"
            "  try: s.connect(theirs)\n"
            "  except OSError as e: print(e.errno)\n"
        )
        program = self.under(
            [PYTHON, "-c", script, f"{self.names}/server", f"{self.directory}/mine"], unix=[f"{self.names}/"])
        self.assertEqual(program.out, "95\n95\n")


@xensock_only("it is about a policy")
class Policies(UnixCase):
    def test_a_policy_goes_before_the_option(self):
        self.server(f"{self.names}/server")
        self.server(f"{self.names}/secret")
        policy = (
            'default = "allow"\n[[rule]]\naction = "deny"\nerror = "ECONNREFUSED"\n'
            f'paths = ["{self.names}/secret"]\n'
        )
        names = [f"{self.names}/{name}" for name in ("server", "secret", "none")]
        program = self.under([PYTHON, CLIENT, *names], unix=[f"{self.names}/"], policy=policy)
        self.assertEqual(program.out, "WORDSConnection refused\nNo such file or directory\n")

    def test_a_service_allows_what_its_policy_names(self):
        self.server(f"{self.names}/server")
        self.server(f"{self.names}/other")
        policy = self.directory / "service.toml"
        policy.write_text(f'default = "deny"\n[[rule]]\naction = "allow"\npaths = ["{self.names}/server"]\n')
        path = self.directory / "xensock.sock"
        service = Xensockd(self, path, "--policy", policy).program
        names = [f"{self.names}/{name}" for name in ("server", "other")]
        program = self.under([PYTHON, CLIENT, *names], unix=[f"{self.names}/"], socket=path)
        self.assertEqual(program.out, "WORDSPermission denied\n")
        self.assertIn(f"denied connect {self.names}/other", service.err)
        service.stop()
        Xensockd(self, path)
        program = self.under([PYTHON, CLIENT, names[0]], unix=[f"{self.names}/"], socket=path)
        self.assertEqual(program.out, "Permission denied\n")

    def test_names_that_are_none_are_refused_at_the_start(self):
        for name in ("relative", "@", "/a/../b", "/a:/b"):
            program = self.under(["true"], unix=[name], status=125)
            self.assertIn(f'"{name}" is no name', program.err)


@xensock_only("it is about a server that the program cannot see")
class PostgreSQL(UnixCase):
    def test_psql_reaches_the_servers_socket(self):
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs or os.geteuid() != 0:
            self.skipTest("PostgreSQL is not installed, or its server cannot have a user of its own")
        data = self.directory / "data"
        data.mkdir()
        for directory in (data, self.names):
            shutil.chown(directory, "postgres")
        as_server = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self.call([*as_server, programs[-1] / "initdb", "-D", data, "-A", "trust", "--no-sync"], directory=data)
        self.start(
            [*as_server, programs[-1] / "postgres", "-D", data, "-F", "-c", "listen_addresses=", "-c",
             f"unix_socket_directories={self.names}"],
            directory=data,
        )
        # Its socket is there while it still starts up, and refuses.
        eventually(lambda: subprocess.run([programs[-1] / "pg_isready", "-qh", self.names]).returncode == 0, 20)
        query = "select sum(n), length(repeat('x', 1000000)) from generate_series(1, 100000) n"
        psql = [programs[-1] / "psql", "-h", self.names, "-U", "postgres", "-At"]
        program = self.under([*psql, "-c", query, "postgres"], unix=[f"{self.names}/"])
        self.assertEqual(program.out, "5000050000|1000000\n")
        # The library of the client looks at SO_PEERCRED for this.
        program = self.under(
            [*psql, "-c", "select 1", "dbname=postgres requirepeer=postgres"], unix=[f"{self.names}/"])
        self.assertEqual(program.out, "1\n")
        program = self.under(
            [*psql, "-c", "select 1", "dbname=postgres requirepeer=nobody"], unix=[f"{self.names}/"], status=2)
        self.assertIn("requirepeer", program.err)
