"""The driver domain, twice: xensockd for another guest, and servers on its loopback."""

import os
import signal
import socket
from pathlib import Path

from xenlab import case, eventually, hear, linger, run, start, store, tell
from xenlab.leaks import descriptors, mappings
from xenlab.traffic import get, put
from xenlab.web import Web

POLICY = Path("/run/policy.toml")
RULES = """default = "allow"
[[rule]]
action = "deny"
domains = ["user"]
ports = [9]
error = "EPERM"
[[rule]]
action = "deny"
domains = ["another"]
ports = [10]
error = "EHOSTUNREACH"
[[rule]]
action = "allow"
operations = ["bind"]
domains = [{user}]
ports = [80]
"""
life = int(hear("life", 60))
user = int(hear("user", 200))
run(["ip", "link", "set", "lo", "up"])
# Which only the control domain needs.
run(["umount", "/proc/xen"])
os.makedirs("/run/xensock", exist_ok=True)
POLICY.write_text(RULES.format(user=user))
web = Web(64 << 20)
tell("files", web.port)
tell("digest", web.digest)


def serve():
    started = start(["xensockd", "--xen", "--policy", POLICY, "--socket", "/run/xensock/xensock.sock"])
    eventually(lambda: "listens at" in started.err or started.process.poll() is not None, 20, "a service")
    assert started.process.poll() is None, started
    return started


daemon = serve()
tell("serves")


def first_life():
    @case("serves the device that xl made, of a guest whose name it may not read", limit=90)
    def _():
        eventually(lambda: "connected, xensock2" in daemon.err, 60, "a connected device")
        assert store.read(f"/local/domain/{user}/name") is None and store.list("/local/domain") == []
        assert daemon.err.count("its name is not to be read here") == 1 and "error:" not in daemon.err, daemon.err

    @case("may neither make nor remove devices, and says so")
    def _():
        for arguments in (["attach", user], ["attach", "user"], ["detach", user], ["detach", "user"]):
            refused = run(["xensock", *arguments], status=1)
            assert "only the control domain makes and removes devices" in refused.err, refused

    @case("reaches a server in the guest", limit=240)
    def _():
        port = int(hear("listening", 230))
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            put(client, 4 << 20)
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            get(client, 4 << 20)
        tell("reached")

    @case("kills its service and starts it again", limit=120)
    def _():
        global daemon
        hear("kill", 60)
        daemon.kill(signal.SIGKILL)
        daemon = serve()
        tell("killed")
        hear("works", 60)

    linger()


def second_life():
    before = descriptors(daemon.pid)

    @case("serves the device that dom0 made, of a guest whose name it may read", limit=90)
    def _():
        eventually(lambda: "connected, xensock2" in daemon.err, 60, "a connected device")
        assert "name=user" in daemon.err and "its name" not in daemon.err, daemon.err

    @case("notices the guest's end, and keeps nothing of it", limit=200)
    def _():
        hear("destroyed", 190)
        eventually(lambda: mappings(daemon.pid) == 0, 10, "no page is mapped")
        # The device of grants stays open for the next guest.
        before["/dev/xen/gntdev"] = 1
        eventually(lambda: descriptors(daemon.pid) == before, 10, f"{before} is open")
        assert not store.list("backend/pvcalls") and "error:" not in daemon.err, daemon.err
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.wait(10) == 0, daemon


first_life() if life == 1 else second_life()
