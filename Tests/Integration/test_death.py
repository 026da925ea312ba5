"""The sudden end of programs and of the service."""

import os
import re
import signal
import subprocess
import threading
import time

from harness.case import Case, xensock_only
from harness.environment import NATIVE, PYTHON, SUITE
from harness.network import FullListener, Peer, await_listener, digest, drain, free_port, pattern
from harness.processes import alive, eventually, marked, program_of, rests, settled
from harness.programs import compiled
from harness.service import Service

PROGRAMS = SUITE / "programs"


def process_of(program, timeout=10):
    """The process that says `process N` first: not the command that started it."""
    return int(re.search(r"process (\d+)", program.await_output("process ", timeout)).group(1))


class ProgramKilled(Case):
    def flood(self, socket=None):
        """Kills a program whose bytes are still on the way, and lets the peer read only then."""
        gate = threading.Event()

        def read_late(connection):
            gate.wait(20)
            return drain(connection)

        peer = Peer(read_late, receive_buffer=16384)
        program = self.start([compiled("flood"), peer.port], under=True, socket=socket)
        out = program.await_output(".\n", 20)
        sent = int(re.search(r"sent (\d+)\.", out).group(1))
        self.assertGreater(sent, 100_000)
        os.kill(process_of(program), signal.SIGKILL)
        program.wait(5)
        time.sleep(0.2)
        gate.set()
        self.assertEqual(peer.observed(), [f"{sent} bytes {digest(pattern(sent))} eof"])

    def test_its_bytes_still_arrive_and_then_the_end(self):
        self.flood()

    @xensock_only("there is no service")
    def test_the_service_holds_no_more_than_before(self):
        service = Service(self, self.directory / "socket")
        # The first use of a service may leave what it needs once.
        self.flood(service.path)
        before = settled(service.holdings, 1)
        for _ in range(3):
            self.flood(service.path)
            self.assert_no_more(service, before)

    @xensock_only("there is no service")
    def test_the_service_holds_no_more_after_many_ended_programs(self):
        service = Service(self, self.directory / "socket")
        peer = Peer(drain, connections=12)
        for number in range(12):
            self.call([PYTHON, "-c", f"import socket; socket.create_connection(('127.0.0.1', {peer.port}))"],
                      under=True, socket=service.path)
            if number == 1:
                before = settled(service.holdings, 1)
        self.assert_no_more(service, before)
        self.assertEqual(len(peer.observed()), 12)

    def assert_no_more(self, service, before):
        """The service returns to what it held, in each count."""

        def held():
            now = service.holdings()
            return all(now[what] <= before[what] for what in before)

        if not eventually(held, 10):
            self.fail(f"the service holds {service.holdings()} after 10 s, {before} before")


class ServiceKilled(Case):
    """Natively the programs are shown to block, and no more."""

    def serve(self):
        """What has the programs' path, and is killed."""
        return None if NATIVE else Service(self, self.directory / "socket")

    def blocked(self, call, port):
        service = self.serve()
        program = self.start([compiled("blocked"), call, port], under=True, socket=service and service.path)
        pid = process_of(program)
        time.sleep(0.7)
        self.assertTrue(alive(pid), f"{call} did not block: {program}")
        self.assertEqual(len(program.out.splitlines()), 1, str(program))
        if NATIVE:
            return None
        service.kill()
        # Sooner than a time limit of requests would end it, which is 5 seconds.
        self.assert_within(4, lambda: not alive(pid), f"{call} ends when the service is killed")
        return program.out.splitlines()[1:]

    def holding_peer(self):
        """A peer that accepts one connection and neither reads nor writes until the test ends."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.peer = Peer(lambda connection: gate.wait(30) and None)
        return self.peer.port

    def assert_error(self, lines, call):
        if lines is not None:
            self.assertRegex(lines[0], rf"^{call}: E[A-Z]+$")
            self.assertNotRegex(lines[0], "EINTR|EAGAIN")

    def test_recv_ends_with_an_error(self):
        self.assert_error(self.blocked("recv", self.holding_peer()), "recv")

    def test_send_ends_with_an_error(self):
        self.assert_error(self.blocked("send", self.holding_peer()), "send")

    def test_accept_ends_with_an_error(self):
        self.assert_error(self.blocked("accept", 0), "accept")

    def test_connect_ends_with_an_error(self):
        listener = FullListener()
        self.addCleanup(listener.close)
        self.assert_error(self.blocked("connect", listener.port), "connect")

    def test_poll_tells_hang_up(self):
        lines = self.blocked("poll", self.holding_peer())
        if lines is not None:
            self.assertEqual(lines[0], "poll: 1")
            self.assertRegex(lines[1], "HUP|ERR")

    def test_select_tells_readiness_and_recv_the_error(self):
        lines = self.blocked("select", self.holding_peer())
        if lines is not None:
            self.assertEqual(lines[0], "select: 1")
            self.assert_error(lines[2:], "recv")

    def test_epoll_wait_tells_hang_up(self):
        lines = self.blocked("epoll_wait", self.holding_peer())
        if lines is not None:
            self.assertEqual(lines[0], "epoll_wait: 1")
            self.assertRegex(lines[1], "HUP|ERR")


class EventLoops(Case):
    """A program with an event loop does not spin when the service is gone, nor when all is idle."""

    def serve(self):
        """What has the programs' path, and is killed."""
        return None if NATIVE else Service(self, self.directory / "socket")

    def idle(self, arguments, find_process):
        service = self.serve()
        program = self.start(arguments, under=True, socket=service and service.path)
        pid = find_process(program)
        time.sleep(0.5)
        if service:
            service.kill()
        used = rests([pid], 5, 0.045)
        self.assertTrue(alive(pid), str(program))
        self.assertLess(used, 0.05, f"{used} s of processor time in 5 s: {program}")
        return program

    def connected_peer(self, connections):
        """A peer that accepts connections and leaves them idle until the test ends."""
        self.kept = []
        self.peer = Peer(lambda connection: self.kept.append(connection.dup()), connections=connections)
        return self.peer.port

    def test_asyncio_with_idle_connections(self):
        program = self.idle([PYTHON, PROGRAMS / "idle.py", self.connected_peer(3), 3, "connect"], process_of)
        self.assertEqual(program.out.count("lost: "), 0 if NATIVE else 3, str(program))

    def test_asyncio_with_a_listener(self):
        self.idle([PYTHON, PROGRAMS / "idle.py", self.connected_peer(1), 1, "listen"], process_of)

    def test_redis_with_a_listener(self):
        port = free_port()

        def find(program):
            await_listener(program, port)
            pids = [pid for pid in marked(os.environ["XENSOCK_TEST_MARK"]) if program_of(pid).startswith("redis-")]
            return pids[0] if pids else program.pid

        self.idle(
            ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--hz", 1, "--dynamic-hz", "no"],
            find,
        )


class ServiceBack(Case):
    def test_new_sockets_work_once_a_service_is_back_at_the_path(self):
        def greet(connection):
            connection.sendall(connection.recv(5).replace(b"hello", b"again"))

        peer = Peer(greet, connections=2 if not NATIVE else 3)
        path = self.directory / "socket"
        service = None if NATIVE else Service(self, path)
        program = self.start(
            [PYTHON, PROGRAMS / "reconnect.py", peer.port], under=True, socket=path, stdin=subprocess.PIPE
        )
        program.await_output("ready")
        program.tell("\n")
        program.await_output("0 again\n")
        if service:
            service.kill()
        program.tell("\n")
        program.await_output("1 failed: " if service else "1 again\n", 6)
        if service:
            Service(self, path)
        program.tell("\n")
        program.await_output("2 again\n")

    @xensock_only("there is no service")
    def test_the_private_service_ends_when_its_program_is_killed(self):
        program = self.start([PYTHON, "-c", "import os, socket, time; s = socket.socket();"
                              "print('process', os.getpid(), flush=True); time.sleep(60)"], under=True)
        pid = process_of(program)
        mark = os.environ["XENSOCK_TEST_MARK"]
        self.assertIn("xensockd", [program_of(other) for other in marked(mark)])
        os.kill(pid, signal.SIGKILL)
        program.wait(5)
        self.assertTrue(
            eventually(lambda: "xensockd" not in [program_of(other) for other in marked(mark)], 5),
            "the private service still runs after 5 s",
        )
