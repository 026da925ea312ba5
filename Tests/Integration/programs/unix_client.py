"""Sends its standard input to the names given, one after the other, and writes the answers to standard output."""

import socket
import sys

content = sys.stdin.buffer.read()
for name in sys.argv[1:]:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect("\0" + name[1:] if name[0] == "@" else name)
        except OSError as error:
            sys.stdout.buffer.write(f"{error.strerror}\n".encode())
            continue
        client.sendall(content)
        client.shutdown(socket.SHUT_WR)
        while piece := client.recv(1 << 16):
            sys.stdout.buffer.write(piece)
sys.stdout.flush()
