import os
import signal
import sys

from xenlab import case, eventually, hear, run, start, tell

os.makedirs("/run/xensock", exist_ok=True)
DIRECT = "/run/xensock/direct.sock"
with open("/run/policy.toml", "w") as file:
    file.write('default = "allow"\nallow_users = ["*"]\n')
port = hear("server", 60)


@case("a kernel that has no bpf in lsm= has no fence: the log says so, and user 0 alone is served", limit=700)
def _():
    agent = start(["xensock", "agent", "--xen", "--socket", "/run/xensock/xensock.sock", "--direct", DIRECT, "--fence"]
                  + ["--policy", "/run/policy.toml"])  # fmt: skip
    eventually(lambda: "listens at" in agent.err or agent.process.poll() is not None, 40, "an agent that listens")
    assert "can allocate grants" in agent.err and "add bpf to lsm=" in agent.err, str(agent)
    assert agent.err.count("--fence:") == 1, str(agent)
    asks = [sys.executable, "/lab/scenario/attacker.py", "asks", DIRECT]
    assert run(asks, user=65534).out.strip() == "connect EACCES"
    run([sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}))"], preload=True,
        variables={"XENSOCK_SOCKET": DIRECT})  # fmt: skip
    agent.kill(signal.SIGTERM)
    tell("over")
    hear("done", 600)
