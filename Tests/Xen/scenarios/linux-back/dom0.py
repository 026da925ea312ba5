import os
import socket
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from xenlab import case, eventually, guest, store
from xenlab.conversations import connections, is_free, visit
from xenlab.leaks import channels_between, mapped_grants
from xenlab.traffic import Server, pattern

one = guest("guest")
backend = f"/local/domain/0/backend/pvcalls/{one.id}/0"
server = Server()
start = {}


def pace(connection):
    """`paced COUNT PART`: sends a part, and another for each byte that comes."""
    with connection:
        line = b""
        while not line.endswith(b"\n"):
            line += connection.recv(1)
        _, count, part = line.split()
        done, count, part = 0, int(count), int(part)
        while done < count:
            step = min(part, count - done)
            connection.sendall(pattern(done, step))
            done += step
            if not connection.recv(1):
                return


def pacing():
    while True:
        connection, _ = paced.accept()
        threading.Thread(target=pace, args=(connection,), daemon=True).start()


class Files(BaseHTTPRequestHandler):
    """A file of 20,000 bytes to get, and files of any size to put, answered by their checksum."""

    protocol_version = "HTTP/1.1"

    def answer(self, body: bytes):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(pattern(0, 20000))

    def do_PUT(self):
        state, left = 0, int(self.headers["Content-Length"])
        while left:
            data = self.rfile.read(min(left, 1 << 16))
            state, left = zlib.crc32(data, state), left - len(data)
        self.answer(b"%08x" % state)

    def log_message(self, *_):
        pass


files = ThreadingHTTPServer(("127.0.0.1", 0), Files)
threading.Thread(target=files.serve_forever, daemon=True).start()
paced = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=pacing, daemon=True).start()
one.tell("paced", paced.getsockname()[1])
one.tell("files", files.server_address[1])
one.tell("server", server.port)


@case("Linux's backend connects to the agent")
def _():
    store.wait(f"{backend}/state", 4, limit=30)
    start["grants"] = len(mapped_grants(one.id))
    start["channels"] = channels_between(0, one.id)
    one.tell("connected")


@case("maps nothing after the programs' ends, and has bound no channel for them", limit=110)
def _():
    one.hear("clients", 110)
    eventually(lambda: len(mapped_grants(one.id)) == start["grants"])
    assert channels_between(0, one.id) == start["channels"]
    one.tell("checked")


@case("reaches a server in the guest", limit=60)
def _():
    # No more than fits the ring: up to 6.1 the backend stops for good when that is full.
    visit(int(one.hear("listening", 30)), 24 << 10)


@case("holds nothing of an agent that was killed, once the next is there", limit=120)
def _():
    port = int(one.hear("holding", 110))
    eventually(lambda: connections(server.port) >= 2, 20, "connections")
    assert not is_free(port) and len(mapped_grants(one.id)) > start["grants"]
    one.tell("seen")
    one.hear("back", 100)
    eventually(lambda: len(mapped_grants(one.id)) == start["grants"], 15, "grants are still mapped")
    assert channels_between(0, one.id) == start["channels"]
    eventually(lambda: connections(server.port) == 0 and is_free(port), 15, "sockets are still open")
    one.tell("compared")


@case("sees the agent close the device, and then maps nothing of the guest's", limit=60)
def _():
    one.hear("stopping", 60)
    store.wait(f"{backend}/state", 6)
    eventually(lambda: len(mapped_grants(one.id)) < start["grants"])
    assert channels_between(0, one.id) == start["channels"] - 1
    one.tell("done")


@case("holds nothing of a guest that is saved, and connects to the one that is restored", limit=230)
def _():
    one.hear("saving", 60)
    first = one.id
    one.save("/run/saved")
    eventually(lambda: not mapped_grants(first), 15, "grants are still mapped")
    assert channels_between(0, first) == 0
    eventually(lambda: connections(server.port) == 0, 15, "sockets are still open")
    one.restore("/run/saved")
    os.unlink("/run/saved")
    one.tell("restored")
    store.wait(f"/local/domain/0/backend/pvcalls/{one.id}/0/state", 4, limit=60)
    one.hear("restored-works", 60)
