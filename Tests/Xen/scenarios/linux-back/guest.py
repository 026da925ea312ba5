import signal
import sys
from pathlib import Path

from xenlab import USER, case, eventually, hear, note, run, start, store, tell
from xenlab.traffic import digest, pattern

SOCKET = "/run/xensock/agent.sock"
PORT = 7001
UNDER = {"user": USER, "preload": True, "variables": {"XENSOCK_SOCKET": SOCKET}}
with open("/tmp/policy.toml", "w") as policy:
    policy.write('default = "allow"\nallow_users = ["*"]\n')


def serve():
    return start(
        ["/usr/local/bin/xensock", "agent", "--xen", "--socket", SOCKET, "--policy", "/tmp/policy.toml"],
        variables={"XENSOCK_DEBUG": "1"},
    )


agent = serve()
server, paced = hear("server"), hear("paced")


def client(action: str, *arguments, limit: float = 30) -> str:
    """Runs the client as an ordinary user, under XenSock."""
    try:
        return run(
            [sys.executable, "/lab/scenario/client.py", action, *arguments], **UNDER, limit=limit
        ).out
    except AssertionError as error:
        raise AssertionError(f"{error}\n--- agent\n{agent.err[-3000:]}") from None


@case("the agent connects to Linux's backend", limit=40)
def _():
    hear("connected", 40)


@case("an ordinary user's program echoes")
def _():
    client("echo", server)


@case("short answers arrive whole")
def _():
    client("small", server)


@case("what version 1 does not have fails, and the connection goes on")
def _():
    client("limits", server)


@case("a refused connect is one")
def _():
    client("refused", 1)


@case("64 MiB are sent, and arrive with the same checksum", limit=60)
def _():
    client("upload", server, 64 << 20, limit=60)


@case("64 MiB are received with the same checksum", limit=90)
def _():
    client("download", paced, 64 << 20, limit=90)


@case("30 connections at once")
def _():
    client("many", server)


@case("curl gets a file and sends another", limit=60)
def _():
    url = f"http://127.0.0.1:{hear('files')}/file"
    got = run(["curl", "-sS", "-o", "/tmp/got", url], **UNDER)
    assert Path("/tmp/got").read_bytes() == pattern(0, 20000), got
    Path("/tmp/sent").write_bytes(pattern(0, 16 << 20))
    sent = run(["curl", "-sS", "-T", "/tmp/sent", url], **UNDER, limit=60)
    assert sent.out == digest(16 << 20), sent
    tell("clients")
    hear("checked", 30)


@case("binds, listens, polls and accepts", limit=60)
def _():
    command = [sys.executable, "/lab/scenario/client.py", "serve", PORT, 12]
    with start(command, **UNDER) as listener:
        listener.await_output("listening", 20)
        tell("listening", PORT)
        assert listener.wait(60) == 0, listener


@case("40 listeners come and go, though the backend forgets an answer with each", limit=60)
def _():
    client("listeners", 7100, 20)
    client("echo", server)
    # Once nothing uses the device it is connected again, with a whole command ring.
    eventually(lambda: "connects anew" in agent.err, 10)
    eventually(lambda: agent.err.count("connected to domain 0") == 2, 20)
    client("listeners", 7200, 20)
    client("echo", server)


def holding():
    """Programs that hold a connection and one in the middle of a transfer."""
    programs = [
        start([sys.executable, "/lab/scenario/client.py", *arguments], **UNDER)
        for arguments in (["hold", server], ["upload", server, 1 << 30])
    ]
    programs[0].await_output("holds", 20)
    return programs


def failed(programs):
    assert programs[0].wait(30) == 0 and programs[0].out.split() == ["holds", "ECONNRESET"], programs[0]
    assert programs[1].wait(30) == 1, programs[1]


def works():
    """Waits until new sockets work."""
    echo = [sys.executable, "/lab/scenario/client.py", "echo", server]
    eventually(lambda: run(echo, status=None, **UNDER).process.returncode == 0, 40, str(agent))


@case("sockets have their errors when the agent is killed, and new ones work with the next", limit=120)
def _():
    global agent
    # The listeners of before let the device connect anew first.
    eventually(lambda: agent.err.count("connected to domain 0") == 3, 20, agent.err[-1000:])
    works()
    programs = holding()
    listener = start([sys.executable, "/lab/scenario/client.py", "listen", PORT + 1], **UNDER)
    listener.await_output("holds", 20)
    tell("holding", PORT + 1)
    hear("seen", 30)
    agent.kill(signal.SIGKILL)
    failed(programs)
    assert listener.wait(30) == 0 and listener.out.split() == ["holds", "ENETDOWN"], listener
    agent = serve()
    works()
    tell("back")
    hear("compared", 60)


@case("the agent ends in order")
def _():
    agent.process.send_signal(signal.SIGTERM)
    tell("stopping")
    assert agent.wait(10) == 0, agent
    note(f"agent's log: {len(agent.err.splitlines())} lines")
    hear("done", 40)


@case("sockets have their errors when the domain is saved and restored, and new ones work", limit=230)
def _():
    global agent
    agent = serve()
    works()
    programs = holding()
    tell("saving")
    store.wait("data/lab/dom0/restored", limit=170)
    failed(programs)
    works()
    tell("restored-works")
