"""A server of few connections: argument 1 is how it waits (block, poll, epoll, fork, each: a child for each connection,
burst: until all wait), 2 its port, 3 the connections."""

import os
import select
import socket
import sys
import time

way, port, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def echo(connection):
    with connection:
        while data := connection.recv(1 << 16):
            connection.sendall(data)


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
listener.listen(16)
print(listener.getsockname()[1] == port, listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), flush=True)

if way in ("fork", "each"):
    children = []
    count = 2 if way == "fork" else connections
    for _ in range(count):
        child = os.fork()
        if child == 0:
            for _ in range(connections // count):
                echo(listener.accept()[0])
            os._exit(0)
        children.append(child)
    listener.close()
    print({os.waitpid(child, 0)[1] for child in children})
elif way == "burst":
    listener.setblocking(False)
    time.sleep(1)
    accepted = []
    try:
        while True:
            accepted.append(listener.accept()[0])
    except BlockingIOError:
        waiting = select.poll()
        waiting.register(listener, select.POLLIN)
        print(len(accepted), waiting.poll(0))
    for connection in accepted:
        connection.setblocking(True)
        echo(connection)
elif way == "block":
    for _ in range(connections):
        echo(listener.accept()[0])
    print("served")
else:
    listener.setblocking(False)
    waiting = select.poll() if way == "poll" else select.epoll()
    waiting.register(listener, select.POLLIN if way == "poll" else select.EPOLLIN | select.EPOLLET)
    served = 0
    spurious = 0
    while served < connections:
        waiting.poll(10_000 if way == "poll" else 10)
        taken = 0
        while True:
            try:
                connection, peer = listener.accept()
            except BlockingIOError:
                break
            connection.setblocking(True)
            echo(connection)
            served += 1
            taken += 1
        if not taken:
            spurious += 1
    print("served", "quietly" if spurious <= connections else f"with {spurious} idle turns")
