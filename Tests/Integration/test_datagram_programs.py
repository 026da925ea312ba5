"""Programs that live on datagrams: name servers and their clients, iperf3, multicast, and what a policy says to them."""

import json
import socket

from harness.case import Case, xensock_only
from harness.environment import PYTHON
from harness.network import LOOPBACK, await_listener, free_port
from harness.processes import eventually
from harness.service import Xensockd




class Names(Case):
    """dnsmasq and dig."""

    def check(self, *, server, client):
        port = free_port()
        dnsmasq = self.start(
            ["dnsmasq", "--keep-in-foreground", f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces"]
            + ["--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--address=/example.test/192.0.2.44", "--user="]
            + ["--txt-record=long.test," + ",".join("x" * 200 for _ in range(6)), f"--pid-file={self.directory}/pid"],
            under=server,
        )
        await_listener(dnsmasq, port)
        dig = ["dig", "-p", port, "@127.0.0.1", "+short", "+tries=1", "+time=5"]
        self.assertEqual(self.call([*dig, "www.example.test"], under=client).out, "192.0.2.44\n")
        answer = self.call([*dig, "+bufsize=4096", "long.test", "TXT"], under=client).out
        self.assertEqual(answer.count("x"), 1200, answer)
        # What does not fit comes truncated, and again over TCP.
        answer = self.call([*dig, "+noedns", "long.test", "TXT"], under=client).out
        self.assertEqual(answer.count("x"), 1200, answer)

    def test_a_server_inside_answers_clients_outside(self):
        self.check(server=True, client=False)

    def test_a_client_inside_asks_a_server_outside(self):
        self.check(server=False, client=True)

    def test_both_are_inside(self):
        self.check(server=True, client=True)

    def test_nobody_there_is_refused_at_once(self):
        port = free_port()
        dig = self.call(["dig", "-p", port, "@127.0.0.1", "+tries=1", "+time=20", "x.test"], under=True, status=9)
        self.assertIn("refused", dig.out)


class Iperf(Case):
    """50 Mbit/s of datagrams lose nothing. On a machine that is busy with other things they do, natively too: then again."""

    limit = 120

    def check(self, *, server, client, options=()):
        for _ in range(6):
            port = free_port()
            listener = self.start(["iperf3", "-s", "-1", "-p", port], under=server)
            await_listener(listener, port)
            command = ["iperf3", "-c", "127.0.0.1", "-p", port, "-u", "-b", "50M", "-t", 1, "-J", *options]
            result = json.loads(self.call(command, under=client).out)["end"]["sum"]
            if result["bits_per_second"] > 45e6 and result["lost_percent"] < 3:
                return
        self.fail(f"{result['lost_percent']} % lost, {result['bits_per_second']} bit/s")

    def test_to_a_server_inside(self):
        self.check(server=True, client=False)

    def test_from_a_client_inside(self):
        self.check(server=False, client=True)

    def test_from_a_server_inside(self):
        self.check(server=True, client=False, options=["-R"])

    def test_small_datagrams_between_two_inside(self):
        self.check(server=True, client=True, options=["-l", "700"])


RECEIVER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", int(sys.argv[1])))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.9.9.9") + socket.inet_aton("127.0.0.1"))
print("ready", flush=True)
data, sender = s.recvfrom(100)
print(data, flush=True)
s.sendto(b"answer", sender)
"""

SENDER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
s.sendto(b"to all", ("239.9.9.9", int(sys.argv[1])))
print(sorted(s.recv(100) for _ in range(2)))
"""


class Multicast(Case):
    def test_two_programs_inside_hear_a_third(self):
        port = free_port()
        receivers = [self.start([PYTHON, "-c", RECEIVER, port], under=True) for _ in range(2)]
        for receiver in receivers:
            receiver.await_output("ready")
        sender = self.call([PYTHON, "-c", SENDER, port], under=True)
        self.assertEqual(sender.out, "[b'answer', b'answer']\n")
        for receiver in receivers:
            receiver.await_output("b'to all'")


POLICY = """
default = "allow"

[[rule]]
action = "deny"
operations = ["connect"]
types = ["dgram"]
ports = [{port}]
error = "ENETUNREACH"

[[rule]]
action = "deny"
operations = ["socket"]
types = ["raw"]
error = "EPERM"
"""

TRIES = """
import errno, socket, sys
def result(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
allowed, denied = (("127.0.0.1", int(port)) for port in sys.argv[1:])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print([result(s.sendto, b"x", address) for address in (allowed, denied, allowed, denied)])
print(result(s.connect, denied), result(s.connect, allowed), result(s.send, b"y"), result(s.sendto, b"z", denied))
print(result(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1))
"""


@xensock_only("the policy is the service's")
class Policies(Case):
    def test_each_destination_is_judged(self):
        receivers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for receiver in receivers:
            receiver.bind((LOOPBACK[4], 0))
            receiver.settimeout(10)
            self.addCleanup(receiver.close)
        ports = [receiver.getsockname()[1] for receiver in receivers]
        policy = self.directory / "policy.toml"
        policy.write_text(POLICY.format(port=ports[1]))
        path = self.directory / "service.sock"
        service = Xensockd(self, path, "--policy", policy).program
        tries = self.call([PYTHON, "-c", TRIES, *ports], under=True, socket=path)
        self.assertEqual(
            tries.out,
            "[1, 'ENETUNREACH', 1, 'ENETUNREACH']\nENETUNREACH None 1 ENETUNREACH\nEPERM\n",
        )
        self.assertEqual([receivers[0].recv(10) for _ in range(3)], [b"x", b"x", b"y"])
        receivers[1].settimeout(0.3)
        with self.assertRaises(TimeoutError):
            receivers[1].recv(10)
        eventually(lambda: "raw" in service.err, 5)
        self.assertIn(f"denied connect dgram 127.0.0.1:{ports[1]} pid=", service.err)
        self.assertIn("denied socket inet raw protocol 1", service.err)
