import os
import time

from xenlab import USER, case, eventually, hear, note, run, start, tell

SOCKET = "/run/xensock/xensock.sock"
CLIENT = """
import socket, sys, traffic
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
{"put": traffic.put, "get": traffic.get}[sys.argv[2]](client, 1 << 20)
print("done")
"""

with open("/run/agent.toml", "w") as policy:
    policy.write('default = "allow"\nallow_users = ["*"]\n')
agent = start(["xensock", "agent", "--xen", "--socket", SOCKET, "--policy", "/run/agent.toml"])


@case("the agent connects the device and serves", limit=60)
def _():
    eventually(lambda: os.path.exists(SOCKET) or agent.process.poll() is not None, 50)
    assert agent.process.poll() is None, agent


@case("is served all the while", limit=130)
def _():
    transfers = 0
    tell("ready")
    while hear("go-on") == "yes":
        for direction in ("put", "get"):
            program = run(
                ["python3", "-c", CLIENT, hear("traffic"), direction], user=USER, preload=True, limit=30,
                variables={"XENSOCK_SOCKET": SOCKET, "PYTHONPATH": "/lab/inside/xenlab"},
            )  # fmt: skip
            assert program.out == "done\n", program
            transfers += 1
        time.sleep(0.2)
    assert transfers >= 6, transfers
    note(f"{transfers} transfers of 1 MiB beside the hostile guest")
