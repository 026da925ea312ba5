import os
import signal

from xenlab import case, eventually, hear, note, run, start, tell
from xenlab.network import up

SOCKET, DIRECT = "/run/xensock/xensock.sock", "/run/xensock/direct.sock"
COUNT = 16 << 20
CLIENT = """
import socket, sys, time
address, count = (sys.argv[1], int(sys.argv[2])), int(sys.argv[3])
block = bytes(1 << 18)
room = bytearray(1 << 18)
def connected(what):
    client = socket.create_connection(address, 60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(what.ljust(16).encode())
    return client
def put(count):
    with connected(f"put {count}") as client:
        left = count
        while left > 0:
            left -= client.send(block[:left] if left < len(block) else block)
        assert client.recv(1) == b"1"
def get(count):
    with connected(f"get {count}") as client:
        left = count
        while left > 0:
            got = client.recv_into(room)
            assert got
            left -= got
        client.send(b"1")
def rate(action):
    action(1 << 20)
    begun = time.monotonic()
    action(count)
    return count / (1 << 20) / (time.monotonic() - begun)
def trip():
    with connected("echo") as client:
        times = []
        for _ in range(300):
            begun = time.monotonic()
            client.send(b"1")
            assert client.recv(1) == b"1"
            times.append(time.monotonic() - begun)
    return sorted(times)[150] * 1e6
def connects():
    begun = time.monotonic()
    for _ in range(50):
        connected("echo").close()
    return 50 / (time.monotonic() - begun)
print(f"to dom0 {rate(put):.1f} MiB/s, from dom0 {rate(get):.1f} MiB/s, there and back {trip():.0f} us, {connects():.0f} connects/s")
"""


def agent():
    os.makedirs("/run/xensock", exist_ok=True)
    started = start(["xensock", "agent", "--xen", "--socket", SOCKET, "--direct", DIRECT])
    eventually(lambda: "connected to domain 0" in started.err, 60, str(started))
    return started


def measure(way: str, host: str, path=None):
    program = run(
        ["python3", "-c", CLIENT, host, hear("port"), COUNT], preload=path is not None,
        variables={"XENSOCK_SOCKET": path} if path else {}, limit=150,
    )  # fmt: skip
    note(f"{way}: {program.out.strip()}")


@case("netfront and netback", limit=100)
def _():
    measure("netfront, routed", up())


@case("xensockd, copied by the agent and directly", limit=200)
def _():
    first = agent()
    measure("xensockd, copied by the agent", "127.0.0.1", SOCKET)
    measure("xensockd, directly", "127.0.0.1", DIRECT)
    first.kill(signal.SIGTERM)
    tell("measured")


@case("Linux's own backend, copied by the agent", limit=200)
def _():
    hear("linux", 60)
    with agent():
        measure("Linux's pvcalls-back, copied by the agent", "127.0.0.1", SOCKET)
    tell("done")
