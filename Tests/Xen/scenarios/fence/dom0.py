import hashlib
import http.server
import os
import socket
import threading

from xenlab import case, eventually, guest, start
from xenlab.leaks import channels_between, descriptors, mappings, settled
from xenlab.traffic import Server, get, pattern, put

one, other = guest("guest"), guest("unfenced")
os.makedirs("/run/xensock", exist_ok=True)
service = start(["xensockd", "--xen", "--socket", "/run/xensock/xensock.sock"])
eventually(lambda: "listens at" in service.err, 10, service.err)
server = Server()
CONTENT = pattern(5, 8 << 20)


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_):
        pass


pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=pages.serve_forever, daemon=True).start()
for domain in (one, other):
    domain.tell("server", server.port)
one.tell("page", pages.server_address[1])
one.tell("sum", hashlib.sha256(CONTENT).hexdigest())


def held():
    return mappings(service.pid), channels_between(0, one.id), descriptors(service.pid)


@case("a server that has given up root is reached", limit=90)
def _():
    port = int(one.hear("listening", 80))
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            put(client, 1 << 20)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            get(client, 1 << 20)
    one.tell("reached")


@case("programs of other users that are killed leave nothing mapped, bound or open", limit=120)
def _():
    one.hear("before", 60)
    before = eventually(lambda: settled(held), 20, "what is held settles")
    one.tell("counted")
    one.hear("after", 80)
    eventually(lambda: held() == before, 20, f"{before} is held again")
    one.tell("compared")


@case("xensockd lives, and nothing is mapped when the agents have ended", limit=90)
def _():
    for domain in (one, other):
        domain.hear("over", 80)
        domain.tell("done")
    eventually(lambda: mappings(service.pid) == 0, 30, "no page is mapped")
    assert service.process.poll() is None, str(service)
