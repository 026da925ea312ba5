"""Where the products are, how a program is put under XenSock, and the directory and marker of this run."""

import os
import tempfile
from pathlib import Path

SUITE = Path(__file__).resolve().parent.parent
TOP = SUITE.parent.parent
BUILD = Path(os.environ.get("XENSOCK_BUILD") or TOP / "build").resolve()
LIBRARY = BUILD / "lib" / "libxensock.so"
SERVICE = BUILD / "bin" / "xensockd"
COMMAND = BUILD / "bin" / "xensock"

NATIVE = os.environ.get("XENSOCK_TEST_NATIVE") == "1"
"""True when every program runs without XenSock, which validates the tests themselves."""

AGENT = os.environ.get("XENSOCK_TEST_AGENT") == "1" and not NATIVE
"""True when an agent stands between every program and its service."""

BULK = int(os.environ.get("XENSOCK_TEST_BULK") or 1 << 30)
"""Size of a bulk transfer in bytes."""

SIMULATION = Path(os.environ.get("XENSOCK_SIMULATION") or TOP / ".build" / "debug" / "xen-simulation").resolve()
"""An agent and its backend domain in one process, over a simulated Xen; made by `swift build`."""

PYTHON = "/usr/bin/python3.11"

MARK = "XENSOCK_TEST_MARK"
"""Name of the environment variable that every process of the suite carries: `run.test`."""

RUN = Path(os.environ.get("XENSOCK_TEST_RUN") or tempfile.gettempdir())
"""Directory of this run, readable by every user since programs of the suite drop privileges."""


def products_missing() -> list[str]:
    """The products that are not there, as paths."""
    return [str(path) for path in (LIBRARY, SERVICE, COMMAND) if not path.exists()]


def clean_environment() -> dict[str, str]:
    """The caller's environment without settings of XenSock, of preloading and of proxies, with the marker."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "LD_PRELOAD"
        and not name.lower().endswith("_proxy")
        and (not name.startswith("XENSOCK_") or name == MARK)
    }
    kept["LC_ALL"] = "C.UTF-8"
    return kept


def inside(arguments, *, isolate=True, socket=None, products=BUILD) -> list[str]:
    """The command line that runs `arguments` under XenSock: in a network namespace of its own if `isolate`, with the
    service at the path `socket` or else with a private one, and with the products of `products`. In native mode the
    command line itself. A private service has an agent before it if the suite runs through agents."""
    arguments = [str(argument) for argument in arguments]
    if NATIVE:
        return arguments
    options = ["--isolate"] if isolate else []
    if socket is not None:
        options += ["--socket", str(socket)]
    elif AGENT:
        options += ["--agent"]
    return [str(products / "bin" / "xensock"), "run", *options, "--", *arguments]
