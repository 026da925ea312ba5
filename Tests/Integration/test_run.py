"""`xensock run` passes on what a program gets and gives, and leaves nothing behind."""

import os
import re
import shutil
import signal
import time

from harness.case import Case, xensock_only
from harness.environment import BUILD, COMMAND, NATIVE, PYTHON, inside
from harness.network import Peer, await_listener, free_port, listening
from harness.processes import eventually, marked, program_of

NOBODY = 65534


def services():
    """The private services that this test's commands started and that still run."""
    return [pid for pid in marked(os.environ["XENSOCK_TEST_MARK"]) if program_of(pid) == "xensockd"]


class Status(Case):
    def test_the_status_is_the_programs(self):
        self.call(["sh", "-c", "exit 7"], under=True, status=7)
        self.call(["true"], under=True, status=0)

    def test_a_program_killed_by_a_signal_is_told_from_one_that_exited(self):
        # By a signal of the command's own or by the shells' convention.
        for number in (signal.SIGTERM, signal.SIGKILL):
            program = self.call(["sh", "-c", f"kill -{number} $$"], under=True, status=None)
            self.assertIn(program.wait(0), (-number, 128 + number), str(program))

    @xensock_only("it is the command's status")
    def test_a_program_that_does_not_exist_gives_127(self):
        program = self.call(["/no/such/program"], under=True, status=127)
        self.assertIn("/no/such/program", program.err)

    @xensock_only("it is the command's status")
    def test_a_program_that_cannot_be_executed_gives_126(self):
        file = self.directory / "file"
        file.write_text("no program\n")
        self.assertIn(str(file), self.call([file], under=True, status=126).err)

    @xensock_only("it is the command's status")
    def test_the_status_is_the_programs_without_isolation(self):
        self.call(["sh", "-c", "exit 7"], under=True, isolate=False, status=7)

    def test_a_signal_to_the_command_reaches_the_program(self):
        program = self.start(
            [PYTHON, "-c", "import signal, sys\n"
             "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\nprint('ready', flush=True)\nsignal.pause()"],
            under=True,
        )
        program.await_output("ready")
        os.kill(program.pid, signal.SIGTERM)
        self.assertEqual(program.wait(5), 3, str(program))


class Streams(Case):
    def test_standard_streams_pass_unchanged(self):
        content = os.urandom(3_000_000)
        (self.directory / "in").write_bytes(content)
        with open(self.directory / "in", "rb") as file:
            program = self.call(["sh", "-c", "cat; echo to stderr >&2"], under=True, stdin=file)
        self.assertEqual(program.out_bytes, content)
        self.assertEqual(program.err, "to stderr\n")

    def test_arguments_environment_and_directory_pass_unchanged(self):
        program = self.call(
            ["sh", "-c", 'printf "%s|" "$@" "$VARIABLE"; pwd', "sh", "a b", "", "--isolate", "--", "*"],
            under=True,
            variables={"VARIABLE": "with space"},
            directory=self.directory,
        )
        self.assertEqual(program.out, f"a b||--isolate|--|*|with space|{self.directory}\n")

    def test_the_program_starts_with_the_standard_descriptors_only(self):
        # Private descriptors of the library are high.
        script = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd') if int(n) < 100))"
        program = self.call([PYTHON, "-c", script], under=True)
        self.assertEqual(program.out, "[0, 1, 2, 3]\n")


class Users(Case):
    def check(self, isolate):
        """Runs as an ordinary user: the user is kept, what it makes is its own, and the network works."""
        place = self.directory / "place"
        place.mkdir()
        drop = []
        products = BUILD
        user = os.geteuid()
        if user == 0:
            os.chown(place, NOBODY, NOBODY)
            # The build may lie where only root comes.
            products = self.directory / "products"
            if not NATIVE:
                shutil.copytree(BUILD, products)
            drop = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
            user = NOBODY
        peer = Peer(lambda connection: connection.sendall(b"reached\n"))
        script = f"id -u; touch made; stat -c %u made; exec 3<>/dev/tcp/127.0.0.1/{peer.port}; cat <&3"
        command = [*drop, *inside(["bash", "-c", script], isolate=isolate, products=products)]
        program = self.call(
            command, directory=place, variables={"HOME": place, "TMPDIR": place, "XDG_RUNTIME_DIR": place}
        )
        self.assertEqual(program.out, f"{user}\n{user}\nreached\n", str(program))
        self.assertEqual(os.stat(place / "made").st_uid, user)

    def test_an_ordinary_user_stays_itself_when_isolated(self):
        self.check(isolate=True)

    def test_an_ordinary_user_stays_itself(self):
        self.check(isolate=False)


class Lifetime(Case):
    def test_a_daemon_keeps_its_sockets_after_the_command_ended(self):
        port = free_port()
        pid_file = self.directory / "pid"
        self.call(
            ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--daemonize", "yes"]
            + ["--pidfile", pid_file, "--logfile", self.directory / "log", "--dir", self.directory],
            under=True,
        )
        self.assert_within(10, lambda: pid_file.exists() and listening(port), "the daemon listens")
        command = ["redis-cli", "-h", "127.0.0.1", "-p", port]
        for _ in range(3):
            time.sleep(0.5)
            self.assertEqual(self.call([*command, "PING"]).out, "PONG\n")
        if not NATIVE:
            self.assertEqual(len(services()), 1)
        self.call([*command, "SHUTDOWN", "NOSAVE"])
        self.assert_within(15, lambda: not services() and not listening(port), "the service ends after its last program")

    def test_a_background_job_keeps_its_sockets_after_the_command_ended(self):
        port = free_port()
        script = f"setsid {PYTHON} -m http.server {port} --bind 127.0.0.1 >log 2>&1 </dev/null & echo $!"
        shell = self.call(["sh", "-c", script], under=True, directory=self.directory)
        job = int(shell.out)
        self.addCleanup(lambda: job in marked(os.environ["XENSOCK_TEST_MARK"]) and os.kill(job, signal.SIGKILL))
        await_listener(shell, port)
        curl = self.call(["curl", "-q", "-sS", "--fail", "--noproxy", "*", f"http://127.0.0.1:{port}/log"])
        self.assertEqual(curl.wait(0), 0)
        os.kill(job, signal.SIGTERM)
        self.assert_within(15, lambda: not services() and not listening(port), "the service ends after its last program")

    @xensock_only("there is no service")
    def test_the_service_is_gone_after_the_last_program(self):
        program = self.start(
            [PYTHON, "-c", "import socket; s = socket.socket(); print('ready', flush=True); input()"], under=True,
            stdin=-1,
        )
        program.await_output("ready")
        self.assertEqual(len(services()), 1)
        program.tell("\n")
        self.assertEqual(program.wait(15), 0)
        self.assertTrue(eventually(lambda: not services(), 15), "the private service still runs after 15 s")

    @xensock_only("there is no service")
    def test_two_commands_have_services_of_their_own(self):
        port = free_port()
        script = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print('ready', flush=True); input()"
        first = self.start([PYTHON, "-c", script], under=True, stdin=-1)
        first.await_output("ready")
        second = self.start([PYTHON, "-c", script.replace(str(port), "0")], under=True, stdin=-1)
        second.await_output("ready")
        self.assertEqual(len(services()), 2)
        second.tell("\n")
        self.assertEqual(second.wait(15), 0)
        self.assertTrue(eventually(lambda: len(services()) == 1, 15))
        self.assertTrue(listening(port))
        first.tell("\n")
        self.assertEqual(first.wait(15), 0)

    @xensock_only("there is no command")
    def test_the_command_explains_itself(self):
        self.assertTrue(re.search("run", self.call([COMMAND, "--help"]).out))
