import os
import signal
import socket

from xenlab import case, eventually, hear, note, run, start, tell
from xenlab.network import up
from xenlab.traffic import get, measured, put, round_trips

SOCKET, DIRECT = "/run/xensock/xensock.sock", "/run/xensock/direct.sock"
COUNT = 16 << 20
CLIENT = """
import socket, sys, traffic
address = (sys.argv[1], int(sys.argv[2]))
def connected():
    return socket.create_connection(address, 60)
with connected() as client: traffic.put(client, 1 << 20)
with connected() as client: print("to dom0", traffic.measured(traffic.put, client, int(sys.argv[3])), end=", ")
with connected() as client: print("from dom0", traffic.measured(traffic.get, client, int(sys.argv[3])), end=", ")
with connected() as client: print("there and back", traffic.round_trips(client))
"""


def agent():
    os.makedirs("/run/xensock", exist_ok=True)
    started = start(["xensock", "agent", "--xen", "--socket", SOCKET, "--direct", DIRECT])
    eventually(lambda: "connected to domain 0" in started.err, 60, str(started))
    return started


def measure(way: str, host: str, path=None):
    variables = {"PYTHONPATH": "/lab/inside/xenlab"}
    if path:
        variables["XENSOCK_SOCKET"] = path
    program = run(
        ["python3", "-c", CLIENT, host, hear("port"), COUNT], preload=path is not None, variables=variables, limit=150)
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
