"""Compares what became of the tests natively and under XenSock, and holds the differences against their explanations."""

import fnmatch
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

EXPLANATIONS = Path(__file__).with_name("differences.toml")


@dataclass
class Explanation:
    """Why the tests whose names match one of `tests` differ in the ways `ways`. A class of differences, one `reason`."""

    tests: list[str]
    ways: list[str]
    reason: str
    sometimes: bool = False
    """Whether it is a matter of time, so that there need not be a difference in each run."""
    used: bool = False
    """Whether a difference was found that it explains."""

    def covers(self, way, name):
        return way in self.ways and any(fnmatch.fnmatchcase(name, pattern) for pattern in self.tests)


@dataclass
class Comparison:
    """One module in one way, beside the native run."""

    module: str
    way: str
    same: int = 0
    not_compared: int = 0
    """Tests that do not pass natively here, so that nothing can be said about them."""
    explained: dict[str, Explanation] = field(default_factory=dict)
    unexplained: dict[str, str] = field(default_factory=dict)
    """Names of tests, each with what became of it."""


def explanations():
    with open(EXPLANATIONS, "rb") as file:
        entries = tomllib.load(file).get("difference", [])
    known = {"tests", "ways", "reason", "sometimes"}
    for entry in entries:
        if set(entry) - known or not entry["tests"] or not entry["reason"].strip():
            raise SystemExit(f"{EXPLANATIONS}: a difference has tests, ways and a reason, not {entry}")
    return [
        Explanation(
            entry["tests"], entry.get("ways", ["direct", "agent"]), entry["reason"], entry.get("sometimes", False))
        for entry in entries
    ]


def differing(native, run):
    """Names of the tests that pass natively and do not in `run`."""
    return [name for name, outcome in native.items() if outcome.good and not is_good(run, name)]


def is_good(run, name):
    return name in run and run[name].good


def compare(module, way, native, run, reasons):
    """Compares the outcomes `native` and `run`, which are by test name."""
    comparison = Comparison(module, way)
    different = set(differing(native, run))
    for name, outcome in native.items():
        if name in different:
            reason = next((reason for reason in reasons if reason.covers(way, name)), None)
            if reason:
                reason.used = True
                comparison.explained[name] = reason
            else:
                comparison.unexplained[name] = run[name].kind if name in run else "missing"
        elif outcome.good:
            comparison.same += 1
        else:
            comparison.not_compared += 1
    return comparison
