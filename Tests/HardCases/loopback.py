"""A network namespace with a loopback interface only, in which ports are nobody else's."""

import os
import subprocess
import sys

MARK = "XENSOCK_CASES_NETWORK"


def enter_own_network():
    """Executes this program again in a network namespace of its own whose loopback is up; a user that may make one is
    root there. Where none can be made the programs share the machine's loopback."""
    if MARK in os.environ:
        del os.environ[MARK]
        return
    own = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
    up = ["sh", "-c", 'ip link set lo up && ip route add 224.0.0.0/4 dev lo && exec "$@"', "sh"]
    if subprocess.run(own + up + ["true"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
        os.environ[MARK] = "1"
        os.execvp("unshare", own + up + [sys.executable, *sys.argv])
