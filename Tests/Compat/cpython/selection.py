"""Which of CPython's test modules are compared, with their limits, and the part of them that `make test` runs."""

import re
from dataclasses import dataclass
from pathlib import Path

PYTHON = "/usr/bin/python3.11"
PACKAGE = Path("/usr/lib/python3.11/test")

MODULES = """
    test_socket test_select test_poll test_epoll test_selectors test_asyncio test_ssl test_socketserver test_httplib
    test_httpservers test_ftplib test_smtplib test_imaplib test_poplib test_telnetlib test_urllib2_localnet test_xmlrpc
    test_wsgiref test_asyncore test_subprocess test_multiprocessing_fork test_multiprocessing_forkserver
    test_multiprocessing_spawn
""".split()
"""In the order of the table. A package stands for its submodules."""

TEST_LIMIT = 60
"""Seconds after which a single test counts as hanging. The longest that passes natively takes about 30."""

QUICK = {
    "test_select": r"",
    "test_poll": r"",
    "test_epoll": r"",
    "test_selectors": r"",
    "test_socketserver": r"",
    "test_telnetlib": r"",
    "test_socket": r"\.(GeneralModuleTests|BasicTCPTest|BasicTCPTest2|NonBlockingTCPTests|FileObject\w*|Unbuffered\w*"
    r"|LineBuffered\w*|SmallBuffered\w*|NetworkConnection\w*|SendfileUsing\w*|ContextManagersTest|TestSocketSharing"
    r"|SendmsgStreamTests|SendmsgTCPTest|Recvmsg(Into)?TCPTest|InheritanceTest|NonblockConstantTest)\.",
}
"""Modules of the quick part, each with a pattern that its tests' names have to contain."""


@dataclass(frozen=True)
class Module:
    """One run: a module `name` as the table shows it, and what is imported for it."""

    name: str
    imported: tuple[str, ...]
    pattern: str = ""


def modules(names=(), quick=False):
    """The modules named, or all; `test_asyncio.test_events` names one submodule. Of the quick part if `quick`."""
    chosen = []
    for name in names or (QUICK if quick else MODULES):
        directory = PACKAGE / name.replace(".", "/")
        if directory.is_dir():
            submodules = sorted(path.stem for path in directory.glob("test_*.py"))
            imported = tuple(f"test.{name}.{submodule}" for submodule in submodules)
        elif directory.with_suffix(".py").exists():
            imported = (f"test.{name}",)
        else:
            raise SystemExit(f"no such module of CPython's tests: {name}")
        chosen.append(Module(name, imported, QUICK.get(name, "") if quick else ""))
    return chosen


def matches(test, pattern):
    return not pattern or re.search(pattern, test) is not None
