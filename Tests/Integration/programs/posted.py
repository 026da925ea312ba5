"""What programs do right after socket(2), setsockopt(2) and connect(2), whose requests may still be under way: the first
argument says which, the second is a port on 127.0.0.1. Prints only what is the same on every run."""

import errno
import os
import signal
import socket
import struct
import sys
import time


def connected(port):
    client = socket.socket()
    client.connect(("127.0.0.1", port))
    return client


def ask(client):
    """Sends a byte and waits for the answer."""
    client.sendall(b"?")
    return client.recv(1)


def warmed(port):
    """The first socket is waited for, the later ones may not be."""
    with connected(port) as client:
        ask(client)


def name(number):
    return errno.errorcode.get(number, number)


def fork(port):
    for _ in range(20):
        client = socket.socket()
        child = os.fork()
        if child == 0:
            client.connect(("127.0.0.1", port))
            os._exit(0 if ask(client) == b"!" else 1)
        print("child", os.waitpid(child, 0)[1])
        # What the child has connected.
        print("parent", ask(client))
        client.close()


def execute(port):
    for _ in range(5):
        client = socket.socket()
        client.set_inheritable(True)
        number = client.fileno()
        if os.fork() == 0:
            script = (
                f"import socket; s = socket.socket(fileno={number}); s.connect(('127.0.0.1', {port}));"
                "s.sendall(b'?'); print('executed', s.recv(1))"
            )
            os.execv(sys.executable, [sys.executable, "-c", script])
        client.close()
        os.wait()


def pass_on(port):
    """By SCM_RIGHTS, to a process that has none of this one's tables."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    theirs.set_inheritable(True)
    if os.fork() == 0:
        script = (
            "import array, socket\n"
            f"way = socket.socket(fileno={theirs.fileno()})\n"
            "for _ in range(5):\n"
            "    _, control, _, _ = way.recvmsg(1, 64)\n"
            "    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, array.array('i', control[0][2])[0])\n"
            f"    s.connect(('127.0.0.1', {port})); s.sendall(b'?'); print('received', s.recv(1), flush=True)\n"
            "    way.sendall(b'.')\n"
        )
        os.execv(sys.executable, [sys.executable, "-c", script])
    for _ in range(5):
        client = socket.socket()
        socket.send_fds(ours, [b"."], [client.fileno()])
        client.close()
        ours.recv(1)
    os.wait()


def close(port):
    for _ in range(10):
        client = connected(port)
        ask(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


def kill(port):
    for _ in range(10):
        if os.fork() == 0:
            warmed(port)
            client = connected(port)
            ask(client)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.kill(os.getpid(), signal.SIGKILL)
        os.wait()


def share(port):
    """A process reads at once what another has set."""
    client = connected(port)
    there, back = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        for number in range(200):
            os.read(there[0], 1)
            kept = client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            os.write(back[1], b"=" if (kept, idle) == (number % 2, 100 + number) else b"#")
        os._exit(0)
    seen = b""
    for number in range(200):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, number % 2)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 100 + number)
        os.write(there[1], b".")
        seen += os.read(back[0], 1)
    os.waitpid(child, 0)
    print("seen", seen.count(b"="))


def options(port):
    """Values that are refused are refused, whatever was accepted before."""
    client = connected(port)
    for level, option, values in (
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, (1, 32767, 0, 32768, -1, 7)),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, (1, 32767, 0, 32768, 7)),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, (1, 127, 0, 128, 7)),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, (1, 0, 7, -1)),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, (1, 0, 7)),
    ):
        for value in values:
            for _ in range(2):
                try:
                    client.setsockopt(level, option, value)
                    print(level, option, value, client.getsockopt(level, option))
                except OSError as error:
                    print(level, option, value, name(error.errno))
    for value in (struct.pack("ii", 1, 0), struct.pack("ii", 0, 9), struct.pack("i", 1), b"\1", struct.pack("ii", 1, 3)):
        try:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, value)
            print(client.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
        except OSError as error:
            print(name(error.errno))


def names(port):
    """Names that were told are those of this connection."""
    client = connected(port)
    first = client.getsockname()
    print(client.getpeername() == ("127.0.0.1", port), client.getpeername() == ("127.0.0.1", port))
    print(first == client.getsockname(), first[0], first[1] > 0)
    other = socket.socket()
    other.bind(("127.0.0.2", 0))
    bound = other.getsockname()
    try:
        other.getpeername()
    except OSError as error:
        print(name(error.errno))
    other.connect(("127.0.0.1", port))
    print(other.getsockname() == bound, other.getpeername() == ("127.0.0.1", port))
    child = os.fork()
    if child == 0:
        os._exit(0 if (other.getsockname(), other.getpeername()) == (bound, ("127.0.0.1", port)) else 1)
    print(os.waitpid(child, 0)[1])
    client.close()
    other.sendall(b"x")
    print(other.recv(1))
    # The peer resets the connection.
    time.sleep(0.5)
    try:
        print(other.getpeername())
    except OSError as error:
        print(name(error.errno))
    # Another socket of the same number has other names.
    other.close()
    again = socket.socket()
    for call in (again.getpeername, again.getsockname):
        try:
            print(call())
        except OSError as error:
            print(name(error.errno))


def unused(port):
    """Sockets that are closed without a request leave nothing behind."""
    for _ in range(3000):
        socket.socket().close()
    print(len(os.listdir("/proc/self/fd")) < 12)


def await_end(port):
    """Whose service ends between the calls."""
    client = socket.socket()
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        client.connect(("127.0.0.1", port))
    except OSError as error:
        print(name(error.errno))


def beyond(port):
    """More sockets than the service has room for: what each of 12 says first, and that closing them gives all back."""
    for _ in range(3):
        # The service is told of closes in its own time.
        time.sleep(0.3)
        opened, said = [], []
        for _ in range(12):
            try:
                client = socket.socket()
            except OSError as error:
                said.append(name(error.errno))
                continue
            opened.append(client)
            try:
                client.connect(("127.0.0.1", port))
                said.append("connected")
            except OSError as error:
                said.append(name(error.errno))
                for call in (lambda: client.getsockname(), lambda: client.setsockopt(socket.SOL_SOCKET, 2, 1),
                             lambda: client.bind(("127.0.0.1", 0)), lambda: client.listen()):
                    try:
                        call()
                        said.append("accepted")
                    except OSError as other:
                        if other.errno != error.errno:
                            said.append(name(other.errno))
        for client in opened:
            client.close()
        print(*said, flush=True)


port = int(sys.argv[2])
warmed(port)
globals()[sys.argv[1]](port)
