import errno
import hashlib
import os
import socket
import time

from xenlab import USER, case, eventually, hear, linger, note, run, start, tell
from xenlab.traffic import digest, pattern

SOCKET = "/run/xensock/xensock.sock"
DIRECT = "/run/xensock/direct.sock"
AGENT = ["xensock", "agent", "--xen", "--socket", SOCKET, "--direct", DIRECT]
SIZE = 64 << 20
POLICY = "/run/agent.toml"

with open(POLICY, "w") as policy:
    policy.write('default = "allow"\nallow_users = ["*"]\n')
AGENT += ["--policy", POLICY]
agent = start(AGENT)
os.makedirs("/tmp/user", exist_ok=True)
os.chown("/tmp/user", USER, USER)


def user(arguments, **options):
    """Runs an unmodified program as an ordinary user, preloaded."""
    return run(arguments, user=USER, preload=True, variables={"XENSOCK_SOCKET": SOCKET}, directory="/tmp/user", **options)


def root(arguments, **options):
    """Runs one as root on the direct path."""
    return run(arguments, preload=True, variables={"XENSOCK_SOCKET": DIRECT}, **options)


def url(path: str) -> str:
    return f"http://127.0.0.1:{hear('files')}/{path}"


def sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def timed(what: str, action):
    begun = time.monotonic()
    result = action()
    note(f"{what}: {SIZE / (1 << 20) / (time.monotonic() - begun):.1f} MiB/s, start of the program included")
    return result


CLIENT = """
import socket, sys, traffic
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
{"put": traffic.put, "get": traffic.get}[sys.argv[2]](client, int(sys.argv[3]))
print("done")
"""


@case("has no network interface but lo, which is down")
def _():
    assert os.listdir("/sys/class/net") == ["lo"]
    assert open("/sys/class/net/lo/operstate").read().strip() == "down"


@case("the agent connects the device and serves", limit=60)
def _():
    eventually(lambda: os.path.exists(SOCKET) or agent.process.poll() is not None, 50)
    assert agent.process.poll() is None, agent


@case("curl of an ordinary user fetches a page", limit=30)
def _():
    assert user(["curl", "-sS", "--max-time", "20", url("small")]).out == "a page from dom0\n"


@case("curl of an ordinary user fetches 64 MiB", limit=60)
def _():
    timed("copied by the agent, download", lambda: user(
        ["curl", "-sS", "--max-time", "50", "-o", "/tmp/user/file", url("file")], limit=55))
    assert sha256("/tmp/user/file") == hear("digest")


@case("curl of an ordinary user uploads 64 MiB", limit=60)
def _():
    timed("copied by the agent, upload", lambda: user(
        ["curl", "-sS", "--max-time", "50", "-T", "/tmp/user/file", url("upload")], limit=55))


@case("curl of root fetches 64 MiB on the direct path", limit=60)
def _():
    os.unlink("/tmp/user/file")
    timed("direct, download", lambda: root(
        ["curl", "-sS", "--max-time", "50", "-o", "/tmp/file", url("file")], limit=55))
    assert sha256("/tmp/file") == hear("digest")


@case("curl of root uploads 64 MiB on the direct path", limit=60)
def _():
    timed("direct, upload", lambda: root(
        ["curl", "-sS", "--max-time", "50", "-T", "/tmp/file", url("direct")], limit=55))
    tell("uploaded", sha256("/tmp/file"))
    os.unlink("/tmp/file")


@case("names are looked up in the backend domain")
def _():
    port = hear("files")
    assert "dom0" in user(["curl", "-sS", "--max-time", "10", f"http://host-of-dom0:{port}/small"]).out


@case("datagrams come and go")
def _():
    code = f"""
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.connect(("127.0.0.1", {hear("datagrams")}))
for size in (1, 100, 1400, 60000, 0):
    client.send(bytes(size))
    assert len(client.recv(65535)) == size
print("done")
"""
    assert user(["python3", "-c", code]).out == "done\n"


@case("a refused connection is refused")
def _():
    code = "import socket; print(socket.socket().connect_ex(('127.0.0.1', 1)))"
    assert user(["python3", "-c", code]).out == f"{errno.ECONNREFUSED}\n"


@case("eight programs transfer at once", limit=60)
def _():
    port = hear("traffic")
    programs = [
        start(
            ["python3", "-c", CLIENT, port, "put" if number % 2 else "get", 2 << 20],
            user=USER, preload=True, variables={"XENSOCK_SOCKET": SOCKET, "PYTHONPATH": "/lab/inside/xenlab"},
        )
        for number in range(8)
    ]  # fmt: skip
    for program in programs:
        assert program.wait(50) == 0 and program.out == "done\n", program


@case("a server of an ordinary user is reached from dom0", limit=60)
def _():
    with open("/tmp/user/index.html", "w") as page:
        page.write("<p>from the guest</p>")
    with start(
        ["python3", "-u", "-m", "http.server", "8080", "--bind", "127.0.0.1"], user=USER, preload=True,
        variables={"XENSOCK_SOCKET": SOCKET}, directory="/tmp/user",
    ) as server:  # fmt: skip
        server.await_output("Serving")
        tell("server", 8080)
        hear("served", 30)


PREFORK = """
import os, socket
listener = socket.create_server(("127.0.0.1", 8081), backlog=50)
for _ in range(3):
    if os.fork() == 0:
        while True:
            connection, _ = listener.accept()
            connection.send(b"%d" % os.getpid())
            connection.close()
print("ready", flush=True)
os.wait()
"""


@case("forked processes accept from an inherited listener", limit=60)
def _():
    with start(["python3", "-c", PREFORK], user=USER, preload=True, variables={"XENSOCK_SOCKET": SOCKET}) as server:
        server.await_output("ready")
        tell("prefork", 8081)
        hear("shared", 50)


@case("a server moves bytes both ways", limit=60)
def _():
    code = "import time, traffic; print(traffic.Server().port, flush=True); time.sleep(60)"
    with start(
        ["python3", "-c", code], user=USER, preload=True, variables={"XENSOCK_SOCKET": SOCKET, "PYTHONPATH": "/lab/inside/xenlab"}
    ) as server:
        server.await_output("\n")
        tell("traffic-server", server.out.strip())
        hear("moved", 50)


EXECUTE = """
import os, socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
client.sendall(b"source %d\\n" % (1 << 20))
client.shutdown(socket.SHUT_WR)
client.settimeout(None)
os.dup2(client.fileno(), 0)
os.execvp("md5sum", ["md5sum"])
"""


@case("a static program reads a connection of its parent's on the direct path", limit=60)
def _():
    expected = hashlib.md5(pattern(0, 1 << 20)).hexdigest()
    assert root(["python3", "-c", EXECUTE, hear("traffic")], limit=50).out == f"{expected}  -\n"


INETD = """
import os, socket
listener = socket.create_server(("127.0.0.1", 8082), backlog=50)
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    child = os.fork()
    if child == 0:
        os.dup2(connection.fileno(), 0)
        os.dup2(connection.fileno(), 1)
        os.execvp("cat", ["cat"])
    connection.close()
    print("child", child, flush=True)
"""


@case("a server on the direct path hands its connections to static programs, which are killed", limit=120)
def _():
    time.sleep(1)
    tell("inetd-quiet")
    hear("inetd-go", 60)
    with start(["python3", "-c", INETD], preload=True, variables={"XENSOCK_SOCKET": DIRECT}) as server:
        server.await_output("ready")
        tell("inetd", 8082)
        # The first two end by themselves.
        last = hear("inetd-kill", 100)
        eventually(lambda: server.out.count("child") == int(last), 10)
        for child in server.out.split()[2::2][2:]:
            os.kill(int(child), 9)
        hear("inetd-ended", 30)
    tell("inetd-gone")
    hear("inetd-counted", 60)


@case("fifty programs are killed in the middle of a transfer", limit=200)
def _():
    time.sleep(1)
    tell("quiet")
    hear("kill", 60)
    for number in range(50):
        direct = number % 2 == 1
        program = start(
            ["curl", "-sS", "--limit-rate", "200k", "-o", "/dev/null", url("file")], user=None if direct else USER,
            preload=True, variables={"XENSOCK_SOCKET": DIRECT if direct else SOCKET},
        )  # fmt: skip
        time.sleep(0.15 + number % 5 * 0.05)
        program.kill()
    tell("killed")
    hear("counted", 60)


HOLDER = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
client.sendall(b"echo\\n1")
assert client.recv(1) == b"1"
print("connected", flush=True)
try:
    print("ended", client.recv(1))
except OSError as error:
    print("failed", error.errno)
"""


def holder():
    program = start(
        ["python3", "-c", HOLDER, hear("traffic")], user=USER, preload=True, variables={"XENSOCK_SOCKET": SOCKET})
    program.await_output("connected")
    return program


@case("connections end with an error when xensockd is killed, and new ones work when it is back", limit=80)
def _():
    program = holder()
    tell("before-service-death")
    hear("service-died", 30)
    assert program.wait(20) == 0 and "failed 104" in program.out, program
    eventually(
        lambda: user(["curl", "-sS", "--max-time", "10", url("small")], status=None).out == "a page from dom0\n", 40)
    tell("after-service-death")


@case("connections end with an error when the agent is killed, and new ones work when it is back", limit=80)
def _():
    global agent
    program = holder()
    agent.kill()
    assert program.wait(20) == 0 and "failed 104" in program.out, program
    agent = start(AGENT)
    eventually(
        lambda: user(["curl", "-sS", "--max-time", "10", url("small")], status=None).out == "a page from dom0\n", 60)
    tell("agent-back")


@case("transfers while it is destroyed")
def _():
    program = start(
        ["curl", "-sS", "--limit-rate", "500k", "-o", "/dev/null", url("file")], user=USER, preload=True,
        variables={"XENSOCK_SOCKET": SOCKET},
    )  # fmt: skip
    time.sleep(2)
    assert program.process.poll() is None, program
    tell("transferring")


linger()
