"""A web server in threads of this process: a large file to fetch, a small one, and files of any size to put."""

import hashlib
import http.server
import os
import threading


class Web:
    """Serves on loopback: `/file` of `size` bytes, a multiple of 1 MiB, and `page` as `/small`."""

    def __init__(self, size: int, page: str = "a page\n", directory: str = "/run/served"):
        self.uploads = {}
        """SHA-256 of what was put, by path."""
        os.makedirs(directory)
        block = os.urandom(1 << 20)
        state = hashlib.sha256()
        with open(f"{directory}/file", "wb") as file:
            for number in range(size >> 20):
                data = number.to_bytes(8, "little") + block[8:]
                file.write(data)
                state.update(data)
        self.digest = state.hexdigest()
        """SHA-256 of the large file."""
        with open(f"{directory}/small", "w") as file:
            file.write(page)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(directory))
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def _handler(self, directory: str):
        uploads = self.uploads

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=directory)

            def do_PUT(self):
                state = hashlib.sha256()
                left = int(self.headers["Content-Length"])
                while left and (data := self.rfile.read(min(left, 1 << 16))):
                    state.update(data)
                    left -= len(data)
                uploads[self.path] = state.hexdigest()
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler
