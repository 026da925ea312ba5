"""Signal handlers that use sockets in the middle of other calls than send and recv, or leave these for good."""

import unittest

from harness.case import Case
from harness.programs import compiled
from harness.stepping import REASON, steppable

# Every so manieth place that the call comes by. With 1, each: seconds instead of one.
STRIDE = 17


@unittest.skipUnless(steppable(), REASON)
class SteppedCalls(Case):
    limit = 180

    def check(self, subject, *dialects):
        """The handler returns, or leaves the call by siglongjmp(3)."""
        for way in ("", "jump_"):
            for under, dialect in [(False, None), (True, None), *((True, dialect) for dialect in dialects)]:
                program = self.call(
                    [compiled("stepped_calls"), way + subject, STRIDE, 0], under=under, timeout=80,
                    variables={"XENSOCK_DIALECT": dialect} if dialect else {},
                )  # fmt: skip
                self.assertEqual(program.out, "done\n", str(program))

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
