"""dom0's view of the guests: starting and destroying them, words with them, their consoles and reports."""

import json
import subprocess
import threading
import time
from pathlib import Path

from . import report
from .rendezvous import FROM_DOM0, FROM_GUEST
from .store import store

CONFIGURATIONS = Path("/lab/guests")
_guests = {}


def xl(*arguments, limit: float = 60, status=0) -> str:
    """Runs xl; its output."""
    done = subprocess.run(
        ["xl", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit
    )
    if status is not None and done.returncode != status:
        raise AssertionError(f"xl {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Guest:
    """A guest of the scenario, started or not."""

    def __init__(self, name: str):
        self.name = name
        self.id = None
        """Its domain's number, once started."""
        self.ended = threading.Event()
        """Set once it has reported the end of its cases, or was destroyed."""
        self.destroyed = False
        self.saved = False
        self.life = 0

    def start(self, *lines: str):
        """Creates the domain, with further lines for xl's configuration, waits until it is up and lets it begin."""
        self.create(*lines)
        self.let_begin()
        return self

    def let_begin(self):
        self.hear("here", 180)
        self.tell("begin")

    def create(self, *lines: str):
        """Creates the domain and follows its console. Its script does not begin before `let_begin()`."""
        configuration = Path(f"/run/xen/{self.name}.cfg")
        text = (CONFIGURATIONS / f"{self.name}.cfg").read_text()
        configuration.write_text(text + "".join(f"{line}\n" for line in lines))
        self.ended.clear()
        self.destroyed = False
        self.life += 1
        log = Path(f"/var/log/xen/guest-{self.name}.log")
        log.unlink(missing_ok=True)
        xl("create", "-q", configuration)
        self.id = int(xl("domid", self.name))
        threading.Thread(target=self._follow, args=(log,), daemon=True).start()

    @property
    def path(self) -> str:
        """Its directory in XenStore."""
        return f"/local/domain/{self.id}"

    @property
    def alive(self) -> bool:
        return self.id is not None and store.read(f"{self.path}/domid") is not None

    def tell(self, word: str, value="1"):
        store.write(f"{self.path}/{FROM_DOM0}/{word}", value)

    def hear(self, word: str, limit: float = 60) -> str:
        """The value that the guest told, once it has."""
        return store.wait(f"{self.path}/{FROM_GUEST}/{word}", limit=limit)

    def destroy(self):
        """Ends the domain at once, as `xl destroy`; its cases need not have ended."""
        self.destroyed = True
        xl("destroy", self.name)
        self.ended.set()
        report.line(json.dumps({"domain": self.name, "event": "destroyed"}))

    def save(self, path: str):
        """Saves the domain to a file, which ends it for the time being."""
        self.saved = True
        xl("save", self.name, path, limit=100)

    def restore(self, path: str):
        """Restores it from there; it has another number then."""
        xl("restore", f"/run/xen/{self.name}.cfg", path, limit=100)
        self.id = int(xl("domid", self.name))
        self.saved = False

    def _follow(self, log: Path):
        """Hands on the guest's console: reports to the judge, other lines to dom0's console."""
        life = self.life
        rest = b""
        position = 0
        quiet = 0
        while quiet < 20:
            data = b""
            if log.exists():
                with open(log, "rb") as file:
                    file.seek(position)
                    data = file.read()
            position += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._hand_on(line.decode(errors="replace").rstrip("\r"))
            if data:
                quiet = 0
            elif self.life != life or not (self.alive or self.saved):
                quiet += 1
            time.sleep(0.05)
        self._hand_on(rest.decode(errors="replace"))

    def _hand_on(self, line: str):
        if line.startswith(report.MARK):
            text = line.removeprefix(report.MARK)
            try:
                event = json.loads(text)["event"]
            except ValueError:
                report.say(f"[{self.name}] garbled report: {text}")
                return
            report.line(text)
            if event == "end":
                self.ended.set()
        elif line:
            report.say(f"[{self.name}] {line}")


def guest(name: str) -> Guest:
    """The guest of a name."""
    if name not in _guests:
        assert (CONFIGURATIONS / f"{name}.cfg").exists(), f"the scenario has no guest {name}"
        _guests[name] = Guest(name)
    return _guests[name]


def start_all():
    """Starts the scenario's guests. None begins before all are up, so that no limit of a case counts another's start."""
    started = [guest(name) for name in (CONFIGURATIONS / "started").read_text().split()]
    for one in started:
        one.create()
    for one in started:
        one.let_begin()


def wait_for_all():
    """Waits for the end of every started guest's cases; one that is gone before that is reported as lost."""
    for one in _guests.values():
        if one.id is None:
            continue
        gone = None
        while not one.ended.wait(0.1):
            if one.alive:
                gone = None
            elif gone is None:
                gone = time.monotonic()
            elif time.monotonic() - gone > 3:
                report.line(json.dumps({"domain": one.name, "event": "lost"}))
                break
