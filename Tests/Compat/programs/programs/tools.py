"""Small tools: iperf3, socat, busybox nc, socket activation."""

import json

from exchange import Exchange, accepts, free_port

PYTHON = "/usr/bin/python3.11"


class Iperf(Exchange):
    """iperf3: TCP and UDP, eight connections, both directions."""

    name = "iperf3"
    limit = 120
    needs = ("iperf3",)
    ways = {
        "TCP": [],
        "TCP -R": ["-R"],
        "TCP -P 8": ["-P", "8"],
        "TCP -P 8 -R": ["-P", "8", "-R"],
    }

    def exchange(self):
        for server, client in self.sides.values():
            for way, options in self.ways.items():
                self.check(server, client, options)
                self.did(way)

    def check(self, server, client, options):
        port = free_port()
        listener = self.serve(["iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", port], port, under=server)
        client = self.call(
            ["iperf3", "-c", "127.0.0.1", "-p", port, "-t", 1, "-J", *options], under=client, status=None
        )
        result = json.loads(client.out)
        self.assertNotIn("error", result, client.out[-500:])
        total = result["end"].get("sum_received") or result["end"]["sum"]
        self.assertGreater(total["bytes"], 100_000)
        self.assertEqual(listener.wait(10), 0, str(listener))


class IperfDatagrams(Iperf):
    """iperf3 -u."""

    name = "iperf3-udp"
    ways = {
        "UDP": ["-u", "-b", "20M", "-l", "1400"],
        "UDP -R": ["-u", "-b", "20M", "-l", "1400", "-R"],
        "UDP -P 4": ["-u", "-b", "5M", "-l", "1400", "-P", "4"],
    }


class Socat(Exchange):
    """socat: a forking listener that executes a filter for each connection, and a relay between two ports."""

    name = "socat"
    needs = ("socat",)

    def exchange(self):
        text = "".join(f"line {number}\n" for number in range(20_000))
        source = self.write("text", text)
        for server, client in self.sides.values():
            port, relay = free_port(), free_port()
            programs = [
                self.serve(
                    ["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", "EXEC:tr a-z A-Z"], port,
                    under=server,
                ),
                self.serve(
                    ["socat", f"TCP-LISTEN:{relay},bind=127.0.0.1,fork,reuseaddr", f"TCP:127.0.0.1:{port}"], relay,
                    under=server,
                ),
            ]
            for target in (port, port, relay):
                with open(source, "rb") as stdin:
                    out = self.call(["socat", "-t", 10, "-", f"TCP:127.0.0.1:{target}"], under=client, stdin=stdin)
                self.assertEqual(out.out, text.upper())
            self.did("fork, EXEC of a filter, a relay")
            for program in programs:
                program.stop()


class SocatSockets(Exchange):
    """socat EXEC with `nofork` and netcat's way: the program behind it has the socket itself as its streams."""

    name = "socat-nofork"
    needs = ("socat",)

    def exchange(self):
        for server, client in self.sides.values():
            port = free_port()
            program = self.serve(
                ["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", "EXEC:tr a-z A-Z,nofork"], port,
                under=server,
            )
            source = self.write("text", "some text\n" * 2000)
            with open(source, "rb") as stdin:
                out = self.call(["socat", "-t", 10, "-", f"TCP:127.0.0.1:{port}"], under=client, stdin=stdin)
            self.assertEqual(out.out, "SOME TEXT\n" * 2000)
            self.did("a filter with the socket as its streams")
            program.stop()


class Busybox(Exchange):
    """busybox nc -e: a program with the socket as its streams, and its httpd."""

    name = "busybox"
    needs = ("busybox",)

    def exchange(self):
        for server, client in self.sides.values():
            port = free_port()
            listener = self.serve(
                ["busybox", "nc", "-l", "-p", port, "-e", "/usr/bin/tr", "a-z", "A-Z"], port,
                under=server,
            )
            source = self.write("text", "hello\n" * 5000)
            with open(source, "rb") as stdin:
                out = self.call(["busybox", "nc", "-w", 5, "127.0.0.1", port], under=client, stdin=stdin)
            self.assertEqual(out.out[:30], "HELLO\n" * 5)
            self.did("nc -e")
            listener.stop()


ACTIVATED = """
import os, socket
assert os.environ["LISTEN_FDS"] == "1" and int(os.environ["LISTEN_PID"]) == os.getpid()
listener = socket.socket(fileno=3)
assert listener.family == socket.AF_INET and listener.type == socket.SOCK_STREAM
assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
for _ in range(2):
    connection, _ = listener.accept()
    connection.sendall(b"activated " + connection.recv(100))
    connection.close()
"""

CLIENT = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b"by a client")
print(connection.makefile("rb").read().decode())
"""


class Activation(Exchange):
    """systemd-socket-activate makes the listener, and its program takes it from LISTEN_FDS."""

    name = "socket-activation"
    needs = ("systemd-socket-activate", PYTHON)

    def exchange(self):
        for server, client in self.sides.values():
            port = free_port()
            program = self.serve(
                ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", PYTHON, "-c", ACTIVATED], port, under=server
            )
            for _ in range(2):
                out = self.call([PYTHON, "-c", CLIENT, port], under=client)
                self.assertEqual(out.out, "activated by a client\n")
            self.assertEqual(program.wait(10), 0, str(program))
            self.assertFalse(accepts(port))
            self.did("a listener at LISTEN_FDS")
