"""The frontend speaks the older dialects to the same service."""

import hashlib
import random

from harness.case import Case
from harness.environment import PYTHON
from harness.network import await_listener, free_port


class Dialects(Case):
    def fetch(self, dialect):
        content = random.Random(5).randbytes(8_000_000)
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
