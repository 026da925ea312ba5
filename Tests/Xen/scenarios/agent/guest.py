import os
import socket
import sys

from xenlab import USER, case, eventually, hear, note, run, start, tell

os.makedirs("/run/xensock", exist_ok=True)
SOCKET, DIRECT = "/run/xensock/xensock.sock", "/run/xensock/direct.sock"
with open("/run/policy.toml", "w") as file:
    file.write('default = "allow"\nallow_users = ["*"]\n')
agents = []


def serve():
    agents.append(start(["xensock", "agent", "--xen", "--socket", SOCKET, "--direct", DIRECT]))
    agent = agents[-1]
    eventually(lambda: "listens at" in agent.err or agent.process.poll() is not None, 30, "an agent that listens")
    assert agent.process.poll() is None, str(agent)
    os.chmod(SOCKET, 0o666)


CLIENT = """
import sys, time
sys.path[:0] = {path!r}
import socket
from xenlab.traffic import get, measured, put, round_trips
port = int(sys.argv[1])
def connected():
    return socket.create_connection(("127.0.0.1", port), timeout=60)
with connected() as client: put(client, 1 << 20)
with connected() as client: print("to dom0", measured(put, client, 64 << 20))
with connected() as client: print("from dom0", measured(get, client, 64 << 20))
with connected() as client: print("there and back", round_trips(client))
"""

SERVER = """
import sys
sys.path[:0] = {path!r}
from xenlab.traffic import Server
import time
server = Server()
print("port", server.port, flush=True)
time.sleep(600)
"""

WAIT = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
client.sendall(b"echo\\n")
print("waits", flush=True)
try:
    print(client.recv(1))
except OSError as error:
    print(error.errno)
"""


def python(text, *arguments):
    return [sys.executable, "-c", text.replace("{path!r}", repr(sys.path)), *arguments]


def inside(direct=False):
    if direct:
        return {"preload": True, "variables": {"XENSOCK_SOCKET": DIRECT}}
    return {"preload": True, "variables": {"XENSOCK_SOCKET": SOCKET}}


port = hear("server", 60)


@case("the agent starts and connects", limit=60)
def _():
    serve()
    eventually(lambda: "connected to domain 0" in agents[-1].err, 20, str(agents[-1]))


@case("a program of user 0 exchanges 64 MiB through the agent", limit=150)
def _():
    note(f"copied: {run(python(CLIENT, port), limit=140, **inside()).out}")


@case("a program of user 0 exchanges 64 MiB directly", limit=150)
def _():
    note(f"directly: {run(python(CLIENT, port), limit=140, **inside(direct=True)).out}")


@case("another user is refused directly, and gets no session")
def _():
    refused = run(python("import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])))", port),
                  user=USER, status=1, **inside(direct=True))
    assert "Network is down" in refused.err or "Permission" in refused.err, refused.err


@case("a server in the guest is reached from dom0", limit=90)
def _():
    with start(python(SERVER), **inside(direct=True)) as server:
        tell("listening", server.await_output("port", 20).split()[1])
        with start(python(WAIT, port), **inside()) as copied, start(python(WAIT, port), **inside(direct=True)) as direct:
            copied.await_output("waits")
            direct.await_output("waits")
            tell("waits")
            hear("restarted", 60)
            for waiting in (copied, direct):
                waiting.wait(20)
                assert waiting.out.split() == ["waits", "104"], str(waiting)


@case("new sockets work when xensockd is back", limit=60)
def _():
    text = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])))"
    for direct in (False, True):
        eventually(lambda: run(python(text, port), status=None, **inside(direct)).process.returncode == 0, 40,
                   str(agents[-1]))


@case("an agent that is killed and started again connects", limit=60)
def _():
    agents[-1].kill()
    serve()
    text = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])))"
    for direct in (False, True):
        eventually(lambda: run(python(text, port), status=None, **inside(direct)).process.returncode == 0, 40,
                   str(agents[-1]))


@case("fifty programs that are killed, directly and not", limit=150)
def _():
    def kill(count):
        for number in range(count):
            with start(python(WAIT, port), **inside(direct=number % 2 == 0)) as program:
                program.await_output("waits")

    kill(2)
    tell("before")
    hear("counted", 30)
    kill(50)
    tell("after")
    hear("compared", 30)


@case("curl says what it fetched as an ordinary user", limit=60)
def _():
    agents[-1].kill(15)
    agents.append(start(["xensock", "agent", "--xen", "--socket", SOCKET, "--policy", "/run/policy.toml"]))
    eventually(lambda: os.path.exists(SOCKET) and "listens at" in agents[-1].err, 30, str(agents[-1]))
    os.chmod(SOCKET, 0o666)
    out = run(["curl", "-sS", "--max-time", "20", f"telnet://127.0.0.1:{port}"], user=USER, status=None, **inside())
    assert "Failed" not in out.err, out.err
    agents[-1].kill(15)
    tell("over")
