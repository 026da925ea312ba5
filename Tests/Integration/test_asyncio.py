"""Python's asyncio as client and server, inside and outside, over IPv4 and IPv6."""

import subprocess

from harness.case import Case
from harness.environment import PYTHON, SUITE
from harness.network import LOOPBACK, await_listener, free_port

PROGRAMS = SUITE / "programs"


class Asyncio(Case):
    def exchange(self, version, server_inside, client_inside, connections=20, size=300_000):
        address = LOOPBACK[version]
        port = free_port(version)
        server = self.start(
            [PYTHON, PROGRAMS / "echo_server.py", address, port], under=server_inside, stdin=subprocess.PIPE
        )
        await_listener(server, port)
        client = self.call(
            [PYTHON, PROGRAMS / "echo_client.py", address, port, connections, size], under=client_inside, timeout=40
        )
        self.assertEqual(client.out, f"{connections} of {connections} the same\n")
        server.process.stdin.close()
        self.assertEqual(server.wait(10), 0, str(server))
        self.assertEqual(server.out, f"serving ('{address}', {port})\n")
        self.assertEqual(server.err, "")

    def test_client_inside_server_outside(self):
        self.exchange(4, server_inside=False, client_inside=True)

    def test_client_outside_server_inside(self):
        self.exchange(4, server_inside=True, client_inside=False)

    def test_client_and_server_inside_two_domains(self):
        self.exchange(4, server_inside=True, client_inside=True)

    def test_client_inside_server_outside_over_ipv6(self):
        self.exchange(6, server_inside=False, client_inside=True)

    def test_client_outside_server_inside_over_ipv6(self):
        self.exchange(6, server_inside=True, client_inside=False)

    def test_two_hundred_connections_at_once(self):
        self.exchange(4, server_inside=True, client_inside=True, connections=200, size=2000)
