"""The frontend speaks the older dialects to the same service."""

import hashlib
import random
import socket
import threading

from harness.case import Case, xensock_only
from harness.environment import PYTHON, SUITE
from harness.network import FullListener, Peer, await_listener, drain, free_port, pattern, reset

PROGRAMS = SUITE / "programs"
OLDER = ("pvcalls1", "draft1")

# Answers and closes without reading: TCP resets then, behind the answer.
ABRUPT = """
import select, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    for _ in range(int(sys.argv[2])):
        connection = listener.accept()[0]
        select.select([connection], [], [])
        connection.sendall(bytes(20000))
        connection.close()
"""


def echo(connection):
    total = 0
    while data := connection.recv(1 << 16):
        connection.sendall(data)
        total += len(data)
    return str(total)


class Dialects(Case):
    def fetch(self, dialect, size=8_000_000):
        content = random.Random(5).randbytes(size)
        (self.directory / "file").write_bytes(content)
        port = free_port()
        server = self.start(
            [PYTHON, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", self.directory]
        )
        await_listener(server, port)
        for _ in range(2):
            fetched = self.directory / "fetched"
            curl = self.call(
                ["curl", "-q", "-sS", "--fail", "--noproxy", "*", "-o", fetched, f"http://127.0.0.1:{port}/file"],
                under=True,
                variables={"XENSOCK_DIALECT": dialect},
            )
            self.assertEqual(curl.err, "")
            self.assertEqual(
                hashlib.sha256(fetched.read_bytes()).hexdigest(), hashlib.sha256(content).hexdigest(), dialect
            )

    def test_curl_fetches_with_draft1(self):
        self.fetch("draft1")

    def test_curl_fetches_with_pvcalls1(self):
        self.fetch("pvcalls1")

    def test_curl_fetches_with_xensock2(self):
        self.fetch("xensock2")

    def test_an_answer_comes_before_the_reset_of_bytes_that_nobody_read(self):
        for dialect in (*OLDER, "xensock2"):
            port = free_port()
            server = self.start(
                [PYTHON, "-c", ABRUPT, port, 100], under=True, variables={"XENSOCK_DIALECT": dialect}
            )
            await_listener(server, port)
            for _ in range(100):
                got = 0
                with socket.create_connection(("127.0.0.1", port), 10) as connection:
                    connection.sendall(b"x")
                    try:
                        while data := connection.recv(1 << 16):
                            got += len(data)
                    except ConnectionResetError:
                        pass
                self.assertEqual(got, 20000, dialect)
            server.wait(10)

    def test_bulk_with_the_older_dialects(self):
        for dialect in OLDER:
            self.fetch(dialect, 64 << 20)

    def client(self, dialect, behaviour, port, *arguments, **options):
        return self.call(
            [PYTHON, PROGRAMS / "dialect_client.py", behaviour, port, *arguments],
            under=True,
            variables={"XENSOCK_DIALECT": dialect},
            **options,
        )

    def test_a_refused_connect_can_be_tried_again(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                client = self.client(dialect, "refused", free_port())
                self.assertEqual(client.out, "ECONNREFUSED\nEINPROGRESS True ECONNREFUSED\n")

    def test_a_connect_under_way_holds_nothing_up(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                listener = FullListener()
                self.addCleanup(listener.close)
                client = self.client(dialect, "under-way", listener.port)
                self.assertEqual(client.out, "EINPROGRESS EALREADY False\nNone\n")

    def test_an_event_loop_connects_and_exchanges(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                peer = Peer(echo)
                self.addCleanup(peer.close)
                client = self.client(dialect, "loop", peer.port)
                self.assertEqual(client.out, "1\n1000\n300000\n")
                self.assertEqual(peer.observed(), ["301001"])

    def test_upload_to_a_slow_peer(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                peer = Peer(drain, receive_buffer=4096)
                self.addCleanup(peer.close)
                client = self.client(dialect, "upload", peer.port, 6_000_000)
                self.assertEqual(peer.observed(), [f"{client.out.strip()} eof"])

    def test_end_of_the_stream(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                peer = Peer(lambda connection: connection.sendall(pattern(700_000)))
                self.addCleanup(peer.close)
                client = self.client(dialect, "end", peer.port)
                self.assertEqual(client.out, "700000 b'' b''\n")

    def test_a_reset_is_reported_once(self):
        def abort(connection):
            connection.recv(2)
            reset(connection)

        for dialect in OLDER:
            with self.subTest(dialect):
                peer = Peer(abort)
                self.addCleanup(peer.close)
                client = self.client(dialect, "reset", peer.port)
                self.assertEqual(client.out, "ECONNRESET b''\nEPIPE\n")

    @xensock_only("natively options are the kernel's")
    def test_what_a_dialect_cannot_express_fails(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                peer = Peer(lambda connection: str(connection.recv(1)))
                self.addCleanup(peer.close)
                client = self.client(dialect, "options", peer.port)
                self.assertEqual(
                    client.out.splitlines(),
                    [
                        "True ('0.0.0.0', 0)",
                        "1 2 6 0 ENOPROTOOPT ",
                        "None",
                        "ENOPROTOOPT",
                        "EOPNOTSUPP",
                        "EOPNOTSUPP",
                        "EAFNOSUPPORT",
                        "True",
                    ],
                )

    @xensock_only("natively there is no dialect")
    def test_an_unknown_dialect_opens_nothing(self):
        client = self.client("pvcalls2", "refused", free_port(), status=1)
        self.assertIn("XENSOCK_DIALECT names no dialect", client.err)

    def serve(self, dialect, way, connections=6):
        port = free_port()
        server = self.start(
            [PYTHON, PROGRAMS / "dialect_server.py", way, port, connections],
            under=True,
            variables={"XENSOCK_DIALECT": dialect},
        )
        await_listener(server, port)
        outcomes = []

        def exchange(index):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                content = pattern(100_000, index)
                sender = threading.Thread(target=connection.sendall, args=(content,))
                sender.start()
                got = b""
                while len(got) < len(content):
                    data = connection.recv(1 << 16)
                    if not data:
                        break
                    got += data
                sender.join()
                outcomes.append(got == content)

        clients = [threading.Thread(target=exchange, args=(index,)) for index in range(connections)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(outcomes, [True] * connections, server)
        self.assertEqual(server.wait(10), 0, server)
        self.assertEqual(server.out.splitlines()[0], "True 1")
        return server.out.splitlines()[1]

    def test_a_server_that_blocks(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                self.assertEqual(self.serve(dialect, "block"), "served")

    def test_a_server_that_polls(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                self.assertEqual(self.serve(dialect, "poll"), "served quietly")

    def test_a_server_that_waits_for_edges(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                self.assertEqual(self.serve(dialect, "epoll"), "served quietly")

    def test_a_server_that_forks_acceptors(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                self.assertEqual(self.serve(dialect, "fork"), "{0}")

    def test_acceptors_that_end_leave_the_listener_to_the_others(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                self.assertEqual(self.serve(dialect, "each", 8), "{0}")

    def test_all_that_wait_are_accepted_without_a_wait(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                self.assertEqual(self.serve(dialect, "burst"), "6 []")

    def test_http_server_inside(self):
        for dialect in OLDER:
            with self.subTest(dialect):
                (self.directory / "page").write_bytes(pattern(300_000))
                port = free_port()
                server = self.start(
                    [PYTHON, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", self.directory],
                    under=True,
                    variables={"XENSOCK_DIALECT": dialect},
                )
                await_listener(server, port)
                for _ in range(3):
                    curl = self.call(
                        ["curl", "-q", "-sS", "--fail", "--noproxy", "*", f"http://127.0.0.1:{port}/page"]
                    )
                    self.assertEqual(hashlib.sha256(curl.out_bytes).digest(), hashlib.sha256(pattern(300_000)).digest())
