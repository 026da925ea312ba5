"""A server of few connections: argument 1 is how it waits (block, poll, fork), 2 its port, 3 the connections."""

import os
import select
import socket
import sys

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

if way == "fork":
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            for _ in range(connections // 2):
                echo(listener.accept()[0])
            os._exit(0)
        children.append(child)
    listener.close()
    print([os.waitpid(child, 0)[1] for child in children])
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
