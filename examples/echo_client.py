#!/usr/bin/env python3
"""An ordinary client: sends its lines to a server and prints the answers. It knows nothing of XenSock.

    echo hello | xensock run --isolate -- ./echo_client.py localhost 7007
"""

import socket
import sys

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 7007

with socket.create_connection((host, port)) as connection:
    answers = connection.makefile("rb")
    for line in sys.stdin.buffer:
        connection.sendall(line)
        sys.stdout.buffer.write(answers.readline())
        sys.stdout.buffer.flush()
