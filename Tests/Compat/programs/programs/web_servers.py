"""Web servers and a proxy: nginx, Apache, HAProxy."""

import os
import re
import shutil
import signal

from exchange import Exchange, eventually, free_port
from harness.processes import alive, descendants

USER = "nobody"
GROUP = "nogroup"

NGINX = """
daemon on;
{user}
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ root {directory}/content; }}
        location /worker {{ return 200 "{version} $pid\\n"; }}
        location /proxied/ {{ proxy_pass http://127.0.0.1:{port}/; }}
    }}
}}
"""


class Nginx(Exchange):
    """nginx as a daemon with two workers that drop privileges: load, a proxied page, a reload and a binary upgrade."""

    name = "nginx"
    limit = 120
    needs = ("nginx", "ab", "curl")

    def configure(self, version):
        user = f"user {USER} {GROUP};" if os.geteuid() == 0 else ""
        return self.write(
            "nginx.conf", NGINX.format(directory=self.directory, port=self.port, user=user, version=version)
        )

    def master(self):
        """The process in the pid file, which nginx renames during an upgrade."""

        def read():
            try:
                return int((self.directory / "nginx.pid").read_text())
            except (FileNotFoundError, ValueError):
                return None

        pid = eventually(read, 5)
        self.assertTrue(pid, self.log())
        return pid

    def answering(self, version):
        """The worker that answers now, if it has this configuration."""
        found = re.fullmatch(rb"(\w+) (\d+)\n", self.fetch(f"{self.url}/worker", "-H", "Connection: close"))
        return int(found[2]) if found and found[1] == version.encode() else None

    def load(self, under):
        """Fetches under load; no request may fail."""
        ab = self.call(["ab", "-q", "-n", 1500, "-c", 15, f"{self.url}/page"], under=under)
        log = (self.directory / "error.log").read_text()[-2000:]
        self.assertRegex(ab.out, r"Failed requests: +0\n", log)
        self.assertNotIn("Non-2xx", ab.out, log)

    def exchange(self):
        page = os.urandom(60_000)
        self.write("content/page", page)
        for server, client in self.sides.values():
            self.check(page, server, client)

    def check(self, page, server, client):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        configuration = self.configure("first")
        arguments = ["-e", self.directory / "error.log", "-p", self.directory, "-c", configuration]
        # By its path, as it executes itself again by what it was called.
        self.call([shutil.which("nginx"), *arguments], under=server)
        first = self.master()
        self.assertEqual(self.fetch(f"{self.url}/page", under=client), page)
        self.load(client)
        self.assertTrue(eventually(lambda: self.answering("first"), 5))
        self.did("two workers under load")
        self.assertEqual(self.fetch(f"{self.url}/proxied/page", under=client), page)
        self.did("a page through its proxy")

        self.configure("second")
        os.kill(first, signal.SIGHUP)
        self.assertTrue(eventually(lambda: self.answering("second"), 10), self.log())
        self.load(client)
        self.did("reload")

        self.configure("third")
        os.kill(first, signal.SIGUSR2)
        self.assertTrue(eventually(lambda: self.master() != first, 10), self.log())
        second = self.master()
        os.kill(first, signal.SIGWINCH)
        self.assertTrue(eventually(lambda: self.answering("third"), 10), self.log())
        self.load(client)
        os.kill(first, signal.SIGQUIT)
        self.assertTrue(eventually(lambda: not alive(first), 10), self.log())
        self.load(client)
        self.assertEqual(self.fetch(f"{self.url}/page", under=client), page)
        self.did("binary upgrade")
        os.kill(second, signal.SIGQUIT)
        self.assertTrue(eventually(lambda: not alive(second), 10), self.log())

    def log(self):
        return (self.directory / "error.log").read_text()[-3000:]


APACHE = """
ServerRoot {directory}
ServerName localhost
PidFile {directory}/apache.pid
DefaultRuntimeDir {directory}
Mutex file:{directory}
ErrorLog {directory}/error.log
Listen 127.0.0.1:{port}
{user}
LoadModule mpm_{mpm}_module /usr/lib/apache2/modules/mod_mpm_{mpm}.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
{more}
{servers}
DocumentRoot {directory}/content
ProxyPass /proxied/ http://127.0.0.1:{port}/
<Directory />
    Require all granted
</Directory>
"""


class ApachePrefork(Exchange):
    """Apache's prefork server: load, a page through its proxy, CGI, a graceful restart."""

    name = "apache2-prefork"
    mpm = "prefork"
    servers = "StartServers 14\nMaxSpareServers 40"
    more = ["cgi"]
    limit = 120
    needs = ("apache2", "ab", "curl")

    def exchange(self):
        self.page = os.urandom(80_000)
        self.write("content/page", self.page)
        self.write("cgi/script", '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n"; echo "from a script"; cat\n', 0o755)
        for server, client in self.sides.values():
            self.check(server, client)

    def check(self, server, client):
        port = free_port()
        user = f"User {USER}\nGroup {GROUP}\n" if os.geteuid() == 0 else ""
        more = "".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in ["alias", *self.more]
        )
        socket = "" if self.mpm == "prefork" else f"ScriptSock {self.directory}/cgi.sock\n"
        configuration = self.write(
            "apache.conf",
            APACHE.format(directory=self.directory, port=port, user=user, mpm=self.mpm, servers=self.servers, more=more)
            + f"{socket}ScriptAlias /cgi/ {self.directory}/cgi/\n",
        )
        program = self.serve(["apache2", "-DFOREGROUND", "-f", configuration], port, under=server)
        url = f"http://127.0.0.1:{port}"
        self.assertEqual(self.fetch(f"{url}/page", under=client), self.page)
        self.load(url, client)
        self.did("children under load")
        self.assertEqual(self.fetch(f"{url}/proxied/page", under=client), self.page)
        self.did("a page through its proxy")
        body = "x" * 100_000
        self.write("body", body)
        script = self.fetch(f"{url}/cgi/script", "--data-binary", f"@{self.directory}/body", under=client)
        self.assertEqual(script.decode(), f"from a script\n{body}")
        self.did("CGI")
        children = self.children(program)
        os.kill(program.pid, signal.SIGUSR1)
        # Connections that are kept alive may end with their children, natively too.
        self.load(url, client, keeping_alive=False)
        self.assertTrue(eventually(lambda: not children & self.children(program), 15), self.log())
        self.load(url, client)
        self.did("a graceful restart")
        os.kill(program.pid, signal.SIGTERM)
        self.assertEqual(program.wait(10), 0, self.log())

    def children(self, program):
        return set(descendants(program.pid))

    def log(self):
        return (self.directory / "error.log").read_text()[-3000:]

    def load(self, url, under, keeping_alive=True):
        for keep_alive in ([], ["-k"]) if keeping_alive else ([],):
            ab = self.call(["ab", "-q", "-n", 1000, "-c", 12, *keep_alive, f"{url}/page"], under=under)
            self.assertRegex(ab.out, r"Failed requests: +0\n", self.log())
            self.assertNotIn("Non-2xx", ab.out)


class ApacheEvent(ApachePrefork):
    """Apache's event server, whose threads share one epoll instance, with mod_cgid's daemon."""

    name = "apache2-event"
    mpm = "event"
    servers = "StartServers 3"
    more = ["cgid"]


HAPROXY = """
global
    {user}
    stats socket {directory}/admin.sock mode 600 level admin expose-fd listeners
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend web
    bind 127.0.0.1:{port}
    http-response set-header x-version {version}
    default_backend pages
backend pages
    balance roundrobin
    server first 127.0.0.1:{origin} check inter 200
    server second 127.0.0.1:{origin} check inter 200
frontend plain
    mode tcp
    bind 127.0.0.1:{plain}
    use_backend plain
backend plain
    mode tcp
    server first 127.0.0.1:{origin}
"""


class HAProxy(Exchange):
    """HAProxy in HTTP and TCP mode with health checks: load, a reload that takes the listeners over by -x and -sf, and
    the master's own by SIGUSR2."""

    name = "haproxy"
    limit = 120
    needs = ("haproxy", "ab", "curl")

    def exchange(self):
        self.page = os.urandom(70_000)
        self.write("content/page", self.page)
        origin = free_port()
        content = self.directory / "content"
        configuration = self.write("origin.conf", NGINX.format(
            directory=self.directory, port=origin, version="origin",
            user=f"user {USER} {GROUP};" if os.geteuid() == 0 else "",
        ).replace("daemon on", "daemon off"))
        self.assertTrue(content.exists())
        self.serve(["nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", configuration], origin)
        for server, client in self.sides.values():
            self.by_hand(origin, server, client)
            self.by_the_master(origin, server, client)

    def configure(self, version, port, plain, origin):
        user = f"user {USER}\n    group {GROUP}" if os.geteuid() == 0 else ""
        return self.write(
            "haproxy.cfg",
            HAPROXY.format(
                directory=self.directory, port=port, plain=plain, origin=origin, version=version, user=user
            ),
        )

    def check(self, url, plain, version, under):
        out = self.call(["curl", "-q", "-sS", "--noproxy", "*", "-D", "-", "-o", "/dev/null", f"{url}/page"], under=under)
        self.assertIn(f"x-version: {version}", out.out)
        for target in (url, f"http://127.0.0.1:{plain}"):
            self.assertEqual(self.fetch(f"{target}/page", under=under), self.page)
            ab = self.call(["ab", "-q", "-n", 600, "-c", 10, f"{target}/page"], under=under)
            self.assertRegex(ab.out, r"Failed requests: +0\n")
            self.assertNotIn("Non-2xx", ab.out)

    def by_hand(self, origin, server, client):
        port, plain = free_port(), free_port()
        url = f"http://127.0.0.1:{port}"
        configuration = self.configure("first", port, plain, origin)
        # The listeners travel over a Unix socket between two processes, so both belong to one command.
        script = (
            f"haproxy -db -f {configuration} & first=$!\n"
            f"while [ ! -e {self.directory}/go ]; do sleep 0.1; done\n"
            f"haproxy -db -f {configuration} -x {self.directory}/admin.sock -sf $first & second=$!\n"
            "wait $first; echo first ended; wait $second\n"
        )
        program = self.serve(["bash", "-c", script], port, under=server)
        self.check(url, plain, "first", client)
        self.did("HTTP and TCP mode under load")
        self.configure("second", port, plain, origin)
        self.write("go", "")
        program.await_output("first ended", 15)
        self.check(url, plain, "second", client)
        self.did("listeners taken over by -x and -sf")
        program.stop()
        os.unlink(self.directory / "go")

    def by_the_master(self, origin, server, client):
        port, plain = free_port(), free_port()
        url = f"http://127.0.0.1:{port}"
        configuration = self.configure("first", port, plain, origin)
        program = self.serve(["haproxy", "-W", "-db", "-f", configuration], port, under=server)
        self.check(url, plain, "first", client)
        self.configure("second", port, plain, origin)
        os.kill(program.pid, signal.SIGUSR2)
        self.assertTrue(
            eventually(
                lambda: b"second" in self.fetch(f"{url}/page", "-D", "-", "-o", "/dev/null"), 10, 0.2
            ),
            str(program),
        )
        self.check(url, plain, "second", client)
        self.did("a reload by its master")
        program.stop()
