"""Judges a boot by its reports and by its console, and prints a line a case."""

import json
import re
import time

MARK = "@@lab "
FAULTS = re.compile(
    r"BUG:|WARNING:|Oops|general protection|Call Trace|hung task|blocked for more than|Bad page map|Bad rss-counter"
    r"|[Kk]ernel panic|Xen BUG|FATAL TRAP|Panic on CPU",
)
"""What neither a kernel nor Xen may print."""

TAIL = 40
"""Lines of the console that are shown with a boot's failures."""


class Judge:
    def __init__(self, scenario, verbose: bool):
        self.scenario = scenario
        self.verbose = verbose
        self.passed = self.failed = 0
        self.outstanding: dict[str, list[str]] = {}
        """The planned cases of each domain that have not reported."""
        self.running: dict[str, str] = {}
        self.ended: set[str] = set()
        self.destroyed: set[str] = set()
        self.begun = time.monotonic()

    def line(self, good: bool, seconds: float, name: str, message: str = ""):
        self.passed += good
        self.failed += not good
        print(f"{'ok    ' if good else 'FAILED'} {seconds:7.2f} s  {self.scenario.name}: {name}", flush=True)
        if not good and message:
            print("".join(f"       | {line}\n" for line in message.rstrip().splitlines()), end="", flush=True)

    def note(self, text: str):
        print(f"-                 {self.scenario.name}: {text}", flush=True)

    def report(self, text: str):
        """Takes one line of the second serial port."""
        if not text.startswith(MARK):
            return
        try:
            report = json.loads(text.removeprefix(MARK))
            domain, event = report["domain"], report["event"]
        except (ValueError, KeyError):
            self.line(False, 0, f"a garbled report: {text}")
            return
        if event == "plan":
            self.outstanding.setdefault(domain, []).extend(report["names"])
            self.note(f"{domain} begins after {time.monotonic() - self.begun:.1f} s")
        elif event == "begin":
            self.running[domain] = report["name"]
        elif event == "note":
            self.note(f"{domain}: {report['text']}")
        elif event == "case":
            planned = self.outstanding.get(domain, [])
            if report["name"] in planned:
                planned.remove(report["name"])
            self.running.pop(domain, None)
            self.line(report["ok"], report["seconds"], f"{domain}: {report['name']}", report["message"])
        elif event == "end":
            self.ended.add(domain)
        elif event == "destroyed":
            self.destroyed.add(domain)
        elif event == "lost":
            self.line(False, 0, f"{domain}: the domain ended in the middle of its cases")

    def close(self, console: str, late: bool, errors: str, seconds: float):
        """Takes the console's text, whether the deadline ended the machine, and what the emulator complained about."""
        before = self.failed
        for domain, names in self.outstanding.items():
            for name in names:
                running = "still ran at the end" if self.running.get(domain) == name else "never reported"
                self.line(False, 0, f"{domain}: {name}", running)
        # A domain that another's script starts need not be; one that reported anything must come to its end.
        expected = {"dom0"} | {guest.name for guest in self.scenario.guests if guest.start} | set(self.outstanding)
        for domain in sorted(expected - self.ended - self.destroyed):
            self.line(False, 0, f"{domain}: came to the end of its cases")
        lines = console.splitlines()
        faults = [number for number, line in enumerate(lines) if FAULTS.search(line)]
        message = ""
        if faults:
            message = "\n".join(lines[max(0, faults[0] - 3) : faults[0] + TAIL])
        self.line(not faults, seconds, "no kernel, nor Xen, printed a fault", message)
        if late:
            self.line(False, seconds, f"the machine was off after {self.scenario.deadline} s of computing")
        if self.failed > before or self.failed and not lines:
            shown = lines[-TAIL:] if not self.verbose else lines
            print("       the console's end:\n" + "".join(f"       | {line}\n" for line in shown), end="")
            if errors:
                print("".join(f"       | {line}\n" for line in errors.splitlines()[-10:]), end="", flush=True)
