"""Runs tests of one of CPython's test modules: worker.py EVENTS ORDER.

ORDER is a file with an object in JSON: `module` to import, `pattern` that names must contain, `only` these tests or
null for all, `without` these. What happens is appended to the file EVENTS, one object in JSON a line, so that it stays
known if a test hangs or the process dies:

    {"plan": [names]}                    before the first test
    {"begin": name}
    {"end": name, "as": outcome, "why": text}    pass, skip, fail, xfail, or unexpected (a success)
    {"module": "skip" or "fail", "why": text}    the module could not be loaded
    {"done": true}
"""

import faulthandler
import json
import os
import re
import signal
import sys
import traceback
import unittest

WORKER = os.getpid()


class Events:
    """Opened for each line: a descriptor of ours must not be in the way of tests that count or close theirs."""

    def __init__(self, path):
        self.path = path

    def write(self, **event):
        if os.getpid() != WORKER:
            return
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, json.dumps(event).encode() + b"\n")
        finally:
            os.close(descriptor)


class Result(unittest.TestResult):
    def __init__(self, events):
        super().__init__()
        self.events = events
        self.outcome = None

    def startTest(self, test):
        super().startTest(test)
        self.outcome = None
        print(f"\n== {test.id()}", file=sys.stderr, flush=True)
        self.events.write(begin=test.id())

    def stopTest(self, test):
        super().stopTest(test)
        outcome, why = self.outcome or ("pass", "")
        self.events.write(end=test.id(), **{"as": outcome}, why=why)

    def settle(self, test, outcome, why):
        """The first outcome that is not a success counts. A failed fixture of a class or module has no test."""
        print(why, file=sys.stderr, flush=True)
        if not isinstance(test, unittest.TestCase):
            self.events.write(end=test.id(), **{"as": outcome}, why=why)
        elif self.outcome is None or self.outcome[0] == "skip":
            self.outcome = (outcome, why)

    def report(self, test, error):
        self.settle(test, "fail", "".join(traceback.format_exception(*error)))

    def addError(self, test, error):
        self.report(test, error)

    def addFailure(self, test, error):
        self.report(test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.report(test, error)

    def addSkip(self, test, reason):
        case = getattr(test, "test_case", test)
        self.settle(case, "skip", reason)

    def addExpectedFailure(self, test, error):
        self.settle(test, "xfail", "")

    def addUnexpectedSuccess(self, test):
        self.settle(test, "unexpected", "a success where a failure was expected")


def flatten(suite):
    for entry in suite:
        if isinstance(entry, unittest.TestSuite):
            yield from flatten(entry)
        else:
            yield entry


def main():
    events = Events(os.path.abspath(sys.argv[1]))
    with open(sys.argv[2], encoding="utf-8") as file:
        order = json.load(file)
    faulthandler.enable(file=sys.__stderr__, all_threads=True)
    # A shell that runs this in the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # As Debian's package of the tests is found: beside the standard library, and not this file's directory first.
    sys.path.pop(0)
    from test import support
    from test.support import os_helper

    # The network is what there is in the namespace; no sound, no gigabytes on the disk.
    support.use_resources = ["network", "cpu", "subprocess", "walltime"]
    support.verbose = 1
    with os_helper.temp_cwd():
        try:
            loader = unittest.TestLoader()
            suite = loader.loadTestsFromName(order["module"])
            if loader.errors:
                raise ImportError("\n".join(loader.errors))
        except unittest.SkipTest as skip:
            events.write(module="skip", why=str(skip))
            return
        except BaseException:
            events.write(module="fail", why=traceback.format_exc())
            return
        only = None if order["only"] is None else set(order["only"])
        without = set(order["without"])
        tests = [
            test
            for test in flatten(suite)
            if re.search(order["pattern"], test.id())
            and (only is None or test.id() in only)
            and test.id() not in without
        ]
        events.write(plan=[test.id() for test in tests])
        # A suite, not each test by itself: it runs the fixtures of classes and modules.
        unittest.TestSuite(tests).run(Result(events))
        events.write(done=True)


if __name__ == "__main__":
    main()
