"""Redis, iperf3 and nginx, whose clients and servers are inside or outside."""

import json
import os
import re

from harness.case import Case
from harness.network import await_listener, free_port

NGINX = """
daemon off;
{user}
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log notice;
events {{ worker_connections 256; use epoll; }}
http {{
    access_log off;
    sendfile {sendfile};
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ root {directory}/content; }}
        location /worker {{ return 200 "$pid\\n"; }}
    }}
}}
"""


class Redis(Case):
    def server(self, *, under):
        port = free_port()
        server = self.start(
            ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            + ["--dir", self.directory, "--daemonize", "no"],
            under=under,
        )
        await_listener(server, port)
        return port

    def check(self, *, server, client):
        port = self.server(under=server)
        command = ["redis-cli", "-h", "127.0.0.1", "-p", port]
        self.assertEqual(self.call([*command, "SET", "key", "value"], under=client).out.strip(), "OK")
        self.assertEqual(self.call([*command, "GET", "key"], under=client).out.strip(), "value")
        for pipelined in (1, 16):
            benchmark = self.call(
                ["redis-benchmark", "-h", "127.0.0.1", "-p", port, "-n", 20000, "-c", 20, "-P", pipelined]
                + ["-t", "set,get", "-d", 64, "-q"],
                under=client,
                timeout=50,
            )
            rates = re.findall(r"(SET|GET): ([0-9.]+) requests per second", benchmark.out)
            self.assertEqual([name for name, _ in rates], ["SET", "GET"], str(benchmark))
        self.assertEqual(self.call([*command, "GET", "key"], under=client).out.strip(), "value")
        self.assertEqual(self.call([*command, "SHUTDOWN", "NOSAVE"], under=client).err, "")
        self.assertEqual(self.programs[0].wait(10), 0)

    def test_server_inside_client_outside(self):
        self.check(server=True, client=False)

    def test_client_inside_server_outside(self):
        self.check(server=False, client=True)


class Iperf(Case):
    def check(self, *options, server):
        """Two seconds between a server and a client, of which one is inside."""
        port = free_port()
        listener = self.start(["iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", port], under=server)
        await_listener(listener, port)
        client = self.call(
            ["iperf3", "-c", "127.0.0.1", "-p", port, "-t", 2, "-J", *options], under=not server, timeout=30
        )
        result = json.loads(client.out)
        self.assertNotIn("error", result)
        sent, received = result["end"]["sum_sent"]["bytes"], result["end"]["sum_received"]["bytes"]
        self.assertGreater(received, 1_000_000)
        self.assertLessEqual(received, sent)
        self.assertEqual(listener.wait(10), 0, str(listener))

    def test_client_inside_sends(self):
        self.check(server=False)

    def test_client_inside_receives(self):
        self.check("-R", server=False)

    def test_client_inside_sends_on_eight_connections(self):
        self.check("-P", "8", server=False)

    def test_client_inside_receives_on_eight_connections(self):
        self.check("-P", "8", "-R", server=False)

    def test_server_inside_receives(self):
        self.check(server=True)

    def test_server_inside_sends(self):
        self.check("-R", server=True)

    def test_server_inside_receives_on_eight_connections(self):
        self.check("-P", "8", server=True)

    def test_server_inside_sends_on_eight_connections(self):
        self.check("-P", "8", "-R", server=True)


class Nginx(Case):
    def check(self, *, user="", sendfile="off"):
        content = self.directory / "content"
        content.mkdir()
        page = bytes(range(256)) * 100
        (content / "page").write_bytes(page)
        port = free_port()
        configuration = self.directory / "nginx.conf"
        configuration.write_text(NGINX.format(directory=self.directory, port=port, user=user, sendfile=sendfile))
        server = self.start(
            ["/usr/sbin/nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", configuration],
            under=True,
        )
        await_listener(server, port)
        url = f"http://127.0.0.1:{port}"
        for keep_alive in ([], ["-k"]):
            ab = self.call(["ab", "-q", "-n", 2000, "-c", 20, *keep_alive, f"{url}/page"], timeout=50)
            counts = {name: int(count) for name, count in re.findall(r"(?m)^([A-Z][\w -]+): +(\d+)", ab.out)}
            log = (self.directory / "error.log").read_text()[-2000:]
            self.assertEqual(counts["Complete requests"], 2000, log)
            self.assertEqual(counts["Failed requests"], 0, f"{ab.out}\n{log}")
            self.assertNotIn("Non-2xx responses", counts, f"{ab.out}\n{log}")
            self.assertEqual(counts["HTML transferred"], 2000 * len(page))
        fetched = self.directory / "fetched"
        self.call(["curl", "-q", "-sS", "--fail", "--noproxy", "*", "-o", fetched, f"{url}/page"])
        self.assertEqual(fetched.read_bytes(), page)
        self.assertEqual(self.workers(url), 2)
        os.kill(int((self.directory / "nginx.pid").read_text()), 3)
        self.assertEqual(server.wait(10), 0, (self.directory / "error.log").read_text()[-2000:])

    def workers(self, url):
        """How many worker processes answer. The kernel wakes whichever is free, so several rounds are asked."""
        seen = set()
        for _ in range(20):
            urls = " ".join([f"{url}/worker?[1-20]"])
            curl = self.call(
                ["curl", "-q", "-sS", "--fail", "--noproxy", "*", "-Z", "-H", "Connection: close", urls]
            )
            seen |= set(curl.out.split())
            if len(seen) > 1:
                break
        return len(seen)

    def user(self, name):
        return f"user {name};" if os.geteuid() == 0 else ""

    def test_two_workers_inside_answer_every_request(self):
        self.check(user=self.user("root"))

    def test_two_workers_inside_that_drop_privileges_answer_every_request(self):
        self.check(user=self.user("nobody nogroup"))

    def test_two_workers_inside_with_sendfile_answer_every_request(self):
        self.check(user=self.user("root"), sendfile="on")
