"""A thread in the middle of a call, at any instruction, while another thread uses or closes the same socket."""

from harness.stepping import SteppedCase


class SteppedThreads(SteppedCase):
    program = "stepped_threads"

    def check(self, subject, stride):
        for under in (False, True):
            self.step(subject, stride, under=under)

    def test_both_send_to_a_stream(self):
        self.check("send_send", 17)

    def test_both_receive_from_a_stream(self):
        self.check("receive_receive", 17)

    def test_both_receive_datagrams(self):
        self.check("datagram_receive_receive", 17)

    def test_one_receives_and_the_other_polls(self):
        self.check("receive_poll", 29)

    def test_one_receives_and_the_other_waits_with_epoll(self):
        self.check("receive_epoll", 29)

    def test_a_stream_is_closed_under_a_send(self):
        self.check("send_close", 19)

    def test_a_stream_is_closed_under_a_receive(self):
        self.check("receive_close", 19)

    def test_a_stream_is_replaced_under_a_send(self):
        self.check("send_dup2", 19)

    def test_a_stream_is_replaced_under_a_receive(self):
        self.check("receive_dup2", 19)

    def test_a_datagram_socket_is_closed_under_a_receive(self):
        self.check("datagram_receive_close", 19)

    def test_a_process_is_forked_under_a_send(self):
        self.check("send_fork", 37)

    def test_a_process_is_forked_under_a_receive(self):
        self.check("receive_fork", 37)

    def test_a_datagram_socket_is_closed_under_a_send(self):
        self.check("datagram_send_close", 19)

    def test_a_datagram_socket_is_replaced_under_a_send(self):
        self.check("datagram_send_dup2", 37)

    def test_a_file_takes_a_streams_number_under_a_send(self):
        self.check("send_file", 17)

    def test_a_file_takes_a_streams_number_under_a_receive(self):
        self.check("receive_file", 17)

    def test_a_file_takes_a_datagram_sockets_number_under_a_send(self):
        self.check("datagram_send_file", 37)

    def test_both_open_and_close_sockets(self):
        self.check("create_create", 37)

    def test_both_open_and_close_datagram_sockets(self):
        self.check("datagram_create_create", 61)
