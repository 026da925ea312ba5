"""Signal handlers that use a socket in the middle of a call on it, or leave the call for good, at any instruction."""

from harness.stepping import SteppedCase

# Every so manieth instruction. With 1, each: minutes instead of seconds.
STRIDE = 11
PAIRS = 30


class Stepped(SteppedCase):
    program = "stepped"

    def check(self, subject, pairs=PAIRS, dialect=None):
        for under in (True,) if dialect else (False, True):
            self.step(subject, STRIDE, pairs=pairs, under=under, dialect=dialect)

    def test_a_stream_is_sent_to(self):
        self.check("send")

    def test_a_stream_is_received_from(self):
        self.check("receive")

    def test_datagrams_are_sent(self):
        self.check("datagram_send")

    def test_datagrams_are_received(self):
        self.check("datagram_receive")

    def test_a_stream_of_version_1_is_sent_to(self):
        self.check("send", dialect="pvcalls1")

    def test_a_stream_of_version_1_is_received_from(self):
        self.check("receive", dialect="pvcalls1")

    def test_sending_to_a_stream_is_left(self):
        self.check("jump_send", 0)

    def test_receiving_from_a_stream_is_left(self):
        self.check("jump_receive", 0)

    def test_sending_to_a_stream_of_version_1_is_left(self):
        self.check("jump_send", 0, dialect="pvcalls1")

    def test_sending_a_datagram_is_left(self):
        self.check("jump_datagram_send", 0)

    def test_receiving_a_datagram_is_left(self):
        self.check("jump_datagram_receive", 0)
