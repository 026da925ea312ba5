"""Requests that nobody waits for: what a program, its children or the end of either do next finds them done, and what
cannot be done is an error of a later call."""

import re
import time

from harness.case import Case, xensock_only
from harness.environment import PYTHON, SUITE
from harness.network import Peer, reset
from harness.processes import eventually, settled
from harness.service import Service, Xensockd

PROGRAM = SUITE / "programs" / "posted.py"


def answering(connection):
    """Answers each ? with a !; resets the connection at anything else."""
    try:
        while byte := connection.recv(1):
            if byte != b"?":
                connection.sendall(byte)
                time.sleep(0.05)
                reset(connection)
                return "reset it"
            connection.sendall(b"!")
        return "eof"
    except ConnectionResetError:
        return "reset"


class Posted(Case):
    def run_it(self, name, connections, *, under=True, **options):
        """What the program says, and what its peers saw."""
        peer = Peer(answering, connections=connections)
        program = self.call([PYTHON, PROGRAM, name, peer.port], under=under, timeout=50, **options)
        return program.out, peer.observed()

    def same(self, name, connections, **options):
        native = self.run_it(name, connections, under=False)
        self.assertEqual(self.run_it(name, connections, **options), native)
        return native

    def test_a_forked_child_connects_what_was_just_made(self):
        self.assertIn("parent b'!'", self.same("fork", 21)[0])

    def test_an_executed_program_connects_what_was_just_made(self):
        self.assertEqual(self.same("execute", 6)[0], "executed b'!'\n" * 5)

    def test_a_process_connects_what_it_was_just_sent(self):
        self.assertEqual(self.same("pass_on", 6)[0], "received b'!'\n" * 5)

    def test_a_close_right_behind_so_linger_resets(self):
        self.assertEqual(self.same("close", 11)[1], ["eof"] + ["reset"] * 10)

    def test_a_kill_right_behind_so_linger_resets(self):
        seen = self.same("kill", 21)[1]
        self.assertEqual(sorted(seen), ["eof"] * 11 + ["reset"] * 10)

    def test_another_process_reads_what_was_set(self):
        self.assertEqual(self.same("share", 2)[0], "seen 200\n")

    def test_what_linux_refuses_is_refused(self):
        self.assertIn("EINVAL", self.same("options", 2)[0])

    def test_names_are_those_of_the_connection(self):
        self.assertIn("ENOTCONN", self.same("names", 3)[0])

    def test_sockets_that_nothing_was_asked_of_can_be_closed(self):
        self.assertEqual(self.same("unused", 1)[0], "True\n")

    @xensock_only("there is no service")
    def test_the_end_of_the_service_is_an_error_of_the_next_call(self):
        service = Service(self, self.directory / "socket")
        peer = Peer(answering)
        program = self.start([PYTHON, PROGRAM, "await_end", peer.port], under=True, socket=service.path, stdin=-1)
        program.await_output("ready", 20)
        service.kill()
        program.tell("\n")
        self.assertEqual(program.wait(10), 0)
        self.assertRegex(program.out, "ready\nENETDOWN\n")

    @xensock_only("there is no service")
    def test_a_service_without_descriptors_says_so_once_it_is_asked(self):
        service = Limited(self, self.directory / "socket")
        peer = Peer(answering, connections=100)
        before = None
        for _ in range(2):
            program = self.call([PYTHON, PROGRAM, "beyond", peer.port], under=True, socket=service.path, timeout=50)
            lines = program.out.splitlines()
            self.assertEqual(len(lines), 3, program)
            for line in lines:
                self.assertRegex(line, r"^connected( (connected|ENFILE|EMFILE|EBADF))*$", f"{program}")
                self.assertRegex(line, "ENFILE|EMFILE|EBADF")
            # The same number each time: nothing was lost.
            self.assertEqual(len({line.count("connected") for line in lines}), 1, lines)
            if before is None:
                before = settled(service.holdings)
        self.assertTrue(eventually(lambda: service.holdings() == before, 10), f"{service.holdings()} after {before}")


class Limited(Xensockd):
    """A service that has room for a few sockets only."""

    def _begin(self, case, path, arguments):
        super()._begin(case, path, ["prlimit", "--nofile=26:26", *arguments])
