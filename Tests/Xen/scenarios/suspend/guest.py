import os

from xenlab import USER, case, eventually, hear, run, start, store, tell

SOCKET = "/run/xensock/xensock.sock"
HOLDER = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
client.settimeout(None)
client.sendall(b"echo\\n1")
assert client.recv(1) == b"1"
print("connected", flush=True)
try:
    print("ended", client.recv(1))
except OSError as error:
    print("failed", error.errno)
"""
CLIENT = """
import socket, sys, traffic
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
traffic.get(client, 1 << 20)
print("done")
"""
SERVER = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"a greeting")
    print("served", flush=True)
"""

with open("/run/agent.toml", "w") as policy:
    policy.write('default = "allow"\nallow_users = ["*"]\n')
agent = start(["xensock", "agent", "--xen", "--socket", SOCKET, "--policy", "/run/agent.toml"])
port = hear("traffic")


def under(code: str, *arguments):
    return start(
        ["python3", "-c", code, *arguments], user=USER, preload=True,
        variables={"XENSOCK_SOCKET": SOCKET, "PYTHONPATH": "/lab/inside/xenlab"},
    )  # fmt: skip


@case("connections end with an error when the domain is saved and restored", limit=190)
def _():
    global server
    eventually(lambda: os.path.exists(SOCKET) or agent.process.poll() is not None, 60)
    holder, server = under(HOLDER, port), under(SERVER)
    holder.await_output("connected")
    server.await_output("port ")
    tell("connected", server.out.split()[1])
    store.wait("data/lab/dom0/restored", limit=150)
    assert holder.wait(30) == 0 and "failed" in holder.out, holder


@case("new sockets work in the restored domain", limit=60)
def _():
    def works():
        program = under(CLIENT, port)
        program.wait(30)
        return program.out == "done\n"

    eventually(works, 50)
    assert agent.process.poll() is None, agent
    tell("works")


@case("a server goes on, in the restored domain and when xensockd was killed", limit=90)
def _():
    hear("reached", 80)
    assert server.process.poll() is None and server.out.count("served") == 3, server
    assert agent.err.count("1 listeners among them") >= 2, agent
