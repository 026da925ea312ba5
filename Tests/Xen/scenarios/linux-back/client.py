"""What the guest's ordinary user runs under XenSock: `client.py ACTION PORT`, python's own sockets."""

import errno
import select
import socket
import sys
import zlib

sys.path.insert(0, "/lab/inside/xenlab")

from traffic import digest, get, put, serve  # noqa: E402

action, port = sys.argv[1], int(sys.argv[2])
server = ("127.0.0.1", port)


def connected():
    return socket.create_connection(server, 20)


if action == "echo":
    with connected() as client:
        client.sendall(b"echo\nhello")
        assert client.recv(16) == b"hello"
        assert client.getpeername() == server
elif action == "upload":
    with connected() as client:
        put(client, int(sys.argv[3]))
elif action == "download":
    # As Linux 6.1's backend needs it: it hears of room in a ring that was full only together with bytes.
    count, part = int(sys.argv[3]), 16384
    with connected() as client:
        client.sendall(b"paced %d %d\n" % (count, part))
        state, left, owed = 0, count, 0
        while left:
            data = client.recv(part)
            assert data, f"the stream ended {left} bytes early"
            state, left, owed = zlib.crc32(data, state), left - len(data), owed + len(data)
            if owed >= part:
                client.sendall(b"." * (owed // part))
                owed %= part
        assert f"{state:08x}" == digest(count), "other bytes than were sent"
        assert client.recv(1) == b"", "no end of the stream"
elif action == "small":
    for count in (1, 1000, 16000, 30000):
        with connected() as client:
            get(client, count)
elif action == "many":
    clients = [connected() for _ in range(30)]
    for number, client in enumerate(clients):
        client.sendall(b"echo\n%02d" % number)
    for number, client in enumerate(clients):
        assert client.recv(8) == b"%02d" % number
    for client in clients:
        client.close()
elif action == "refused":
    client = socket.socket()
    assert client.connect_ex(("127.0.0.1", 1)) == errno.ECONNREFUSED
    client.setblocking(False)
    assert client.connect_ex(("127.0.0.1", 1)) in (errno.ECONNREFUSED, errno.EINPROGRESS)
elif action == "limits":
    with connected() as client:
        for call in (
            lambda: client.shutdown(socket.SHUT_WR),
            lambda: client.send(b"!", socket.MSG_OOB),
        ):
            try:
                call()
                raise AssertionError("a call succeeded that version 1 does not have")
            except OSError as error:
                assert error.errno == errno.EOPNOTSUPP, error
        client.sendall(b"echo\nstill")
        assert client.recv(16) == b"still"
    try:
        socket.socket(socket.AF_INET6)
        raise AssertionError("an IPv6 socket")
    except OSError as error:
        assert error.errno == errno.EAFNOSUPPORT, error
elif action == "serve":
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    other = socket.socket()
    try:
        other.bind(("127.0.0.1", port))
        raise AssertionError("two sockets bound to one port")
    except OSError as error:
        assert error.errno == errno.EADDRINUSE, error
    listener.listen(16)
    ready = select.poll()
    ready.register(listener, select.POLLIN)
    assert ready.poll(0) == []
    print("listening", flush=True)
    for _ in range(int(sys.argv[3])):
        assert ready.poll(20000) == [(listener.fileno(), select.POLLIN)]
        connection, _ = listener.accept()
        serve(connection)
    listener.close()
elif action in ("hold", "listen"):
    # Until there is an error, which is printed.
    with socket.create_server(server) if action == "listen" else connected() as held:
        held.settimeout(None)
        print("holds", flush=True)
        try:
            held.accept() if action == "listen" else held.recv(1)
            print("ended", flush=True)
        except OSError as error:
            print(errno.errorcode[error.errno], flush=True)
elif action == "listeners":
    for number in range(int(sys.argv[3])):
        with socket.create_server(("127.0.0.1", port + number)) as listener:
            listener.settimeout(0.05)
            try:
                listener.accept()
                raise AssertionError("a connection out of nowhere")
            except TimeoutError:
                pass
else:
    sys.exit(f"no action {action}")
