"""Sends bytes with one urgent byte between them to the port of the argument, and says what came back."""

import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(b"a" * 100_000)
    connection.send(b"!", socket.MSG_OOB)
    connection.sendall(b"b" * 100_000)
    connection.shutdown(socket.SHUT_WR)
    answer = b""
    while data := connection.recv(100):
        answer += data
    print(answer.decode())
