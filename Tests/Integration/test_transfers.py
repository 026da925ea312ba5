"""curl and wget inside fetch from and send to servers outside."""

import hashlib
import os
import random
import subprocess

from harness.case import Case, xensock_only
from harness.environment import BULK, PYTHON, RUN, SUITE, clean_environment, inside
from harness.network import await_listener, free_port

CURL = ["curl", "-q", "-sS", "--fail", "--noproxy", "*", "--max-time", "150"]


def bulk_file():
    """A sparse file of BULK bytes with random blocks, made once a run, and its hash."""
    path = RUN / "bulk"
    hash_path = RUN / "bulk.sha256"
    if not hash_path.exists():
        blocks = random.Random(20)
        with open(path, "wb") as file:
            os.truncate(path, BULK)
            for _ in range(256):
                file.seek(blocks.randrange(max(1, BULK - 65536)))
                file.write(blocks.randbytes(65536)[:BULK])
            file.truncate(BULK)
        with open(path, "rb") as file:
            hash_path.write_text(hashlib.file_digest(file, "sha256").hexdigest())
    return path, hash_path.read_text()


class Transfers(Case):
    limit = 200

    def file_server(self, directory, *, under=False, address="127.0.0.1", version=4):
        port = free_port(version)
        server = self.start(
            [PYTHON, "-m", "http.server", port, "--bind", address, "--directory", directory], under=under
        )
        await_listener(server, port)
        return port

    def hash_of_output(self, arguments):
        """Runs a program inside and hashes its standard output on the way."""
        content = hashlib.sha256()
        size = 0
        with open(self.directory / "errors", "w+b") as errors:
            program = subprocess.Popen(
                inside(arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=clean_environment(),
                start_new_session=True,
            )
            self.addCleanup(program.kill)
            with program.stdout:
                while data := program.stdout.read1(1 << 20):
                    content.update(data)
                    size += len(data)
            status = program.wait(20)
            errors.seek(0)
            self.assertEqual(status, 0, f"{size} bytes came; {errors.read()[-2000:]!r}")
        return size, content.hexdigest()

    def test_curl_fetches_a_small_page(self):
        (self.directory / "page.html").write_text("<p>a small page</p>\n")
        port = self.file_server(self.directory)
        curl = self.call([*CURL, f"http://127.0.0.1:{port}/page.html"], under=True)
        self.assertEqual(curl.out, "<p>a small page</p>\n")

    def test_curl_fetches_a_large_file_unchanged(self):
        path, expected = bulk_file()
        port = self.file_server(path.parent)
        self.assertEqual(self.hash_of_output([*CURL, f"http://127.0.0.1:{port}/bulk"]), (BULK, expected))

    def test_curl_uploads_a_large_file_unchanged(self):
        path, expected = bulk_file()
        port = free_port()
        await_listener(self.start([PYTHON, SUITE / "programs" / "receiver.py", port]), port)
        curl = self.call([*CURL, "-T", path, f"http://127.0.0.1:{port}/bulk"], under=True, timeout=170)
        self.assertEqual(curl.out.strip(), expected)

    def test_wget_fetches_a_file_unchanged(self):
        content = random.Random(3).randbytes(5_000_000)
        (self.directory / "file").write_bytes(content)
        port = self.file_server(self.directory)
        fetched = self.directory / "fetched"
        self.call(["wget", "-q", "--no-proxy", "-O", fetched, f"http://127.0.0.1:{port}/file"], under=True)
        self.assertEqual(fetched.read_bytes(), content)

    def test_curl_fetches_many_files_over_one_connection(self):
        for number in range(50):
            (self.directory / f"file{number}").write_text(f"file {number}\n")
        port = self.file_server(self.directory)
        curl = self.call([*CURL, f"http://127.0.0.1:{port}/file[0-49]"], under=True)
        self.assertEqual(curl.out, "".join(f"file {number}\n" for number in range(50)))

    def test_curl_reports_a_refused_connection(self):
        curl = self.call([*CURL, f"http://127.0.0.1:{free_port()}/"], under=True, status=7)
        self.assertIn("Failed to connect", curl.err)

    def test_curl_fails_in_a_namespace_without_xensock(self):
        (self.directory / "page").write_text("page\n")
        port = self.file_server(self.directory)
        self.call([*CURL, f"http://127.0.0.1:{port}/page"])
        namespace = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-r", "-n"]
        curl = self.call([*namespace, *CURL, f"http://127.0.0.1:{port}/page"], status=7)
        self.assertEqual(curl.out, "")

    @xensock_only("there is no namespace")
    def test_the_namespace_of_an_isolated_program_has_no_network(self):
        interfaces = self.call(["cat", "/proc/net/dev"], under=True).out.splitlines()[2:]
        self.assertEqual([line.split(":")[0].strip() for line in interfaces], ["lo"])
        self.assertEqual(self.call(["cat", "/proc/net/route"], under=True).out.splitlines()[1:], [])

    def test_curl_outside_fetches_from_http_server_inside(self):
        content = random.Random(4).randbytes(5_000_000)
        (self.directory / "file").write_bytes(content)
        for address, version, host in (("127.0.0.1", 4, "127.0.0.1"), ("::1", 6, "[::1]")):
            port = self.file_server(self.directory, under=True, address=address, version=version)
            fetched = self.directory / f"fetched{version}"
            self.call([*CURL, "-g", "-o", fetched, f"http://{host}:{port}/file"])
            self.assertEqual(fetched.read_bytes(), content, f"IPv{version}")

    def test_curl_inside_fetches_over_ipv6(self):
        (self.directory / "page").write_text("over IPv6\n")
        port = self.file_server(self.directory, address="::1", version=6)
        self.assertEqual(self.call([*CURL, "-g", f"http://[::1]:{port}/page"], under=True).out, "over IPv6\n")

    def test_curl_inside_resolves_localhost(self):
        (self.directory / "page").write_text("by name\n")
        port = self.file_server(self.directory)
        self.assertEqual(self.call([*CURL, f"http://localhost:{port}/page"], under=True).out, "by name\n")
