"""An HTTP server at 127.0.0.1 and the port of the argument that hashes what is put and answers with the hash."""

import hashlib
import http.server
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        content = hashlib.sha256()
        left = int(self.headers["Content-Length"])
        while left:
            data = self.rfile.read1(min(left, 1 << 20))
            if not data:
                raise ConnectionError("the upload was cut short")
            content.update(data)
            left -= len(data)
        answer = content.hexdigest().encode() + b"\n"
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
