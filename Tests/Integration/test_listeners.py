"""Sockets without a peer, behind an agent whose xensockd is killed and started again: their programs go on."""

import os
import select
import signal
import socket
import subprocess
import time

from harness.case import Case, xensock_only
from harness.environment import PYTHON
from harness.network import await_listener, free_port, listening
from harness.processes import eventually, holdings, rests, settled
from harness.service import Agent, Xensockd
from test_agent import Chain
from test_death import process_of

BLOCKED = """
import os, socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(5)
print("port", listener.getsockname()[1], "process", os.getpid(), flush=True)
try:
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"hello from %d" % listener.getsockname()[1])
except OSError as error:
    print("accept:", error.errno, flush=True)
"""

PREFORK = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
for _ in range(3):
    if os.fork() == 0:
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"hello from %d" % listener.getsockname()[1])
print("port", listener.getsockname()[1], "process", os.getpid(), flush=True)
os.wait()
"""

# Waits in poll(2), and looks with accept(2) all the same each half second.
POLLING = """
import os, select, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
listener.setblocking(False)
poll = select.poll()
poll.register(listener, select.POLLIN)
print("port", listener.getsockname()[1], "process", os.getpid(), flush=True)
while True:
    events = poll.poll(500)
    try:
        connection, _ = listener.accept()
        print("accepted", events != [], flush=True)
        with connection:
            connection.sendall(b"hello from %d" % listener.getsockname()[1])
    except BlockingIOError:
        print("nothing", events, flush=True)
"""

# The same port for two families, which only IPV6_V6ONLY allows, and a second socket at one, which SO_REUSEPORT does.
OPTIONS = """
import os, select, socket
v4 = socket.create_server(("127.0.0.1", 0), reuse_port=True)
port = v4.getsockname()[1]
again = socket.create_server(("127.0.0.1", port), reuse_port=True)
v6 = socket.create_server(("::", port), family=socket.AF_INET6)
v4.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 9)
print("port", port, "process", os.getpid(), flush=True)
while True:
    for listener in select.select([v4, v6, again], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"hello from %d" % listener.getsockname()[1])
            print("deferred", [s.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) for s in (v4, again)],
                  v6.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY), flush=True)
"""

DATAGRAMS = """
import os, socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print("port", server.getsockname()[1], "process", os.getpid(), flush=True)
while True:
    data, peer = server.recvfrom(100)
    server.sendto(data.upper(), peer)
    # What is sent while the service is away gets lost.
    server.sendto(b"", ("127.0.0.1", 9))
"""

TICKING = """
import os, socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.bind(("127.0.0.1", 0))
print("process", os.getpid(), flush=True)
number = 0
while True:
    sender.sendto(b"%d" % number, ("127.0.0.1", int(sys.argv[1])))
    number += 1
    time.sleep(0.05)
"""

BOUND = """
import os, socket, sys
fresh, bound = socket.socket(), socket.socket()
fresh.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
bound.bind(("127.0.0.1", 0))
print("port", bound.getsockname()[1], "process", os.getpid(), flush=True)
sys.stdin.readline()
bound.listen()
fresh.connect(("127.0.0.1", bound.getsockname()[1]))
print("keeps alive", fresh.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), flush=True)
bound.accept()[0].sendall(b"x")
print("got", fresh.recv(10), flush=True)
"""

RIVAL = """
import os, socket, sys, time
print("process", os.getpid(), flush=True)
while True:
    try:
        rival = socket.socket()
        rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        rival.bind(("127.0.0.1", int(sys.argv[1])))
        rival.listen()
        print("has it", flush=True)
        time.sleep(60)
    except OSError as error:
        print(error.errno, flush=True)
        if error.errno == 98:
            break
    time.sleep(0.001)
"""


class Standing(Case):
    def setUp(self):
        super().setUp()
        self.chain = Chain(self, *self.options())

    def options(self):
        return []

    def serve(self, code, *arguments, path=None):
        program = self.start([PYTHON, "-c", code, *arguments], under=True, socket=path or self.chain.path,
                             stdin=subprocess.PIPE)
        program.await_output("process ")
        words = program.out.split()
        program.port = int(words[1]) if words[0] == "port" else None
        return program

    def hello(self, program, host="127.0.0.1"):
        with socket.create_connection((host, program.port), 5) as connection:
            connection.settimeout(5)
            if host != "::1":
                connection.sendall(b"x")
            self.assertEqual(connection.recv(100).decode(), f"hello from {program.port}", str(program))

    def await_lines(self, program, count):
        self.assert_within(15, lambda: program.out.count("\n") == count, f"it has said {count} lines")

    def back(self, program, seconds=15):
        if not eventually(lambda: listening(program.port), seconds):
            self.fail(f"nothing listens at {program.port}: {program}\n{self.chain.agent.program}")

    def restart(self, program, pause=0.3):
        self.chain.kill()
        self.assertFalse(listening(program.port))
        time.sleep(pause)
        self.chain.restart()
        self.back(program)


@xensock_only("there is no agent")
class Listeners(Standing):
    def test_a_blocked_accept_goes_on_at_the_same_port_again_and_again(self):
        server = self.serve(BLOCKED, 0)
        self.hello(server)
        for _ in range(4):
            self.restart(server)
            self.hello(server)
        self.assertEqual(len(server.out.splitlines()), 1, str(server))

    def test_a_service_that_stops_in_order_is_no_different(self):
        server = self.serve(BLOCKED, 0)
        self.chain.behind.program.stop()
        self.chain.restart()
        self.back(server)
        self.hello(server)

    def test_forked_children_go_on(self):
        server = self.serve(PREFORK)
        for _ in range(6):
            self.hello(server)
        self.restart(server)
        for _ in range(12):
            self.hello(server)

    def test_a_poll_waits_and_an_accept_that_does_not_block_finds_nothing(self):
        server = self.serve(POLLING)

        def woken():
            # A connection may come just behind poll(2)'s time, and be found without it.
            before = server.out.count("accepted True")
            self.hello(server)
            return server.out.count("accepted True") > before

        self.assert_within(5, woken, "poll tells of a connection")
        self.chain.kill()
        before = server.out.count("nothing")
        self.assert_within(15, lambda: server.out.count("nothing") >= before + 4, "it goes on looking")
        self.assertEqual(server.out.count("nothing"), server.out.count("nothing []"), str(server))
        self.chain.restart()
        self.back(server)
        self.assert_within(5, woken, "poll tells of a connection")

    def test_options_are_set_again_before_the_address(self):
        server = self.serve(OPTIONS)
        for number in range(1, 3):
            for host in ("127.0.0.1", "::1"):
                self.hello(server, host)
            self.await_lines(server, 1 + 2 * number)
            self.restart(server)
        self.assert_within(15, lambda: listening(server.port), "it listens")
        held = subprocess.run(["ss", "-Hltn", f"sport = :{server.port}"], capture_output=True, text=True).stdout
        self.assertEqual(len(held.splitlines()), 3, held)
        self.hello(server, "::1")
        self.await_lines(server, 6)
        self.assertEqual(len(set(server.out.splitlines()[1:])), 1, server.out)
        self.assertRegex(server.out, r"deferred \[[1-9]\d*, 0\] 1")

    def test_redis_goes_on(self):
        port = free_port()
        server = self.start(["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", ""], under=True,
                            socket=self.chain.path)
        server.port = port
        await_listener(server, port)
        client = ["redis-cli", "-p", port]
        self.assertEqual(self.call([*client, "set", "a", "1"]).out.strip(), "OK")
        self.restart(server)
        self.assertEqual(self.call([*client, "get", "a"]).out.strip(), "1")

    def test_nginx_and_its_workers_go_on(self):
        port = free_port()
        configuration = self.directory / "nginx.conf"
        configuration.write_text(f"""
            worker_processes 2; daemon off; pid {self.directory}/nginx.pid; error_log {self.directory}/error.log;
            events {{ worker_connections 64; }}
            http {{ access_log off; server {{ listen 127.0.0.1:{port}; return 200 "hello"; }} }}
        """)
        server = self.start(["/usr/sbin/nginx", "-p", self.directory, "-c", configuration], under=True,
                            socket=self.chain.path)
        server.port = port
        await_listener(server, port)
        fetch = ["curl", "-s", "--max-time", 5, f"http://127.0.0.1:{port}/"]
        self.assertEqual(self.call(fetch).out, "hello")
        self.restart(server)
        for _ in range(8):
            self.assertEqual(self.call(fetch).out, "hello")

    def test_the_older_dialects_have_them_too(self):
        for dialect in ("pvcalls1", "draft1"):
            path = self.directory / dialect
            Agent(self, path, self.chain.behind_path, "--dialect", dialect)
            server = self.serve(BLOCKED, free_port(), path=path)
            self.hello(server)
            self.restart(server)
            self.hello(server)

    def test_one_whose_program_ends_meanwhile_is_not_made_again(self):
        server, other = self.serve(BLOCKED, 0), self.serve(BLOCKED, 0)
        self.chain.kill()
        server.stop()
        self.chain.restart()
        self.back(other)
        time.sleep(0.5)
        self.assertFalse(listening(server.port))

    def test_a_program_that_binds_when_the_service_is_back_comes_too_late(self):
        server = self.serve(BLOCKED, 0)
        for _ in range(3):
            self.chain.kill()
            rival = self.serve(RIVAL, server.port)
            rival.await_output("100\n")
            self.chain.restart()
            self.assertEqual(rival.wait(10), 0)
            self.assertEqual(set(rival.out.split("\n")[1:]), {"100", "98", ""}, str(rival))
            self.hello(server)

    def test_nobody_spins_while_the_service_is_away(self):
        servers = [self.serve(code) for code in (PREFORK, DATAGRAMS)] + [self.serve(BLOCKED, 0)]
        self.chain.kill()
        pids = [self.chain.agent.pid, *(process_of(server) for server in servers)]
        self.assertLess(rests(pids, 3, 0.045), 0.05)
        self.chain.restart()
        for server in (servers[0], servers[2]):
            self.back(server)
            self.hello(server)

    def test_many_restarts_leave_nothing_in_the_agent(self):
        server = self.serve(PREFORK)
        self.restart(server)
        self.hello(server)
        before = settled(lambda: holdings(self.chain.agent.pid), 1)
        for _ in range(8):
            self.restart(server, 0)
            self.hello(server)
        held = lambda: all(count <= before[what] for what, count in holdings(self.chain.agent.pid).items())
        self.assertTrue(eventually(held, 10), f"{before} before, {holdings(self.chain.agent.pid)} now")

    def test_a_silent_service_gives_them_back_when_it_answers_again(self):
        server = self.serve(BLOCKED, 0)
        client = self.start([PYTHON, "-c", "import socket; socket.socket()"], under=True, socket=self.chain.path)
        client.wait(20)
        os.kill(self.chain.behind.pid, signal.SIGSTOP)
        try:
            # A request that is not answered is how it is noticed.
            self.start([PYTHON, "-c", "import socket; socket.socket()"], under=True, socket=self.chain.path).wait(20)
            self.assert_within(5, lambda: "does not answer" in self.chain.agent.program.err, "the agent notices it")
        finally:
            os.kill(self.chain.behind.pid, signal.SIGCONT)
        self.assert_within(15, lambda: "were made again" in self.chain.agent.program.err, "it is made again")
        self.back(server)
        self.hello(server)
        self.assertEqual(len(server.out.splitlines()), 1, str(server))


@xensock_only("there is no agent")
class Others(Standing):
    """Datagram sockets, and sockets that do not listen yet."""

    def ask(self, program, seconds=2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(seconds)
            client.sendto(b"hello", ("127.0.0.1", program.port))
            try:
                return client.recv(100) == b"HELLO"
            except OSError:
                return False

    def test_a_datagram_server_goes_on_at_its_port(self):
        server = self.serve(DATAGRAMS)
        self.assertTrue(self.ask(server))
        for _ in range(3):
            self.chain.kill()
            self.assertFalse(self.ask(server, 0.3))
            self.chain.restart()
            self.assert_within(15, lambda: self.ask(server), "it answers again")

    def test_what_a_bound_datagram_socket_sends_meanwhile_gets_lost(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            receiver.settimeout(5)
            sender = self.serve(TICKING, receiver.getsockname()[1])
            _, address = receiver.recvfrom(100)
            self.chain.kill()
            time.sleep(1)
            last = 0
            while select.select([receiver], [], [], 0)[0]:
                last = int(receiver.recv(100))
            self.chain.restart()
            receiver.settimeout(20)
            data, again = receiver.recvfrom(100)
            self.assertEqual(again, address)
            self.assertGreater(int(data), last + 5)
            self.assertIsNone(sender.process.poll(), str(sender))

    def test_a_socket_that_is_bound_listens_later(self):
        program = self.serve(BOUND)
        self.chain.kill()
        self.chain.restart()
        self.assert_within(15, lambda: "2 sockets" in self.chain.agent.program.err, "both are made again")
        program.tell("\n")
        program.await_output("got b'x'")
        self.assertIn("keeps alive 1", program.out)


@xensock_only("there is no agent")
class Refused(Standing):
    """The service is back, and does not let a listener have its address."""

    def options(self):
        return ["--listener-wait", "2"]

    def test_an_address_that_another_has_taken_is_an_error_after_the_time_that_was_set(self):
        server = self.serve(BLOCKED, 0)
        self.chain.kill()
        with socket.create_server(("127.0.0.1", server.port)):
            start = time.monotonic()
            self.chain.restart()
            time.sleep(1)
            lines = server.out.splitlines()
            if time.monotonic() - start < 2:
                self.assertEqual(len(lines), 1, str(server))
            server.await_output("accept: 100\n", 15)
        wanted = f"listener at 127.0.0.1:{server.port} cannot be made again, and is lost: Address already in use"
        self.assert_within(10, lambda: wanted in self.chain.agent.program.err, wanted)

    def test_a_datagram_socket_has_the_error_too(self):
        server = self.serve(DATAGRAMS)
        self.chain.kill()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", server.port))
            self.chain.restart()
            self.assertEqual(server.wait(20), 1)
        self.assertIn("Network is down", server.err)


@xensock_only("there is no agent")
class RefusedAtFirst(Standing):
    """Likewise, with a time limit that plays no part."""

    def options(self):
        return ["--listener-wait", "40"]

    def test_an_address_that_is_free_again_in_time_is_no_error(self):
        server = self.serve(BLOCKED, 0)
        self.chain.kill()
        other = socket.create_server(("127.0.0.1", server.port))
        self.chain.restart()
        time.sleep(0.7)
        other.close()
        self.assert_within(15, lambda: "were made again, 1" in self.chain.agent.program.err, "it is made again")
        self.hello(server)

    def test_a_policy_that_forbids_it_by_now_is_an_error_at_once(self):
        server = self.serve(BLOCKED, 0)
        other = self.serve(BLOCKED, 0)
        self.chain.kill()
        policy = self.directory / "policy.toml"
        policy.write_text(
            f'default = "allow"\n[[rule]]\naction = "deny"\noperations = ["bind"]\nports = [{server.port}]\n')
        start = time.monotonic()
        self.chain.behind = Xensockd(self, self.chain.behind_path, "--policy", policy)
        server.await_output("accept: 100\n", 20)
        self.assertLess(time.monotonic() - start, 20)
        self.back(other)
        self.hello(other)
