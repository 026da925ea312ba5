"""Signal handlers that use sockets in the middle of other calls than send and recv, or leave these for good."""

from harness.stepping import SteppedCase

# Every so manieth place that the call comes by. With 1, each: seconds instead of one.
STRIDE = 17


class SteppedCalls(SteppedCase):
    program = "stepped_calls"

    def check(self, subject, *dialects):
        """The handler returns, or leaves the call by siglongjmp(3)."""
        for way in ("", "jump_"):
            self.step(way + subject, STRIDE, under=False)
            for dialect in (None, *dialects):
                self.step(way + subject, STRIDE, dialect=dialect)

    def test_poll_of_what_is_readable(self):
        self.check("poll")

    def test_poll_of_what_becomes_readable(self):
        self.check("poll_empty", "pvcalls1")

    def test_epoll_wait_for_what_is_readable(self):
        self.check("epoll_wait")

    def test_epoll_wait_for_what_becomes_readable(self):
        self.check("epoll_wait_empty")

    def test_epoll_ctl(self):
        self.check("epoll_ctl")

    def test_a_connection_is_accepted(self):
        self.check("accept", "pvcalls1")

    def test_a_connection_comes_while_accept_finds_none(self):
        self.check("accept_empty")

    def test_a_socket_is_connected(self):
        self.check("connect", "pvcalls1", "draft1")

    def test_a_socket_that_does_not_block_is_connected(self):
        self.check("connect_later", "pvcalls1")

    def test_a_socket_is_closed(self):
        self.check("close", "pvcalls1")

    def test_a_socket_is_replaced(self):
        self.check("dup2")

    def test_a_socket_is_opened(self):
        self.check("socket", "pvcalls1")

    def test_a_datagram_socket_is_opened(self):
        self.check("datagram_socket")
