"""UDP: dig with unbound and dnsmasq, an NTP query, multicast."""

import os

from exchange import Exchange, free_port

PYTHON = "/usr/bin/python3.11"


class DNS(Exchange):
    """dig asks unbound and dnsmasq, over UDP, over TCP, and with an answer too large for UDP."""

    name = "dns"
    limit = 90
    needs = ("dig", "unbound", "dnsmasq")

    def exchange(self):
        for server, client in self.sides.values():
            for start in (self.unbound, self.dnsmasq):
                port = free_port()
                program = start(port, server)
                dig = ["dig", "-p", port, "@127.0.0.1", "+time=3", "+tries=2", "+short"]
                for options in ([], ["+tcp"]):
                    out = self.call([*dig, *options, "host.test.example", "A"], under=client)
                    self.assertEqual(out.out, "192.0.2.7\n", str(program))
                out = self.call([*dig, "host.test.example", "AAAA"], under=client)
                self.assertEqual(out.out, "2001:db8::7\n")
                out = self.call([*dig, "+bufsize=512", "long.test.example", "TXT"], under=client)
                self.assertEqual(out.out.count("x" * 200), 6 if start == self.unbound else 2, out.out)
                reverse = self.call([*dig, "-x", "192.0.2.7"], under=client)
                self.assertEqual(reverse.out, "host.test.example.\n")
                self.did(f"{start.__name__} over UDP and TCP")
                program.stop()

    def unbound(self, port, under):
        texts = "".join(
            f"  local-data: 'long.test.example. TXT \"{number}{'x' * 200}\"'\n" for number in range(6)
        )
        configuration = self.write(
            "unbound.conf",
            f"server:\n  interface: 127.0.0.1\n  port: {port}\n  do-daemonize: no\n  chroot: ''\n  username: ''\n"
            f"  directory: {self.directory}\n  pidfile: ''\n  use-syslog: no\n  num-threads: 2\n  do-ip6: no\n"
            "  module-config: iterator\n  local-zone: test.example. static\n"
            "  local-data: 'host.test.example. A 192.0.2.7'\n  local-data: 'host.test.example. AAAA 2001:db8::7'\n"
            f"{texts}  local-data-ptr: '192.0.2.7 host.test.example'\nremote-control:\n  control-enable: no\n",
        )
        return self.serve_datagrams(["unbound", "-d", "-c", configuration], port, under=under)

    def dnsmasq(self, port, under):
        text = "x" * 200
        return self.serve_datagrams(
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--port={port}", "--no-resolv", "--no-hosts"]
            + ["--listen-address=127.0.0.1", "--bind-interfaces", "--host-record=host.test.example,192.0.2.7,2001:db8::7"]
            + [f"--txt-record=long.test.example,0{text}", f"--txt-record=long.test.example,1{text}"]
            + ["--pid-file=", f"--user={'root' if os.geteuid() == 0 else ''}", "--log-facility=-"],
            port,
            under=under,
        )


NTP_SERVER = """
import socket, struct, sys, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
def stamp(moment):
    moment += 2208988800
    return struct.pack("!II", int(moment), int(moment % 1 * 2**32))
while True:
    query, address = server.recvfrom(1024)
    arrival = time.time() + 100
    head = struct.pack("!BBbb11sx", 0x24, 1, 6, -20, b"\\0" * 8 + b"LOC")
    answer = head + stamp(arrival) + query[40:48] + stamp(arrival) + stamp(time.time() + 100)
    server.sendto(answer, address)
"""


class NTP(Exchange):
    """ntpdig and chronyd ask a small NTP server, whose clock is 100 seconds ahead."""

    name = "ntp"
    limit = 90
    needs = ("ntpdig", "chronyd", PYTHON)

    def exchange(self):
        for server, client in self.sides.values():
            port = 123 if os.geteuid() == 0 else free_port()
            program = self.serve_datagrams([PYTHON, "-c", NTP_SERVER, port], port, under=server)
            if port == 123:
                out = self.call(["ntpdig", "-t", "3", "127.0.0.1"], under=client)
                self.assertRegex(out.out, r"\+(100\.|99\.9)", str(program))
                self.did("ntpdig")
            configuration = self.write(
                "chrony.conf", f"server 127.0.0.1 port {port} iburst maxsamples 1\npidfile {self.directory}/chrony.pid\n"
            )
            user = ["-u", "root"] if os.geteuid() == 0 else []
            out = self.call(
                ["chronyd", "-Q", "-t", "12", *user, "-f", configuration], under=client, status=None, timeout=20
            )
            self.assertRegex(out.err + out.out, r"System clock wrong by (100\.|99\.9)", str(program))
            self.did("chronyd -Q")
            program.stop()


RECEIVER = """
import socket, struct, sys
group, port = sys.argv[1], int(sys.argv[2])
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
receiver.bind(("", port))
request = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
receiver.settimeout(20)
print("joined", flush=True)
for _ in range(5):
    data, address = receiver.recvfrom(2000)
    print(len(data), data[:7].decode(), address[0], flush=True)
receiver.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, request)
"""

SENDER = """
import socket, sys
group, port = sys.argv[1], int(sys.argv[2])
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
for number in range(5):
    sender.sendto(b"news %02d" % number + b"." * 100 * number, (group, port))
"""


class Multicast(Exchange):
    """Two programs, each with a service of its own, meet in a multicast group of the backend's network."""

    name = "multicast"
    needs = (PYTHON,)

    def exchange(self):
        for server, client in self.sides.values():
            port = free_port()
            receivers = [self.start([PYTHON, "-c", RECEIVER, "239.1.2.3", port], under=server) for _ in range(2)]
            for receiver in receivers:
                receiver.await_output("joined")
            self.call([PYTHON, "-c", SENDER, "239.1.2.3", port], under=client)
            for receiver in receivers:
                self.assertEqual(receiver.wait(10), 0, str(receiver))
                expected = "".join(f"{7 + 100 * number} news {number:02} 127.0.0.1\n" for number in range(5))
                self.assertEqual(receiver.out, "joined\n" + expected)
            self.did("two receivers of a group")
