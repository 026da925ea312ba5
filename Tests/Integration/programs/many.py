"""Opens connections to the port of the argument, as many as the second says, exchanges a line on each, says so, and
keeps them until a line of standard input; then exchanges another line on each."""

import os
import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]


def exchange(text):
    for number, connection in enumerate(connections):
        connection.sendall(f"{text} {number}\n".encode())
    for number, connection in enumerate(connections):
        wanted = f"{text} {number}\n".encode()
        assert connection.recv(len(wanted), socket.MSG_WAITALL) == wanted


exchange("first")
print(f"process {os.getpid()} holds {count}", flush=True)
sys.stdin.readline()
exchange("second")
print("exchanged", flush=True)
