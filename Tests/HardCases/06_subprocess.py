"""CPython's subprocess, which is a vfork with dup2 and close loops in the child."""

import os
import socket
import subprocess
import sys

PYTHON = sys.executable
server = socket.create_server(("127.0.0.1", 0))


def pair():
    client = socket.create_connection(server.getsockname())
    return client, server.accept()[0]


kept, peer = pair()


def check(what):
    kept.sendall(b"ping")
    answer = peer.recv(16)
    peer.sendall(answer + b" pong")
    print(what, kept.recv(16))


for close_fds in (True, False):
    a, b = pair()
    process = subprocess.Popen(["cat"], stdin=b, stdout=b, close_fds=close_fds)
    b.close()
    a.sendall(b"through cat")
    a.shutdown(socket.SHUT_WR)
    data = b""
    while part := a.recv(100):
        data += part
    print(f"close_fds={close_fds}:", data, process.wait())
    check("kept")

a, b = pair()
program = f"import socket; s = socket.socket(fileno={b.fileno()}); print(s.family, s.type, s.recv(9)); s.send(b'child')"
process = subprocess.Popen([PYTHON, "-c", program], pass_fds=[b.fileno()], stdout=subprocess.PIPE, text=True)
a.sendall(b"passed in")
print(process.communicate()[0].strip(), process.returncode)
print(a.recv(9))
check("kept")

print(subprocess.run(["sh", "-c", "ls /proc/self/fd | head -n 3 | wc -l"], capture_output=True, text=True).stdout.strip())
try:
    subprocess.run(["/no/such/program"])
except FileNotFoundError:
    print("no such program")
check("kept")
processes = [subprocess.Popen(["true"]) for _ in range(20)]
print([process.wait() for process in processes])
check("kept")
r, w = os.pipe()
os.close(r), os.close(w)
