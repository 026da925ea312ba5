import os
import shutil
import signal
import subprocess
import sys

from xenlab import USER, case, eventually, hear, note, run, start, tell

os.makedirs("/run/xensock", exist_ok=True)
SOCKET, DIRECT, POLICY = "/run/xensock/xensock.sock", "/run/xensock/direct.sock", "/run/policy.toml"
PINS = "/sys/fs/bpf/xensock-gntalloc"
LIMIT = 2048
NOBODY = 65534
agents = []
inside = {"preload": True, "variables": {"XENSOCK_SOCKET": DIRECT}}


def policy(text):
    with open(POLICY, "w") as file:
        file.write(f'default = "allow"\n{text}\n')


def serve(*options):
    agents.append(
        start(["xensock", "agent", "--xen", "--socket", SOCKET, "--direct", DIRECT, "--policy", POLICY]
              + ["--grant-limit", LIMIT, *options])
    )  # fmt: skip
    agent = agents[-1]
    eventually(lambda: "listens at" in agent.err or agent.process.poll() is not None, 30, "an agent that listens")
    assert agent.process.poll() is None, str(agent)


def attack(what, *arguments, user=NOBODY, limit=60, **options):
    return run([sys.executable, "/lab/scenario/attacker.py", what, DIRECT, *arguments], user=user, limit=limit, **options)


def attacking(what, *arguments, user=NOBODY, **options):
    return start([sys.executable, "/lab/scenario/attacker.py", what, DIRECT, *arguments], user=user, **options)


def asks(user=NOBODY):
    return attack("asks", user=user).out.strip()


def go_on(program):
    program.process.stdin.write(b"\n")
    program.process.stdin.flush()


CLIENT = """
import sys
sys.path[:0] = ["/lab/inside/xenlab"]
import socket
from traffic import get, put
for action in (put, get):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as client:
        action(client, int(sys.argv[2]))
"""

SERVER = """
import sys
sys.path[:0] = ["/lab/inside/xenlab"]
import os, socket, time
from traffic import serve
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
for _ in range(2):
    if os.fork() == 0: break
os.setgroups([]); os.setresgid(33, 33, 33); os.setresuid(33, 33, 33)
while True:
    connection, _ = listener.accept()
    assert os.getuid() == 33
    serve(connection)
"""

WAIT = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30)
client.sendall(b"echo\\n")
client.sendall(b"x" * 100000)
print("waits", flush=True)
import time
time.sleep(60)
"""


def python(text, *arguments):
    return [sys.executable, "-c", text, *arguments]


def exchange(user=USER, size=1 << 20):
    run(python(CLIENT, port, size), user=user, limit=50, **inside)


port = hear("server", 60)
page, checksum = hear("page"), hear("sum")
policy('allow_users = ["*"]')


@case("without a fence other users get no pages", limit=60)
def _():
    serve()
    assert asks() == "connect EACCES"
    exchange(user=0)
    agents[-1].kill(signal.SIGTERM)
    assert not os.path.exists(PINS)


@case("the agent puts up a fence, which holds", limit=60)
def _():
    serve("--fence")
    assert "the fence around grants holds" in agents[-1].err, str(agents[-1])
    assert {"ioctl", "lock"} <= set(os.listdir(PINS)), os.listdir(PINS)
    assert asks() == "served", str(agents[-1])


@case("curl fetches as an ordinary user, directly", limit=60)
def _():
    program = run(["curl", "-sS", "--max-time", "40", "-o", "/tmp/page", f"http://127.0.0.1:{page}/"],
                  user=USER, limit=50, **inside)  # fmt: skip
    found = run(["sha256sum", "/tmp/page"]).out.split()[0]
    assert found == checksum, program


@case("a descriptor of pages gives these pages and no more", limit=90)
def _():
    attack("grants")
    attack("strangers")


@case("a descriptor of events binds and notifies nothing else")
def _():
    attack("events")


@case("who reads its event channel takes nothing from the agent", limit=90)
def _():
    with attacking("thief", port, **inside) as thief:
        thief.await_output("steals", 20)
        exchange()
        exchange(user=0)
        taken = thief.await_output("stolen", 30).split()[-1]
        assert int(taken) == 0, taken
    exchange()


@case("who lets a call on its event channel take for ever holds nobody up", limit=100)
def _():
    with open("/proc/sys/vm/unprivileged_userfaultfd", "w") as file:
        file.write("1")
    with attacking("holder", stdin=subprocess.PIPE) as holder:
        holder.await_output("holds", 20)
        exchange()
        exchange(user=0)
        go_on(holder)
        holder.await_output("ended", 20)
        exchange()
        go_on(holder)
        # Its sessions that do not end count.
        refusal = holder.await_output("refused", 60).split()[-1]
        assert refusal in ("EAGAIN", "ENOBUFS"), refusal
        exchange()
        exchange(user=0)
    eventually(lambda: asks() == "served", 10, str(agents[-1]))


@case("who takes all pages leaves the others theirs", limit=100)
def _():
    with attacking("hoard") as hoarder:
        pages = int(hoarder.await_output("hoards", 60).split()[-1])
        note(f"hoarded: {pages} of {LIMIT}")
        assert LIMIT // 4 < pages <= LIMIT // 2 + 16
        assert "left for others" in agents[-1].err, str(agents[-1])
        exchange()
        exchange(user=0)
    eventually(lambda: asks() == "served", 10, str(agents[-1]))


@case("who takes all descriptors leaves the others theirs", limit=100)
def _():
    with attacking("ports") as hoarder:
        words = hoarder.await_output("bound", 80).split()
        note(f"pairs: {words[1]}")
        assert words[2] in ("ENOBUFS", "EAGAIN"), words
        exchange()
    exchange(user=NOBODY)


@case("a server that gives up root, and its children, accept directly", limit=100)
def _():
    with start(python(SERVER), **inside) as server:
        tell("listening", server.await_output("port", 20).split()[1])
        hear("reached", 80)


@case("the policy is read again: whom it does not admit is refused", limit=60)
def _():
    policy(f"allow_users = [{USER}]")
    agents[-1].process.send_signal(signal.SIGHUP)
    eventually(lambda: "read again" in agents[-1].err, 10, str(agents[-1]))
    assert asks() == "EACCES"
    assert asks(USER) == "served"
    policy('allow_users = ["*"]\n[limits]\nsessions_per_user = 2')
    agents[-1].process.send_signal(signal.SIGHUP)
    eventually(lambda: agents[-1].err.count("read again") == 2, 10, str(agents[-1]))
    with attacking("keeps", stdin=subprocess.PIPE) as one, attacking("keeps", stdin=subprocess.PIPE) as two:
        for keeper in (one, two):
            eventually(lambda: keeper.out or keeper.process.poll() is not None, 20)
            assert keeper.out, f"{keeper} {agents[-1]}"
        assert asks() == "EAGAIN"
        assert asks(USER) == "served"
    policy('allow_users = ["*"]')


@case("the fence outlives the agent, and serves the next one", limit=90)
def _():
    before = os.stat(f"{PINS}/ioctl").st_ino
    with attacking("keeps", stdin=subprocess.PIPE) as keeper:
        keeper.await_output("has")
        agents[-1].kill()
        go_on(keeper)
        keeper.await_output("refused")
        serve("--fence")
        assert os.stat(f"{PINS}/ioctl").st_ino == before
        eventually(lambda: asks() == "served", 20, str(agents[-1]))
        go_on(keeper)
        eventually(lambda: keeper.out.count("refused") == 2, 10, str(keeper))
    exchange()


@case("without the fence the running agent serves user 0 only", limit=60)
def _():
    shutil.rmtree(PINS)
    eventually(lambda: asks() == "EACCES", 10, str(agents[-1]))
    assert "does not hold any more" in agents[-1].err, str(agents[-1])
    exchange(user=0)
    agents[-1].kill(signal.SIGTERM)
    serve("--fence")
    assert asks() == "served"


@case("programs of other users that are killed leave nothing", limit=120)
def _():
    def kill(count):
        for number in range(count):
            with start(python(WAIT, port), user=(USER, NOBODY)[number % 2], **inside) as program:
                program.await_output("waits")

    kill(2)
    tell("before")
    hear("counted", 40)
    kill(20)
    tell("after")
    hear("compared", 40)
    agents[-1].kill(signal.SIGTERM)
    tell("over")
    hear("done", 30)
