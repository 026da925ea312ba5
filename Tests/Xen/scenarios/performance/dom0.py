import signal
import socket
import threading

from xenlab import case, guest, load, start, store

BLOCK = bytes(1 << 18)

one = guest("guest")
backend = f"/local/domain/0/backend/pvcalls/{one.id}/0"


def serve(connection):
    """`get COUNT`, `put COUNT` (answered by a byte at the end) or `echo`, each in 16 bytes; then no more work than must be."""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        word, _, number = connection.recv(16, socket.MSG_WAITALL).decode().strip().partition(" ")
        left = int(number or 0)
        room = bytearray(len(BLOCK))
        if word == "get":
            while left > 0:
                left -= connection.send(BLOCK[:left] if left < len(BLOCK) else BLOCK)
            connection.recv(1)
        elif word == "put":
            while left > 0 and (count := connection.recv_into(room)):
                left -= count
            connection.send(b"1")
        else:
            while data := connection.recv(64):
                connection.send(data)


def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


listener = socket.create_server(("0.0.0.0", 0))
threading.Thread(target=accept, args=(listener,), daemon=True).start()
one.tell("port", listener.getsockname()[1])
service = start(["xensockd", "--xen", "--socket", "/run/xensock/xensock.sock"])


@case("xensockd serves, and then Linux's own backend does", limit=200)
def _():
    store.wait(f"{backend}/state", 4, limit=60)
    one.hear("measured", 120)
    service.kill(signal.SIGTERM)
    load("pvcalls-back-corrected")
    one.tell("linux")
    store.wait(f"{backend}/state", 4, limit=60)


@case("the guest has measured", limit=200)
def _():
    one.hear("done", 180)
