"""Remote shells and copies: OpenSSH, rsync."""

import os

from exchange import Exchange, free_port


class OpenSSH(Exchange):
    """ssh and sshd: a login with privilege separation, ProxyCommand, forwarded ports in both directions, scp."""

    name = "openssh"
    limit = 150
    needs = ("ssh", "/usr/sbin/sshd", "ssh-keygen", "socat")

    def exchange(self):
        keys = self.place("keys")
        keys.chmod(0o700)
        for name in ("host", "user"):
            self.call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name])
        self.write("authorized", (keys / "user.pub").read_text(), 0o600)
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        for server, client in self.sides.values():
            self.check(keys, server, client)

    def check(self, keys, server, client):
        port = free_port()
        configuration = self.write(
            "sshd_config",
            f"""
Port {port}
ListenAddress 127.0.0.1
HostKey {keys}/host
AuthorizedKeysFile {self.directory}/authorized
PidFile {self.directory}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
AllowTcpForwarding yes
Subsystem sftp internal-sftp
""",
        )
        daemon = self.serve(["/usr/sbin/sshd", "-D", "-e", "-f", configuration], port, under=server)
        user = os.environ.get("USER") or ("root" if os.geteuid() == 0 else "")
        options = ["-F", "none", "-i", keys / "user", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"]
        options += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10"]
        ssh = ["ssh", *options]
        target = f"{user}@127.0.0.1" if user else "127.0.0.1"

        greeting = self.call([*ssh, "-p", port, target, "echo", "logged", "in"], under=client)
        self.assertEqual(greeting.out, "logged in\n", str(daemon))
        self.did("a login with privilege separation" if os.geteuid() == 0 else "a login")

        bulk = self.write("bulk", os.urandom(3_000_000))
        with open(bulk, "rb") as stdin:
            echoed = self.call([*ssh, "-p", port, target, "cat"], under=client, stdin=stdin)
        self.assertEqual(echoed.out_bytes, bulk.read_bytes())
        self.did("3 MB there and back")

        proxied = self.call(
            [*ssh, "-o", f"ProxyCommand=socat - TCP:127.0.0.1:{port}", target, "echo", "proxied"], under=client
        )
        self.assertEqual(proxied.out, "proxied\n")
        nested = self.call(
            [*ssh, "-o", f"ProxyCommand={' '.join(map(str, ssh))} -p {port} -W 127.0.0.1:{port} {target}", target]
            + ["echo", "nested"],
            under=client,
        )
        self.assertEqual(nested.out, "nested\n")
        self.did("ProxyCommand")

        self.call(["scp", *options, "-P", port, bulk, f"{target}:{self.directory}/copied"], under=client)
        self.assertEqual((self.directory / "copied").read_bytes(), bulk.read_bytes())
        self.did("scp")

        self.forward(ssh, port, target, client, server)
        daemon.stop()

    def forward(self, ssh, port, target, client, server):
        """Pages of a native server through the tunnels: -L begins at the client, -R at the server."""
        page = os.urandom(500_000)
        self.write("content/page", page)
        origin = free_port()
        web = self.serve(
            ["/usr/bin/python3.11", "-m", "http.server", origin, "--bind", "127.0.0.1"]
            + ["--directory", self.directory / "content"],
            origin,
        )
        for option in ("-L", "-R"):
            tunnel = free_port()
            forwarding = self.serve(
                [*ssh, "-p", port, "-N", "-o", "ExitOnForwardFailure=yes"]
                + [option, f"127.0.0.1:{tunnel}:127.0.0.1:{origin}", target],
                tunnel,
                under=client,
            )
            for _ in range(3):
                self.assertEqual(self.fetch(f"http://127.0.0.1:{tunnel}/page"), page, str(forwarding))
            forwarding.stop()
            self.did(f"a port forwarded by {option}")
        web.stop()


class Rsync(Exchange):
    """rsync to and from its daemon, and over a remote shell."""

    name = "rsync"
    limit = 90
    needs = ("rsync",)

    def exchange(self):
        for index in range(60):
            self.write(f"tree/directory-{index % 7}/file-{index}", os.urandom(30_000))
        for name, (server, client) in self.sides.items():
            port = free_port()
            drop = self.place(f"drop {name}".replace(" ", "-"))
            configuration = self.write(
                "rsyncd.conf",
                f"use chroot = {'yes' if os.geteuid() == 0 else 'no'}\nuid = {os.geteuid()}\ngid = {os.getegid()}\n"
                f"[tree]\npath = {self.directory}/tree\n[drop]\npath = {drop}\nread only = no\n",
            )
            daemon = self.serve(
                ["rsync", "--daemon", "--no-detach", f"--config={configuration}", f"--port={port}"]
                + ["--address=127.0.0.1"],
                port,
                under=server,
            )
            got = self.directory / f"got {name}".replace(" ", "-")
            self.call(["rsync", "-a", f"rsync://127.0.0.1:{port}/tree/", got], under=client)
            self.assert_same(got)
            self.did("from the daemon")
            self.call(["rsync", "-a", f"{self.directory}/tree/", f"rsync://127.0.0.1:{port}/drop/"], under=client)
            self.assert_same(drop)
            self.did("to the daemon")
            self.write("tree/directory-0/file-0", b"changed")
            self.call(
                ["rsync", "-a", "-v", f"{self.directory}/tree/", f"rsync://127.0.0.1:{port}/drop/"], under=client
            )
            self.assert_same(drop)
            self.did("a change")
            daemon.stop()

    def assert_same(self, copy):
        for path in (self.directory / "tree").rglob("file-*"):
            self.assertEqual((copy / path.relative_to(self.directory / "tree")).read_bytes(), path.read_bytes())
