"""Programs of a guest whose backend is another guest."""

import errno
import hashlib
import os

from xenlab import USER, case, eventually, hear, linger, note, run, start, tell

SOCKET, DIRECT = "/run/xensock/xensock.sock", "/run/xensock/direct.sock"
with open("/run/agent.toml", "w") as policy:
    policy.write('default = "allow"\nallow_users = ["*"]\n')
agent = start(
    ["xensock", "agent", "--xen", "--socket", SOCKET, "--direct", DIRECT, "--policy", "/run/agent.toml"])
COPIED = {"user": USER, "preload": True, "variables": {"XENSOCK_SOCKET": SOCKET, "PYTHONPATH": "/lab/inside/xenlab"}}
DIRECTLY = {"preload": True, "variables": {"XENSOCK_SOCKET": DIRECT, "PYTHONPATH": "/lab/inside/xenlab"}}
HOLDER = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
client.settimeout(None)
print("holds", flush=True)
try:
    print("ended", client.recv(1))
except OSError as error:
    print("failed", error.errno)
"""
LISTENER = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print("holds", flush=True)
try:
    print("accepted", listener.accept())
except OSError as error:
    print("failed", error.errno)
"""
PORTS = """
import socket
for port in (9, 10):
    print(socket.socket().connect_ex(("127.0.0.1", port)))
"""
SERVER = "import time, traffic; print(traffic.Server().port, flush=True); time.sleep(100)"
PRIVILEGED = "import socket; socket.create_server(('127.0.0.1', 80))"
files = int(hear("files", 200))


def fetch(path: str, options, *, limit: float = 60, **more):
    arguments = ["curl", "-sS", "--max-time", str(limit), "-o", "/tmp/fetched", f"http://127.0.0.1:{files}/{path}"]
    return run(arguments, limit=limit + 5, **options, **more)


def works():
    """Waits until new sockets work, copied and directly."""
    for options in (COPIED, DIRECTLY):
        eventually(lambda: fetch("small", options, limit=10, status=None).process.returncode == 0, 40, str(agent))
        os.unlink("/tmp/fetched")


def refusals() -> list[str]:
    """Errors of connecting to the ports of which rules speak."""
    return [errno.errorcode[int(number)] for number in run(["python3", "-c", PORTS], **COPIED).out.split()]


@case("the agent connects to another guest", limit=60)
def _():
    eventually(lambda: "connected to domain" in agent.err, 50, str(agent))
    assert "connected to domain 0" not in agent.err, agent


@case("fetches 64 MiB through the driver domain, copied and directly", limit=150)
def _():
    for options in (COPIED, DIRECTLY):
        fetch("file", options)
        with open("/tmp/fetched", "rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == hear("digest")
        os.unlink("/tmp/fetched")


@case("rules hold that name it by its number, and those that deny to a name though its own is not known")
def _():
    assert refusals() == ["EPERM", "EHOSTUNREACH"], refusals()
    run(["python3", "-c", PRIVILEGED], **DIRECTLY)


@case("a server of an ordinary user is reached from the driver domain", limit=60)
def _():
    with start(["python3", "-c", SERVER], **COPIED) as server:
        tell("listening", server.await_output("\n").strip())
        hear("reached", 50)


def held():
    """Programs that hold connections and a listener."""
    programs = [
        start(["python3", "-c", HOLDER, files], **COPIED), start(["python3", "-c", HOLDER, files], **DIRECTLY),
        start(["python3", "-c", LISTENER], **DIRECTLY),
    ]  # fmt: skip
    for program in programs:
        program.await_output("holds")
    return programs


def downloads():
    """Programs in the middle of one."""
    started = []
    for name, options in (("copied", COPIED), ("direct", DIRECTLY)):
        to = ["-o", f"/tmp/{name}", f"http://127.0.0.1:{files}/file"]
        started.append(start(["curl", "-sS", "--no-buffer", "--limit-rate", "500k", *to], **options))
        eventually(lambda: os.path.exists(f"/tmp/{name}") and os.path.getsize(f"/tmp/{name}"), 20, str(started[-1]))
        os.unlink(f"/tmp/{name}")
    return started


def failed(programs):
    errors = []
    for program in programs:
        assert program.wait(30) == 0, program
        errors.append(errno.errorcode.get(int(program.out.split()[-1]), program.out))
    assert errors == ["ECONNRESET", "ECONNRESET", "ENETDOWN"], errors


@case("sockets have their errors when xensockd is killed, and new ones work", limit=120)
def _():
    programs = held()
    tell("holds")
    hear("killed", 60)
    failed(programs)
    works()
    tell("works")


@case("sockets have their errors when the driver domain is destroyed", limit=150)
def _():
    programs, curls = held(), downloads()
    tell("transfers")
    hear("driver-gone", 100)
    failed(programs)
    for curl in curls:
        assert curl.wait(20) in (18, 56), curl
    assert agent.process.poll() is None, agent
    tell("failed")


@case("new sockets work with the next driver domain, which knows the guest's name", limit=180)
def _():
    global files
    files = int(hear("new-files", 150))
    works()
    assert refusals() == ["EPERM", "ECONNREFUSED"], refusals()
    tell("new-works")


@case("new sockets work when the device was taken away and made again", limit=60)
def _():
    hear("again", 50)
    works()


@case("transfers while it is destroyed")
def _():
    programs = held() + downloads()
    tell("transferring")
    note(f"agent's log: {len(agent.err.splitlines())} lines")
    assert all(program.process.poll() is None for program in programs), programs


linger()
