"""The death of a process in the middle of a call, at any instruction: another that has the same socket goes on."""

from harness.stepping import SteppedCase


class SteppedKill(SteppedCase):
    program = "stepped_kill"

    def check(self, subject, stride, dialect=None):
        for under in (True,) if dialect else (False, True):
            self.step(subject, stride, under=under, dialect=dialect)

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
        self.check("send", 61)

    def test_the_first_call_of_a_process_receives_a_datagram(self):
        self.check("datagram_receive", 61)

    def test_a_stream_of_version_1_is_sent_to(self):
        self.check("warm_send", 7, "pvcalls1")

    def test_a_stream_of_version_1_is_received_from(self):
        self.check("warm_receive", 7, "pvcalls1")

    def test_a_full_stream_of_version_1_is_sent_to(self):
        self.check("warm_full", 61, "pvcalls1")

    def test_a_stream_of_version_1_of_which_more_comes_is_received_from(self):
        self.check("warm_stall", 31, "pvcalls1")

    def test_a_stream_of_the_first_draft_is_sent_to(self):
        self.check("warm_send", 13, "draft1")

    def test_a_stream_of_the_first_draft_is_received_from(self):
        self.check("warm_receive", 13, "draft1")
