"""Listens at the name given (a path, or @ and an abstract name). Answers each connection, when its sender is done, with
what came in upper case, and prints the address that accept(2) told and the sender's credentials."""

import socket
import struct
import sys
import threading

name = sys.argv[1]
listener = socket.socket(socket.AF_UNIX)
listener.bind("\0" + name[1:] if name[0] == "@" else name)
listener.listen(int(sys.argv[2]) if len(sys.argv) > 2 else 64)
print(f"at {listener.getsockname()!r}", flush=True)


def serve(connection, address):
    with connection:
        user = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        pieces = []
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
        connection.sendall(b"".join(pieces).upper())
        print(f"from {address!r}, user {user}", flush=True)


while True:
    threading.Thread(target=serve, args=listener.accept(), daemon=True).start()
