"""Programs whose service is an agent with xensockd behind it. `run --agent` runs all other tests that way too."""

import os
import re
import signal
import socket
import subprocess
import threading
import time

import test_death
import test_transfers
from harness.case import Case, xensock_only
from harness.environment import PYTHON, SUITE
from harness.network import Peer, await_listener, digest, drain, free_port, pattern
from harness.processes import alive, eventually, holdings, rests, settled
from harness.programs import compiled
from harness.service import Agent, Xensockd

PROGRAMS = SUITE / "programs"


class Chain:
    """An agent at `path`, and xensockd behind it, which is what `kill` kills."""

    def __init__(self, case, *options):
        self.case = case
        self.path = case.directory / "socket"
        self.behind_path = case.directory / "behind"
        self.behind = Xensockd(case, self.behind_path)
        self.agent = Agent(case, self.path, self.behind_path, *options)

    def kill(self):
        self.behind.kill()

    def restart(self):
        self.behind = Xensockd(self.case, self.behind_path)

    def holdings(self):
        """What the agent and xensockd hold together."""
        return {
            f"{name} {what}": count
            for name, pid in (("agent", self.agent.pid), ("xensockd", self.behind.pid))
            for what, count in holdings(pid).items()
        }


class EchoServer:
    """A native server that sends back what comes on any number of connections."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    @staticmethod
    def _echo(connection):
        with connection:
            try:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)
            except OSError:
                pass


def process_of(program):
    return int(re.search(r"process (\d+)", program.await_output("process ")).group(1))


@xensock_only("there is no agent")
class Through(Case):
    """What xensockd does for programs, the agent does."""

    def setUp(self):
        super().setUp()
        self.chain = Chain(self)

    def run_inside(self, arguments, **options):
        return self.start(arguments, under=True, socket=self.chain.path, **options)

    def call_inside(self, arguments, **options):
        return self.call(arguments, under=True, socket=self.chain.path, **options)

    def test_curl_fetches_and_sends_64_mib_unchanged(self):
        content = pattern(64 << 20)
        (self.directory / "file").write_bytes(content)
        port = free_port()
        server = self.start(["python3.11", "-m", "http.server", port, "--bind", "127.0.0.1",
                             "--directory", self.directory])
        await_listener(server, port)
        self.call_inside([*test_transfers.CURL, "-o", self.directory / "fetched", f"http://127.0.0.1:{port}/file"])
        self.assertEqual(digest((self.directory / "fetched").read_bytes()), digest(content))
        peer = Peer(drain)
        program = self.call_inside(
            [PYTHON, "-c", "import socket, sys; c = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
             "c.sendall(open(sys.argv[2], 'rb').read()); c.close()", peer.port, self.directory / "file"])
        self.assertEqual(program.err, "")
        self.assertEqual(peer.observed(), [f"{len(content)} bytes {digest(content)} eof"])

    def test_the_network_is_xensockds(self):
        program = self.run_inside([PYTHON, PROGRAMS / "many.py", EchoServer().port, 3], stdin=subprocess.PIPE)
        process_of(program)

        def connections_of(pid):
            return sum(
                "ESTAB" in line
                for line in subprocess.run(["ss", "-Htnp"], capture_output=True, text=True).stdout.splitlines()
                if f"pid={pid}," in line
            )

        self.assertEqual(connections_of(self.chain.behind.pid), 3)
        self.assertEqual(connections_of(self.chain.agent.pid), 0)
        program.tell("\n")
        program.await_output("exchanged")

    def test_a_hundred_connections_at_once_by_two_programs(self):
        server = EchoServer()
        programs = [
            self.run_inside([PYTHON, PROGRAMS / "many.py", server.port, 100], stdin=subprocess.PIPE) for _ in range(2)
        ]
        for program in programs:
            program.await_output("holds 100")
        for program in programs:
            program.tell("\n")
        for program in programs:
            program.await_output("exchanged")
            self.assertEqual(program.wait(10), 0)

    def test_an_urgent_byte_keeps_its_place(self):
        def read(connection):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
            data = b""
            while part := connection.recv(1 << 16):
                data += part
            place = data.index(b"!")
            connection.sendall(f"{place} of {len(data)}".encode())

        peer = Peer(read)
        self.assertEqual(self.call_inside([PYTHON, PROGRAMS / "urgent.py", peer.port]).out.strip(), "100000 of 200001")

    def test_urgent_data_is_marked_and_signalled(self):
        for attempt in range(3):
            # It times things by tenths of a second: on a busy machine either run may be late.
            said = self.call([compiled("urgent")]).out
            observed = self.call_inside([compiled("urgent")]).out
            if observed == said:
                break
        self.assertEqual(observed, said)
        self.assertIn("apart", said)

    def test_datagrams_arrive_while_the_error_queue_is_not_empty(self):
        program = [PYTHON, PROGRAMS / "error_queue.py"]
        self.assertEqual(self.call_inside(program).out, self.call(program).out)

    def test_an_unknown_name_and_a_known_one_are_answered(self):
        text = (
            "import socket\n"
            "print(socket.getaddrinfo('localhost', 'http', socket.AF_INET, socket.SOCK_STREAM)[0][4])\n"
            "print(socket.getnameinfo(('127.0.0.1', 80), socket.NI_NUMERICHOST)[1])\n"
            "try:\n    socket.getaddrinfo('no-such-name.invalid', 80)\n"
            "except socket.gaierror as error:\n    print(error.errno in (socket.EAI_NONAME, socket.EAI_AGAIN))\n"
        )
        program = self.call_inside([PYTHON, "-c", text])
        self.assertEqual(program.out.splitlines(), ["('127.0.0.1', 80)", "http", "True"])

    def test_an_idle_agent_makes_no_system_call(self):
        program = self.run_inside([PYTHON, PROGRAMS / "many.py", EchoServer().port, 20], stdin=subprocess.PIPE)
        process_of(program)
        # For a second or two it remembers who connected and said nothing.
        time.sleep(2.5)
        for attempt in range(4):
            trace = self.directory / f"trace-{attempt}"
            strace = self.start(["strace", "-f", "-o", trace, "-p", self.chain.agent.pid])
            self.assert_within(15, lambda: "ttached" in strace.err, "strace is attached")
            time.sleep(3)
            strace.process.send_signal(signal.SIGINT)
            strace.wait(15)
            calls = [line for line in trace.read_text().splitlines() if "(" in line]
            # What it had to do before it is idle may be late on a busy machine.
            if len(calls) <= 3:
                break
        # strace interrupts the wait that it finds, and the last one is the next.
        self.assertLessEqual(len(calls), 3, "\n".join(calls[:20]))
        program.tell("\n")
        program.await_output("exchanged")

    def test_the_older_dialects_behind_it(self):
        content = pattern(5_000_000)
        for dialect in ("pvcalls1", "draft1"):
            path = self.directory / dialect
            Agent(self, path, self.chain.behind_path, "--dialect", dialect)
            peer = Peer(lambda connection: connection.sendall(content))
            program = self.call(
                [PYTHON, "-c", "import socket, sys, hashlib; c = socket.create_connection(('127.0.0.1',"
                 "int(sys.argv[1]))); d = b''.join(iter(lambda: c.recv(1 << 16), b''));"
                 "print(hashlib.sha256(d).hexdigest()[:16])", peer.port], under=True, socket=path)
            self.assertEqual(program.out.strip(), digest(content), dialect)
            listening = free_port()
            server = self.start(
                [PYTHON, PROGRAMS / "dialect_server.py", "block", listening, 1], under=True, socket=path)
            await_listener(server, listening)
            with socket.create_connection(("127.0.0.1", listening), 5) as connection:
                connection.sendall(b"hello")
                self.assertEqual(connection.recv(5), b"hello", dialect)

    def test_its_own_policy_denies_before_xensockd_is_asked(self):
        policy = self.directory / "policy.toml"
        policy.write_text('default = "allow"\n[[rule]]\naction = "deny"\nports = [9]\nerror = "EPERM"\n')
        path = self.directory / "strict"
        Agent(self, path, self.chain.behind_path, "--policy", policy)
        text = "import socket; print(socket.socket().connect_ex(('127.0.0.1', 9)))"
        strict = self.call([PYTHON, "-c", text], under=True, socket=path)
        self.assertEqual(strict.out.strip(), "1")
        self.assertEqual(self.call_inside([PYTHON, "-c", text]).out.strip(), "111")


@xensock_only("there is no agent")
class Endings(Case):
    """Each party dies, and the others hold no more than before."""

    def setUp(self):
        super().setUp()
        self.chain = Chain(self)
        self.server = EchoServer()
        # The first use leaves what is needed once.
        self.hold().process.kill()
        self.before = settled(self.chain.holdings)

    def hold(self, count=20):
        program = self.start([PYTHON, PROGRAMS / "many.py", self.server.port, count], under=True,
                             socket=self.chain.path, stdin=subprocess.PIPE)
        program.await_output("holds")
        return program

    def flood(self):
        """A program whose bytes are on their way when this returns."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        def read_late(connection):
            gate.wait(30)
            return drain(connection)

        self.peer = Peer(read_late, receive_buffer=16384)
        program = self.start([compiled("flood"), self.peer.port], under=True, socket=self.chain.path)
        sent = int(re.search(r"sent (\d+)\.", program.await_output(".\n", 20)).group(1))
        return program, gate, sent

    def assert_no_more(self, names=("agent", "xensockd"), seconds=10):
        def held():
            now = self.chain.holdings()
            return all(now[what] <= count for what, count in self.before.items() if what.split()[0] in names)

        if not eventually(held, seconds):
            self.fail(f"held {self.before}, now {self.chain.holdings()}")

    def test_a_killed_program_leaves_nothing(self):
        for _ in range(3):
            program = self.hold()
            os.kill(process_of(program), signal.SIGKILL)
        self.assert_no_more()

    def test_a_program_killed_while_it_sends_loses_no_byte(self):
        program, gate, sent = self.flood()
        os.kill(process_of(program), signal.SIGKILL)
        time.sleep(0.2)
        gate.set()
        self.assertEqual(self.peer.observed(), [f"{sent} bytes {digest(pattern(sent))} eof"])
        self.assert_no_more()

    def test_a_killed_agent_leaves_nothing_in_xensockd(self):
        _, gate, _ = self.flood()
        program = self.hold()
        pid = process_of(program)
        self.chain.agent.kill()
        program.tell("\n")
        self.assert_within(4, lambda: not alive(pid), "the program gets an error")
        self.assertIn("Error", program.err)
        # What the flood left in xensockd is still offered to its peer, in one socket; the agent's session is gone.
        left = self.before["xensockd sockets"]
        self.assert_within(10, lambda: holdings(self.chain.behind.pid)["sockets"] <= left, "only the flood's socket")
        gate.set()
        self.peer.observed()
        self.assert_within(10, lambda: holdings(self.chain.behind.pid)["sockets"] < left, "no socket is left")

    def test_a_killed_xensockd_leaves_nothing_in_the_agent(self):
        for _ in range(3):
            self.flood()
            program = self.hold()
            pid = process_of(program)
            self.chain.kill()
            program.tell("\n")
            self.assert_within(4, lambda: not alive(pid), "the program gets an error")
            self.assertRegex(program.err, "ConnectionResetError|Network is down|Broken pipe")
            for other in self.programs:
                if "flood" in other.arguments[-2]:
                    other.stop()
            self.chain.restart()
            self.hold().process.kill()
        self.assert_no_more(("agent",))

    def test_new_sockets_work_once_xensockd_is_back(self):
        program = self.start([PYTHON, PROGRAMS / "reconnect.py", self.server.port], under=True,
                             socket=self.chain.path, stdin=subprocess.PIPE)
        program.await_output("ready")
        for number in range(0, 9, 3):
            program.tell("\n")
            program.await_output(f"{number} hello\n")
            self.chain.kill()
            program.tell("\n")
            program.await_output(f"{number + 1} failed: [Errno 100]")
            self.chain.restart()
            program.tell("\n")
            program.await_output(f"{number + 2} hello\n")

    def test_many_restarts_of_xensockd_cost_the_agent_nothing(self):
        for _ in range(12):
            self.chain.kill()
            self.chain.restart()
            program = self.hold(2)
            program.tell("\n")
            program.await_output("exchanged")
            program.wait(5)
        self.assert_no_more(("agent",))

    def test_a_silent_xensockd_holds_nobody_up_for_long(self):
        holder = self.hold()
        pid = process_of(holder)
        program = self.start([PYTHON, PROGRAMS / "reconnect.py", self.server.port], under=True,
                             socket=self.chain.path, stdin=subprocess.PIPE)
        program.await_output("ready")
        os.kill(self.chain.behind.pid, signal.SIGSTOP)
        try:
            start = time.monotonic()
            program.tell("\n")
            program.await_output("0 failed: ", 9)
            self.assertLess(time.monotonic() - start, 9)
            # The time limit, of 5 seconds, passed once and does not again.
            start = time.monotonic()
            for number in range(1, 4):
                program.tell("\n")
                program.await_output(f"{number} failed: [Errno 100]", 4)
            self.assertLess(time.monotonic() - start, 4)
            # Its connections are lost.
            holder.tell("\n")
            self.assert_within(4, lambda: not alive(pid), "the program gets an error")
        finally:
            os.kill(self.chain.behind.pid, signal.SIGCONT)

        def works():
            works.number += 1
            program.tell("\n")
            return "hello" in program.await_output(f"\n{works.number} ", 10).splitlines()[-1]

        works.number = 3
        self.assertTrue(eventually(works, 10, 0.2), str(program))
        program.stop()
        self.assert_no_more()


class KillsBehind:
    """The service behind the agent is killed, and the programs see what they would see without the agent."""

    def serve(self):
        return Chain(self)


@xensock_only("there is no agent")
class BehindKilled(KillsBehind, test_death.ServiceKilled):
    # A listener has no end behind an agent.
    test_accept_ends_with_an_error = None


@xensock_only("there is no agent")
class EventLoopsBehindKilled(KillsBehind, test_death.EventLoops):
    def test_the_agent_is_idle_too(self):
        chain = self.serve()
        self.serve = lambda: chain
        self.idle([PYTHON, PROGRAMS / "idle.py", self.connected_peer(3), 3, "listen"], test_death.process_of)
        self.assertLess(rests([chain.agent.pid], 5, 0.095), 0.1)
