"""Clients of the web: curl, wget, git."""

import os

from exchange import Exchange, free_port

NGINX = """
daemon off;
{user}
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log notice;
events {{ worker_connections 512; }}
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
        listen 127.0.0.1:{secure} ssl http2;
        ssl_certificate {directory}/certificate.pem;
        ssl_certificate_key {directory}/key.pem;
        location / {{ root {directory}/content; }}
    }}
}}
"""


class Curl(Exchange):
    """Debian's curl against nginx: HTTP/1.1, HTTP/2 over TLS, 100 transfers at once."""

    name = "curl"
    limit = 120
    needs = ("curl", "nginx", "openssl")

    def exchange(self):
        for sides in self.sides.values():
            self.check(*sides)

    def check(self, server, client):
        port, secure = free_port(), free_port()
        self.certificate()
        page = os.urandom(300_000)
        self.write("content/page", page)
        configuration = self.write(
            "nginx.conf",
            NGINX.format(
                directory=self.directory, port=port, secure=secure, user="user root;" if os.geteuid() == 0 else ""
            ),
        )
        program = self.serve(
            ["nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", configuration],
            port,
            under=server,
        )
        self.assertEqual(self.fetch(f"http://127.0.0.1:{port}/page", "--http1.1", under=client), page)
        self.did("HTTP/1.1")
        secure_options = ["--cacert", self.directory / "certificate.pem", "--http2", "-w", "%{stderr}%{http_version}"]
        fetched = self.fetch(f"https://127.0.0.1:{secure}/page", *secure_options, under=client)
        self.assertEqual(fetched, page)
        self.assertEqual(self.programs[-1].err, "2")
        self.did("HTTP/2 over TLS")
        for url, options in (
            (f"http://127.0.0.1:{port}", ["--http1.1"]),
            (f"https://127.0.0.1:{secure}", secure_options[:3]),
        ):
            place = self.place("fetched")
            self.fetch(
                f"{url}/page?[1-100]", "--parallel", "--parallel-immediate", "--parallel-max", 100, *options,
                "-o", place / "#1", under=client,
            )
            for number in range(1, 101):
                self.assertEqual((place / str(number)).read_bytes(), page)
                (place / str(number)).unlink()
        self.did("100 transfers at once")
        program.stop()


class Wget(Exchange):
    """wget gets a tree recursively, and continues a partial file."""

    name = "wget"
    needs = ("wget", "/usr/bin/python3.11")

    def exchange(self):
        for server, client in self.sides.values():
            port = free_port()
            site = self.place("site")
            for name in ("first", "second"):
                self.write(f"site/{name}", name.encode() * 50_000)
            program = self.serve(
                ["/usr/bin/python3.11", "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", site],
                port,
                under=server,
            )
            got = self.place(f"got-{server}-{client}")
            self.call(
                ["wget", "-q", "--no-proxy", "-r", "-np", f"http://127.0.0.1:{port}/"], under=client, directory=got
            )
            for name in ("first", "second"):
                self.assertEqual((got / f"127.0.0.1:{port}" / name).read_bytes(), name.encode() * 50_000)
            self.did("a site recursively")
            program.stop()


class Git(Exchange):
    """git clone over HTTP, from `git http-backend` behind a CGI server; git clone from git-daemon."""

    name = "git"
    limit = 120
    needs = ("git", "/usr/bin/python3.11", "/usr/lib/git-core/git-http-backend", "/usr/lib/git-core/git-daemon")

    def exchange(self):
        repository = self.directory / "repositories" / "project.git"
        self.repository(repository)
        for name, (server, client) in self.sides.items():
            port = free_port()
            server_root = self.place("cgi")
            script = self.write(
                "cgi/cgi-bin/git",
                f"#!/bin/sh\nexport GIT_PROJECT_ROOT={repository.parent} GIT_HTTP_EXPORT_ALL=1\n"
                "exec git -c safe.directory=* http-backend\n",
                0o755,
            )
            self.assertTrue(script.exists())
            program = self.serve(
                ["/usr/bin/python3.11", "-m", "http.server", "--cgi", port, "--bind", "127.0.0.1"],
                port,
                under=server,
                directory=server_root,
            )
            self.clone(f"http://127.0.0.1:{port}/cgi-bin/git/project.git", f"http {name}", client)
            self.did("clone over HTTP")
            program.stop()
            port = free_port()
            program = self.serve(
                ["git", "-c", "safe.directory=*", "daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1"]
                + [f"--port={port}", f"--base-path={repository.parent}"],
                port,
                under=server,
            )
            self.clone(f"git://127.0.0.1:{port}/project.git", f"git {name}", client)
            self.did("clone from git-daemon")
            program.stop()

    def repository(self, path):
        work = self.place("work")
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", work]
        self.call([*git, "init", "-q"])
        for number in range(20):
            self.write(f"work/file-{number}", os.urandom(20_000))
        self.call([*git, "add", "."])
        self.call([*git, "commit", "-q", "-m", "content"])
        path.parent.mkdir()
        self.call(["git", "clone", "-q", "--bare", work, path])

    def clone(self, url, name, under):
        target = self.directory / name.replace(" ", "-")
        self.call(["git", "clone", "-q", url, target], under=under, timeout=40)
        for number in range(20):
            self.assertEqual(
                (target / f"file-{number}").read_bytes(), (self.directory / f"work/file-{number}").read_bytes()
            )
