"""One connection as the first argument says: refused, loop, upload, options, poll."""

import asyncio
import errno
import hashlib
import select
import socket
import sys

behaviour, port = sys.argv[1], int(sys.argv[2])
address = ("127.0.0.1", port)


def name(code):
    # Two names of one number, of which Python knows the last.
    return "EOPNOTSUPP" if code == errno.EOPNOTSUPP else errno.errorcode[code] if code else "0"


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return name(error.errno)


if behaviour == "refused":
    with socket.socket() as connection:
        print(attempt(connection.connect, address))
        # It may be tried again, also without waiting.
        connection.setblocking(False)
        first = connection.connect_ex(address)
        waited = select.select([], [connection], [], 10)[1]
        print(name(first), bool(waited), name(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
elif behaviour == "under-way":
    with socket.socket() as connection:
        connection.setblocking(False)
        first = connection.connect_ex(address)
        second = connection.connect_ex(address)
        print(name(first), name(second), bool(select.select([], [connection], [], 0.3)[1]))
        # Requests behind the one that is held are answered.
        with socket.socket() as another:
            print(attempt(another.bind, ("127.0.0.1", 0)))
elif behaviour == "loop":

    async def main():
        reader, writer = await asyncio.open_connection(*address)
        for size in (1, 1000, 300_000):
            writer.write(b"x" * size)
            await writer.drain()
            print(len(await reader.readexactly(size)))
        writer.close()

    asyncio.run(main())
elif behaviour == "upload":
    size = int(sys.argv[3])
    content = hashlib.sha256()
    with socket.create_connection(address) as connection:
        sent = 0
        while sent < size:
            block = bytes((sent + index) % 251 for index in range(min(4093, size - sent))) * 40
            connection.sendall(block)
            content.update(block)
            sent += len(block)
    print(f"{sent} bytes {content.hexdigest()[:16]}")
elif behaviour == "end":
    with socket.create_connection(address) as connection:
        got = b""
        while data := connection.recv(1 << 16):
            got += data
        print(len(got), connection.recv(1), attempt(connection.recv, 1, socket.MSG_DONTWAIT))
elif behaviour == "reset":
    with socket.create_connection(address) as connection:
        connection.sendall(b"go")
        print(attempt(connection.recv, 10), attempt(connection.recv, 10))
        print(attempt(connection.send, b"x"))
elif behaviour == "options":
    with socket.create_connection(address) as connection:
        print(connection.getpeername() == address, connection.getsockname())
        for level, option in (
            (socket.SOL_SOCKET, socket.SO_TYPE),
            (socket.SOL_SOCKET, socket.SO_DOMAIN),
            (socket.SOL_SOCKET, socket.SO_PROTOCOL),
            (socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
            (socket.SOL_SOCKET, socket.SO_RCVBUF),
        ):
            print(attempt(connection.getsockopt, level, option), end=" ")
        print()
        print(attempt(connection.setsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1))
        print(attempt(connection.setsockopt, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
        print(attempt(connection.shutdown, socket.SHUT_WR))
        print(attempt(connection.send, b"x", socket.MSG_OOB))
    print(attempt(socket.socket, socket.AF_INET6, socket.SOCK_STREAM))
    try:
        socket.getaddrinfo("localhost", 80)
    except socket.gaierror as error:
        print(error.errno == socket.EAI_NONAME)
