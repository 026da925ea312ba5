"""What an AF_UNIX stream socket does, call by call: the same for a name of its own domain and of another's. The server at
NAME is unix_server.py; DIRECTORY is for names of its own."""

import array
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time

name, directory = sys.argv[1:3]


def attempt(what, call, *arguments):
    try:
        print(what, repr(call(*arguments)))
    except OSError as error:
        print(what, errno.errorcode[error.errno])


def events(fd, asked=select.POLLIN | select.POLLOUT | select.POLLRDHUP, timeout=0):
    poll = select.poll()
    poll.register(fd, asked)
    return [event for _, event in poll.poll(timeout)]


def finish(client, data=b"x"):
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
    answer = b""
    while piece := client.recv(1000):
        answer += piece
    return answer


print("fresh")
client = socket.socket(socket.AF_UNIX)
number = client.fileno()
fcntl.fcntl(client, fcntl.F_SETFD, 0)
client.settimeout(20)
client.setblocking(True)
client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 100000)
client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 7, 0))
client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
attempt("no such name", client.connect, name + "-not")
attempt("connect", client.connect, name)
print("number", client.fileno() == number, "flags", fcntl.fcntl(client, fcntl.F_GETFD),
      fcntl.fcntl(client, fcntl.F_GETFL) & os.O_NONBLOCK)
for option in ("SO_DOMAIN", "SO_TYPE", "SO_PROTOCOL", "SO_SNDBUF", "SO_KEEPALIVE", "SO_ACCEPTCONN", "SO_ERROR",
               "SO_PASSCRED"):
    attempt(option, client.getsockopt, socket.SOL_SOCKET, getattr(socket, option))
attempt("SO_SNDTIMEO", client.getsockopt, socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16)
user = struct.unpack("iII", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
print("peer is of this user", user == os.getuid())
attempt("TCP option", client.setsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
attempt("getsockname", client.getsockname)
print("getpeername", client.getpeername() == name)
attempt("again", client.connect, name)
attempt("AF_UNSPEC-like", client.bind, name)
print("events", events(client))
print("dialogue", finish(client, b"dialogue"))
print("events at the end", events(client))
attempt("send", client.send, b"x")
client.close()

print("without waiting")
client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
attempt("connect", client.connect, name)
attempt("recv", client.recv, 1)
print("events", events(client))
client.send(b"abc")
client.shutdown(socket.SHUT_WR)
# The server closes at some time behind its answer.
print("readable", [event & select.POLLIN for event in events(client, select.POLLIN, 5000)])
attempt("recv", client.recv, 10)
client.close()

print("watched before it is connected")
client = socket.socket(socket.AF_UNIX)
epoll = select.epoll()
epoll.register(client, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
client.connect(name)
ready = epoll.poll(5)
print("writable", len(ready), ready[0][1] & select.EPOLLOUT)
print("silent", epoll.poll(0.05))
client.sendall(b"watched")
client.shutdown(socket.SHUT_WR)
deadline = time.monotonic() + 5
seen = 0
while not seen & select.EPOLLIN and time.monotonic() < deadline:
    for _, event in epoll.poll(1):
        seen |= event
print("readable", seen & select.EPOLLIN, client.recv(100))
epoll.close()
client.close()

print("shared")
client = socket.socket(socket.AF_UNIX)
client.connect(name)
copy = client.dup()
if (child := os.fork()) == 0:
    client.send(b"child ")
    os._exit(0)
os.waitpid(child, 0)
copy.send(b"copy ")
client.close()
print("answer", finish(copy, b"parent"))

print("executed")
client = socket.socket(socket.AF_UNIX)
client.connect(name)
child = os.posix_spawn("/bin/echo", ["echo", "from echo"], os.environ,
                       file_actions=[(os.POSIX_SPAWN_DUP2, client.fileno(), 1)])
os.waitpid(child, 0)
client.shutdown(socket.SHUT_WR)
print("answer", client.recv(100))
client.close()

print("served")
path = os.path.join(directory, "served")
listener = socket.socket(socket.AF_UNIX)
attempt("bind", listener.bind, path)
attempt("bind twice", listener.bind, path + "2")
attempt("not yet", listener.accept)
attempt("listen", listener.listen, 1)
print("name", listener.getsockname() == path, listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
other = socket.socket(socket.AF_UNIX)
attempt("in use", other.bind, path)
first = socket.socket(socket.AF_UNIX)
first.connect(path)
connection, address = listener.accept()
print("address", repr(address), connection.getsockname() == path, first.getpeername() == path)
first.sendall(b"to the server")
print(connection.recv(100))
connection.close()
print("end", first.recv(1), events(first, select.POLLIN | select.POLLRDHUP))
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
attempt("send", first.send, b"x")
first.close()

print("a full queue")
waiting = []
listener.listen(0)
for _ in range(5):
    waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
    result = waiting[-1].connect_ex(path)
    if result:
        break
print("connect", errno.errorcode.get(result))
impatient = socket.socket(socket.AF_UNIX)
impatient.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 100000))
attempt("impatient", impatient.connect, path)
if (child := os.fork()) == 0:
    patient = socket.socket(socket.AF_UNIX)
    patient.connect(path)
    patient.send(b"patient")
    os._exit(0)
time.sleep(0.1)
for client in waiting[:-1]:
    listener.accept()[0].close()
with listener.accept()[0] as connection:
    heard = connection.recv(10)
os.waitpid(child, 0)
print("queued", len(waiting))
print("heard", heard)
listener.close()

print("its own")
left, right = socket.socketpair()
reading, writing = os.pipe()
socket.send_fds(left, [b"fd"], [writing])
_, fds, _, _ = socket.recv_fds(right, 10, 1)
os.write(fds[0], b"through a descriptor")
print(os.read(reading, 100))
mine = socket.socket(socket.AF_UNIX)
mine.bind(f"\0xensock-test-{os.getpid()}")
mine.listen()
client = socket.socket(socket.AF_UNIX)
client.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
client.connect(mine.getsockname())
print("credentials", client.getsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED))
client.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
connection = mine.accept()[0]
socket.send_fds(connection, [b"fd"], [reading])
os.write(writing, b"once more")
print(os.read(socket.recv_fds(client, 10, 1)[1][0], 100))
