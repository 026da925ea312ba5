"""Connections that are used without the library: by stdio, by splice, and by programs that cannot load it.

Everything runs natively too, with the same expectation.
"""

import os
import signal
import socket
import threading

from harness import environment
from harness.case import Case, xensock_only
from harness.environment import PYTHON
from harness.network import Peer, await_listener, digest, drain, free_port, pattern, reset
from harness.processes import settled
from harness.programs import compiled
from harness.service import Service

SIZE = 1 << 20


def echo(connection):
    """Sends everything back, at the end too."""
    content = b""
    while data := connection.recv(65536):
        connection.sendall(data)
        content += data
    return f"{content!r}"


def pump(connection):
    """The peer of programs/pump.c behind programs/relay_exec.c: 1 MiB each way at once."""
    connection.sendall(b"hi")
    sender = threading.Thread(target=lambda: (connection.sendall(pattern(SIZE)), connection.shutdown(socket.SHUT_WR)))
    sender.start()
    seen = drain(connection)
    sender.join()
    return seen


def hasty(connection):
    """Says everything at once, and that it was everything, then reads."""
    connection.sendall(b"hi" + b"one\ntwo\n")
    connection.shutdown(socket.SHUT_WR)
    return drain(connection)


def bytes_then_end(connection):
    seen = b""
    while data := connection.recv(65536):
        seen += data
    connection.sendall(pattern(300000))
    return seen.decode()


def resetting(connection):
    connection.recv(1)
    reset(connection)
    return "reset it"


PUMPED = f"{SIZE + 2} bytes " + digest(b"ho" + pattern(SIZE, 7)) + " eof"
"""What `pump` sees of programs/relay_exec.c and programs/pump.c."""

TABLE = {
    "a_stream_of_fdopen_is_the_socket": ("relay_stdio", [], echo),
    "splice_moves_bytes_both_ways": ("relay_splice", [], bytes_then_end),
    "a_reset_is_reported_once_to_who_reads": ("relay_reset", ["read"], resetting),
    "a_reset_is_reported_once_to_who_writes": ("relay_reset", ["write"], resetting),
    "threads_and_processes_go_on_when_another_has_it_relayed": ("relay_shared", [], echo),
}


class Semantics(Case):
    """Each program says natively and under XenSock the same, and its peer sees the same."""

    def observe(self, name, arguments, behaviour, under):
        peer = Peer(behaviour)
        program = self.call([compiled(name), peer.port, *arguments], under=under, timeout=25, status=None)
        self.assertEqual(program.err, "", str(program))
        return program.wait(0), program.out, peer.observed()


def add_test(name, row):
    def test(self):
        native = self.observe(*row, under=False)
        self.assertTrue(native[1].endswith("done\n"), native)
        self.assertEqual(self.observe(*row, under=True), native)

    setattr(Semantics, f"test_{name}", test)


for row_name, row in TABLE.items():
    add_test(row_name, row)


class Handed(Case):
    """A connection becomes another program's."""

    def exchange(self, way, *command, behaviour=pump):
        peer = Peer(behaviour)
        program = self.call([compiled("relay_exec"), peer.port, way, *command], under=True, status=None)
        self.assertTrue(program.out.endswith("done\n"), str(program))
        self.assertIn("status: 0" if way != "system" else "system: 0", program.out, str(program))
        self.assertEqual(program.err, "", str(program))
        return peer.observed()

    def test_a_static_program_has_it_as_standard_input_and_output(self):
        self.assertEqual(self.exchange("dup2", compiled("pump", "-static")), [PUMPED])

    def test_a_static_program_has_it_after_vfork(self):
        self.assertEqual(self.exchange("vfork", compiled("pump", "-static")), [PUMPED])

    def test_a_static_program_inherits_it_under_another_number(self):
        self.assertEqual(self.exchange("inherit", compiled("pump", "-static")), [PUMPED])

    def test_a_static_program_gets_it_by_posix_spawn(self):
        self.assertEqual(self.exchange("spawn", compiled("pump", "-static")), [PUMPED])

    def test_a_program_that_loads_the_library_gets_it_by_posix_spawn(self):
        self.assertEqual(self.exchange("spawn", compiled("pump")), [PUMPED])

    def test_a_program_with_an_empty_environment_inherits_it(self):
        self.assertEqual(self.exchange("environment", compiled("pump")), [PUMPED])

    def test_a_static_program_is_run_by_a_shell(self):
        self.assertEqual(self.exchange("system", compiled("pump", "-static")), [PUMPED])

    def test_a_script_with_a_static_interpreter_inherits_it(self):
        script = self.directory / "script"
        script.write_text(f"#!{compiled('upper', '-static')}\n")
        script.chmod(0o755)
        # The interpreter reads the connection, not the script: its only argument is ignored.
        seen = self.exchange("dup2", script, behaviour=hasty)
        self.assertEqual(seen, [f"10 bytes {digest(b'hoONE' + bytes([10]) + b'TWO' + bytes([10]))} eof"])

    def test_what_came_with_the_end_of_the_stream_is_not_lost(self):
        wanted = f"10 bytes {digest(b'hoONE' + bytes([10]) + b'TWO' + bytes([10]))} eof"
        for way in ("dup2", "vfork", "spawn"):
            for flags in ((), ("-static",)):
                self.assertEqual(self.exchange(way, compiled("upper", *flags), behaviour=hasty), [wanted], (way, flags))


class Many(Case):
    """A program that has thousands of them, one after the other."""

    limit = 120
    connections = 5000

    def test_those_that_end_by_themselves_leave_room_for_others(self):
        number = int(os.environ.get("XENSOCK_TEST_RELAYED") or self.connections)
        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            while True:
                connection = listener.accept()[0]
                connection.recv(1)
                reset(connection)

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        program = self.call([compiled("relay_many"), port, number], under=True, timeout=110, status=None)
        self.assertEqual((program.err, program.out), ("", f"{number} connections\ndone\n"), str(program))


class Inetd(Case):
    """A server that gives its connections to other programs."""

    def ask(self, port, text, half_close=True):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(text)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while data := connection.recv(65536):
                answer += data
            return answer

    def serve(self, *command):
        port = free_port()
        program = self.start([compiled("inetd"), port, 3, *command], under=True)
        await_listener(program, port)
        text = b"".join(b"line %d\n" % number for number in range(20000))
        answers = [self.ask(port, b"hello\n"), self.ask(port, text), self.ask(port, b"")]
        self.assertEqual(program.wait(10), 0)
        self.assertEqual(program.err, "", str(program))
        self.assertEqual(answers, [b"HELLO\n", text.upper(), b""])

    def test_a_c_filter_with_stdio(self):
        self.serve(compiled("upper"))

    def test_a_static_filter_with_stdio(self):
        self.serve(compiled("upper", "-static"))

    def test_a_perl_filter(self):
        self.serve("perl", "-ne", "$| = 1; print uc")

    def test_a_python_filter(self):
        self.serve(PYTHON, "-c", "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)")

    def test_a_shell_pipeline(self):
        self.serve("/bin/sh", "-c", "cat | tr a-z A-Z")

    def test_socat_executes_a_filter(self):
        port = free_port()
        for options in ("", ",pipes", ",nofork"):
            command = f"EXEC:{compiled('upper')}{options}"
            program = self.start(["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr", command], under=True)
            await_listener(program, port)
            self.assertEqual(self.ask(port, b"hello\nworld\n"), b"HELLO\nWORLD\n", str(program))
            program.wait(10)

    def test_busybox_nc_executes_a_filter(self):
        port = free_port()
        program = self.start(["busybox", "nc", "-l", "-p", port, "-e", compiled("upper")], under=True)
        await_listener(program, port)
        self.assertEqual(self.ask(port, b"hello\nworld\n"), b"HELLO\nWORLD\n", str(program))
        program.wait(10)


class Bash(Case):
    def test_a_connection_of_bash_is_read_and_written(self):
        def peer_of_bash(connection):
            seen = connection.recv(100)
            connection.sendall(b"an answer\nand more\nto the end\n")
            connection.shutdown(socket.SHUT_WR)
            return (seen + connection.recv(100)).decode()

        peer = Peer(peer_of_bash)
        script = (
            f"exec 3<>/dev/tcp/127.0.0.1/{peer.port}; printf 'a question\\n' >&3; "
            "read -r line <&3; echo \"[$line]\"; cat <&3; exec 3>&-; echo over"
        )
        program = self.call(["bash", "-c", script], under=True)
        self.assertEqual(program.err, "", str(program))
        self.assertEqual(program.out, "[an answer]\nand more\nto the end\nover\n")
        self.assertEqual(peer.observed(), ["a question\n"])


@xensock_only("there is no service natively")
class Leaks(Case):
    """What the service holds goes back, however relayed connections end."""

    def test_relayed_connections_leave_nothing_behind(self):
        service = self.service()
        before = self.settled(service)
        static = compiled("pump", "-static")
        for _ in range(3):
            peer = Peer(pump)
            self.call([compiled("relay_exec"), peer.port, "dup2", static], under=True, isolate=False, socket=self.path(service))
            self.assertEqual(peer.observed(), [PUMPED])
            peer = Peer(resetting)
            self.call([compiled("relay_reset"), peer.port, "read"], under=True, isolate=False, socket=self.path(service))
            peer.observed()
        self.assert_within(10, lambda: self.descriptors(service) == before, f"more descriptors than {before}")

    def test_a_child_that_is_killed_while_relaying_resets_or_ends_its_connection(self):
        service = self.service()
        before = self.settled(service)
        port = free_port()
        program = self.start(
            [compiled("inetd"), port, 1, compiled("upper", "-static")], under=True, isolate=False, socket=self.path(service)
        )
        await_listener(program, port)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"hello\n")
            self.assertEqual(connection.recv(100), b"HELLO\n")
            children = [int(pid) for pid in self.children(program)]
            self.assertEqual(len(children), 1)
            os.kill(children[0], signal.SIGKILL)
            self.assertEqual(connection.recv(100), b"")
        program.wait(10)
        self.assert_within(10, lambda: self.descriptors(service) == before, f"more descriptors than {before}")

    def service(self):
        return Service(self, self.directory / "service")

    def path(self, service):
        return service.path

    def settled(self, service):
        """The descriptors of the service after a first connection, when nothing has begun or ended for a while."""
        peer = Peer(resetting)
        self.call([compiled("relay_reset"), peer.port, "read"], under=True, isolate=False, socket=self.path(service))
        peer.observed()
        return settled(lambda: self.descriptors(service))

    def descriptors(self, service):
        return service.holdings()["descriptors"]

    def children(self, program):
        """Process ids of the programs that the server started."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                status = open(f"/proc/{entry}/stat", encoding="ascii").read().rpartition(") ")[2].split()
                name = os.readlink(f"/proc/{entry}/exe")
            except OSError:
                continue
            if name.endswith("upper-static") and int(status[2]) == os.getpgid(program.pid):
                found.append(entry)
        return found
