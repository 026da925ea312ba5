"""Datagram and raw sockets: what a program sees of them is what it sees natively."""

import sys
from pathlib import Path

from harness.case import Case
from harness.environment import PYTHON
from harness.programs import compiled

PROGRAM = Path(__file__).resolve().parent / "programs" / "datagrams.py"


class Datagrams(Case):
    def check(self, subject):
        outputs = []
        for under in (False, True):
            program = self.call([PYTHON, PROGRAM, subject], under=under, timeout=25)
            self.assertEqual(program.err, "", str(program))
            self.assertTrue(program.out.endswith("done\n"), str(program))
            self.assertNotIn("at line", program.out, str(program))
            outputs.append(program.out)
        self.assertEqual(outputs[1], outputs[0])

    def test_an_error_queue_that_is_not_empty_hides_nothing(self):
        outputs = [self.call([PYTHON, PROGRAM.with_name("error_queue.py")], under=under).out for under in (False, True)]
        self.assertIn("PRI ERR [1, 0, 1]", outputs[0])
        self.assertEqual(outputs[1], outputs[0])

    def test_a_handler_sends_and_receives_in_the_middle_of_both(self):
        for under in (False, True):
            program = self.call([compiled("datagram_handler"), 2], under=under, timeout=20)
            self.assertEqual(program.out, "broken: 0, enough of both: 1\ndone\n", str(program))


def subjects():
    sys.path.insert(0, str(PROGRAM.parent))
    try:
        import datagrams
    finally:
        sys.path.pop(0)
    return [subject.__name__ for subject in datagrams.SUBJECTS]


def add_test(subject):
    def test(self):
        self.check(subject)

    test.__name__ = f"test_{subject}_as_natively"
    setattr(Datagrams, test.__name__, test)


for name in subjects():
    add_test(name)
