"""For each line of standard input, connects to 127.0.0.1 and the port of the argument and says what became of it."""

import socket
import sys

print("ready", flush=True)
for number, line in enumerate(sys.stdin):
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5) as connection:
            connection.sendall(b"hello")
            print(f"{number} {connection.recv(5).decode()}", flush=True)
    except OSError as error:
        print(f"{number} failed: {error}", flush=True)
