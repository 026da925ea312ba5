import socket
import threading

from xenlab import case, eventually, guest, run, start, store
from xenlab.leaks import channels_between, descriptors, mapped_grants
from xenlab.traffic import Reader, Server, digest, get, put, send_row
from xenlab.web import Web

SIZE = 64 << 20

one = guest("guest")
backend = f"/local/domain/0/backend/pvcalls/{one.id}/0"


def serve_datagrams() -> int:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def echo():
        while True:
            data, address = server.recvfrom(65535)
            server.sendto(data, address)

    threading.Thread(target=echo, daemon=True).start()
    return server.getsockname()[1]


traffic = Server()
web = Web(SIZE, page="a page from dom0\n")
one.tell("digest", web.digest)
one.tell("files", web.port)
one.tell("traffic", traffic.port)
one.tell("datagrams", serve_datagrams())
with open("/etc/hosts", "a") as hosts:
    hosts.write("127.0.0.1 host-of-dom0\n")
daemon = start(["xensockd", "--xen", "--socket", "/run/xensock/xensock.sock"])


def listening(word: str) -> int:
    """The port of a server that the guest has started."""
    return int(one.hear(word, 60))


@case("xensockd publishes its nodes and the device is connected", limit=60)
def _():
    store.wait(f"{backend}/state", 4, limit=50)
    assert store.read(f"{backend}/versions") == "1"
    assert store.read(f"{backend}/function-calls") == "1"
    assert int(store.read(f"{backend}/max-page-order")) >= 4
    store.wait(f"{one.path}/device/pvcalls/0/state", 4)


@case("serves the guest's clients", limit=120)
def _():
    uploaded = one.hear("uploaded", 110)
    assert web.uploads["/upload"] == uploaded
    assert web.uploads["/direct"] == uploaded


@case("reaches a server of an ordinary user in the guest", limit=60)
def _():
    port = listening("server")
    page = run(["curl", "-sS", "--max-time", "20", f"http://127.0.0.1:{port}/"]).out
    assert "from the guest" in page, page
    one.tell("served")


@case("reaches processes in the guest that share a listener", limit=60)
def _():
    port = listening("prefork")
    seen = set()
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            seen.add(client.recv(64))
        if len(seen) > 1:
            break
    assert len(seen) > 1, seen
    one.tell("shared")


@case("moves bytes to and from a server in the guest", limit=60)
def _():
    port = listening("traffic-server")
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        put(client, 4 << 20)
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        get(client, 4 << 20)
    one.tell("moved")


def echoed(client, count: int) -> str:
    """The checksum of what comes back of the row, whose end is told."""

    def send():
        send_row(client.send, count)
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    reader = Reader(client)
    found = reader.row(count)
    assert reader.some() == b""
    sender.join()
    return found


@case("reaches static programs with connections of a server in the guest, and killed ones leave nothing", limit=150)
def _():
    one.hear("inetd-quiet", 60)
    before = held()
    one.tell("inetd-go")
    port = listening("inetd")
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", port), 60) as client:
            assert echoed(client, 1 << 20) == digest(1 << 20)
    clients = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(10)]
    for client in clients:
        client.sendall(bytes(100000))
        assert client.recv(1)
    one.tell("inetd-kill", 12)
    for client in clients:
        try:
            while client.recv(65536):
                pass
        except ConnectionResetError:
            pass
        client.close()
    one.tell("inetd-ended")
    one.hear("inetd-gone", 30)
    restored(before)
    one.tell("inetd-counted")


@case("holds nothing more after fifty programs were killed", limit=290)
def _():
    one.hear("quiet", 100)
    before = held()
    one.tell("kill")
    one.hear("killed", 120)
    restored(before)
    one.tell("counted")


def restored(before):
    """Waits until xensockd holds no more than it did."""

    def back():
        now = held()
        return all(now[name] <= before[name] + slack for name, slack in (("grants", 0), ("channels", 0), ("sockets", 1)))

    try:
        eventually(back, 20)
    except AssertionError:
        raise AssertionError(f"held {held()}, before {before}") from None


def held():
    return {
        "grants": len(mapped_grants(one.id)),
        "channels": channels_between(0, one.id),
        "sockets": descriptors(daemon.pid)["socket"],
    }


@case("starts xensockd again after a kill, and the guest's new sockets work", limit=90)
def _():
    global daemon
    one.hear("before-service-death", 60)
    daemon.kill()
    daemon = start(["xensockd", "--xen", "--socket", "/run/xensock/xensock.sock"])
    one.tell("service-died")
    one.hear("after-service-death", 60)


@case("sees the agent die and come back, and keeps nothing of the first", limit=90)
def _():
    one.hear("agent-back", 80)
    store.wait(f"{backend}/state", 4, limit=20)


@case("gives everything back when the guest is destroyed in the middle of a transfer", limit=60)
def _():
    one.hear("transferring", 50)
    # Its kernel's log was looked at.
    assert one.ended.wait(20)
    number = one.id
    eventually(lambda: traffic.served, 10)
    one.destroy()
    eventually(lambda: not mapped_grants(number), 15, "grants are still mapped")
    eventually(lambda: channels_between(0, number) == 0, 15, "channels are still bound")
    assert daemon.process.poll() is None, daemon
