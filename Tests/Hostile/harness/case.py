"""A case: what the service does wrong, what the program under the library calls, and what must become of it."""

import errno
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

from .service import Service

TOP = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("XENSOCK_BUILD") or TOP / "build").resolve()
LIBRARY = BUILD / "lib" / "libxensock.so"
SERVICE = BUILD / "bin" / "xensockd"
COMMAND = BUILD / "bin" / "xensock"

AGENT = os.environ.get("XENSOCK_TEST_AGENT") == "1"
"""True when what is attacked is an agent with an honest service behind it."""

ERRNO_NAMES = set(errno.errorcode.values())


class Case:
    """One misbehaviour.

    - `steps`: the words of programs/steps.c.
    - `expect`: `STEP=OUTCOME|OUTCOME …`: what a step's result must be: `ok`, an errno's name, or a number. A step
      that is not named may end as it likes, but with an errno that exists.
    - `hello`, `store`, `port`, `attach`, `requests` (a function for a command): what the service does instead of what
      an honest one does; each takes the session first.
    - `echoes`: whether sent bytes come back; `reads`: whether frames are read; `accepts`: whether sessions are, with a
      queue of `backlog` that the case `fills`.
    - `blocks`: the program is expected to wait for ever after this many seconds, and must then end by SIGTERM;
      `waits`: it may have ended by then, or not.
    - `limit`: seconds that the program may take; `cpu`: seconds of processor time.
    """

    def __init__(
        self,
        name,
        steps,
        expect="",
        *,
        hello=None,
        store=None,
        port=None,
        attach=None,
        requests=None,
        echoes=True,
        reads=True,
        accepts=True,
        backlog=16,
        fills=False,
        blocks=0.0,
        waits=0.0,
        limit=15.0,
        cpu=1.0,
        ports=64,
    ):
        self.name = name
        self.steps = steps.split()
        self.expect = expect
        self.hello = hello or (lambda session: session.hello())
        self.store = store or (lambda session: session.store())
        self.port = port or (lambda session, number: None)
        self.attach = attach or honest_attach
        self.requests = requests or {}
        self.echoes = echoes
        self.reads = reads
        self.accepts = accepts
        self.backlog = backlog
        self.fills = fills
        self.blocks = blocks
        self.patience = blocks or waits
        self.limit = limit
        self.cpu = cpu
        self.ports = ports
        self.overtime = 0.0

    def request(self, session, request):
        self.requests.get(request.command, type(session).perform)(session, request)

    def run(self, directory: Path):
        """Raises AssertionError with what went wrong."""
        path = str(directory / "socket")
        service = Service(path, self, self.ports)
        setting = {name: value for name, value in os.environ.items() if not name.startswith(("XENSOCK", "LD_"))}
        setting |= {"LD_PRELOAD": str(LIBRARY), "XENSOCK_SOCKET": path}
        with open(directory / "out", "w+", encoding="utf-8") as out:
            program = subprocess.Popen(
                [directory.parent / "steps", *self.steps],
                env=setting,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
            ended = self.wait(program)
            out.seek(0)
            text = out.read()
        service.listener.close()
        seconds = self.processor_seconds()
        self.judge(ended, seconds, text)

    def wait(self, program) -> int | None:
        """The program's exit status; None if it had to be killed."""
        try:
            if not self.patience:
                return program.wait(self.limit)
            try:
                return program.wait(self.patience)
            except subprocess.TimeoutExpired:
                program.send_signal(signal.SIGTERM)
                return program.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
            return None

    @staticmethod
    def processor_seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def judge(self, status, seconds, text):
        assert status is not None, f"the program hung and had to be killed\n{text}"
        if status < 0:
            name = signal.Signals(-status).name
            assert self.patience and name == "SIGTERM", f"the program was killed by {name}\n{text}"
        else:
            assert status == 0, f"the program ended with status {status}\n{text}"
            assert not self.blocks, f"the program did not wait\n{text}"
        assert seconds <= self.cpu, f"the program used {seconds:.2f} s of processor time\n{text}"
        outcomes = {}
        for line in text.splitlines():
            words = line.split()
            if len(words) != 3 or words[0] not in self.steps:
                continue
            result, error = int(words[1]), words[2]
            assert result >= -1, f"an impossible result\n{text}"
            assert result >= 0 or error in ERRNO_NAMES, f"an impossible errno\n{text}"
            outcomes.setdefault(words[0], []).append(str(result) if result >= 0 else error)
        if status == 0:
            wanted = [step for step in self.steps if step != "exec"]
            assert sum(map(len, outcomes.values())) >= len(wanted), f"steps are missing\n{text}"
        for wanted in self.expect.split():
            step, _, allowed = wanted.partition("=")
            found = outcomes.get(step)
            assert found or status != 0, f"no result of {step}\n{text}"
            for outcome in found or []:
                good = outcome in allowed.split("|") or ("ok" in allowed.split("|") and outcome.isdigit())
                assert good, f"{step} gave {outcome}, not {allowed}\n{text}"


def honest_attach(session, identity, wants_arena):
    """Knows the socket by being the only one there is."""
    for other in session.service.sessions:
        for port in other.placeholders:
            session.sockets[identity] = port
            generation = other.arena.halves[other.arena.status(port)]
            carried = (other.arena.memory, other.doorbell) if wants_arena else ()
            return session.attach_answer(identity, port, generation, arena_id=other.identity, descriptors=carried)
    session.attach_answer(identity, 0, error=9)
