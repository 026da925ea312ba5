"""The death of a process in the middle of a call, at any instruction: another that has the same socket goes on."""

import unittest

from harness.case import Case
from harness.programs import compiled
from harness.stepping import REASON, steppable


@unittest.skipUnless(steppable(), REASON)
class SteppedKill(Case):
    limit = 180

    def check(self, subject, stride):
        """Kills before every `stride`th instruction: with 1, minutes instead of seconds."""
        for under in (False, True):
            program = self.call([compiled("stepped_kill"), subject, stride, 0], under=under, timeout=80)
            self.assertEqual(program.out, "done\n", str(program))

    def test_a_stream_is_sent_to(self):
        self.check("warm_send", 3)

    def test_a_full_stream_is_sent_to(self):
        self.check("warm_full", 37)

    def test_a_stream_is_received_from(self):
        self.check("warm_receive", 5)

    def test_a_stream_is_received_from_to_its_end(self):
        self.check("warm_drain", 67)

    def test_a_stream_of_which_more_comes_is_received_from(self):
        self.check("warm_stall", 9)

    def test_a_datagram_is_sent(self):
        self.check("warm_datagram_send", 5)

    def test_a_datagram_is_received(self):
        self.check("warm_datagram_receive", 5)

    def test_the_first_call_of_a_process_sends_to_a_stream(self):
        self.check("send", 311)

    def test_the_first_call_of_a_process_receives_a_datagram(self):
        self.check("datagram_receive", 311)
