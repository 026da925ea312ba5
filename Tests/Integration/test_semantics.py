"""The socket API as a program sees it: each C program runs natively and under XenSock and must say the same, and its
native peer, where it has one, must see the same.

In native mode each program runs twice natively, which shows that what it says is the same on every run.
"""

import time

from harness.case import Case
from harness.network import Peer, digest, drain, pattern, reset
from harness.programs import compiled


def source(connection):
    """Sends 1000 bytes, then waits for the connection's end."""
    connection.sendall(pattern(1000))
    return drain(connection)


def late_reader(connection):
    """Lets everything fill up, reads all, then answers with 1 MiB."""
    time.sleep(0.5)
    seen = drain(connection)
    connection.sendall(pattern(1 << 20))
    return seen


def answering_each(connection):
    """Answers each byte with one."""
    count = 0
    while connection.recv(1):
        connection.sendall(b"!")
        count += 1
    return f"{count} answered"


def echo(connection):
    """Sends everything back, at the end too."""
    content = b""
    while data := connection.recv(65536):
        connection.sendall(data)
        content += data
    return f"{content!r}"


def acknowledging(connection):
    """Answers when 10 bytes came, then waits for the connection's end."""
    seen = b""
    while len(seen) < 10:
        seen += connection.recv(10)
    connection.sendall(b"ok")
    return drain(connection)


def resetting(connection):
    """Resets the connection when a byte came."""
    connection.recv(1)
    reset(connection)
    return "reset it"


def text(connection):
    """Reads everything, as text."""
    content = b""
    while data := connection.recv(65536):
        content += data
    return content.decode()


TABLE = {
    # The test's name: program, further arguments, the peer's behaviour.
    "close_with_unread_data_resets": ("close_unread", ["unread"], source),
    "close_after_reading_everything_ends_orderly": ("close_unread", ["read"], source),
    "shutdown_loses_no_byte_though_the_ring_was_full": ("shutdown_drain", [], late_reader),
    "options_set_between_writes_reorder_nothing": ("nodelay", [], text),
    "each_arrival_gives_an_edge_triggered_waiter_an_edge": ("edges", [], answering_each),
    "a_connect_under_way_is_awaited_with_poll": ("connect_nonblocking", [], None),
    "a_refused_connect_may_be_repeated": ("connect_refused", [], None),
    "sockets_know_their_names_and_their_peers": ("names", [], None),
    "receive_flags_and_time_limits_hold": ("receive_flags", [], None),
    "writing_to_nobody_gives_epipe_and_sigpipe": ("broken_pipe", [], None),
    "an_address_in_use_is_free_right_after_close": ("address_in_use", [], None),
    "duplicates_are_the_same_socket": ("duplicate", [], None),
    "arrivals_are_accepted_one_by_one": ("accept", [], None),
    "both_directions_flow_at_once": ("duplex", [], None),
    "four_children_accept_from_an_inherited_listener": ("fork_listener", [], None),
    "a_child_uses_an_inherited_connection": ("fork_connection", [], echo),
    "vectors_are_scattered_and_gathered": ("vectors", [], None),
    "poll_and_select_tell_each_state": ("readiness", [], None),
    "epoll_waits_level_once_and_nested": ("epoll", [], None),
    "ioctls_count_and_switch": ("ioctls", [], None),
    "options_are_set_and_read_back": ("options", [], None),
    "signals_interrupt_blocking_calls": ("interrupted", [], None),
    "shutdown_wakes_another_thread": ("shutdown_wakes", [], None),
    "linger_of_zero_resets": ("linger_reset", ["0"], acknowledging),
    "linger_of_some_time_ends_orderly": ("linger_reset", ["2"], acknowledging),
    "names_are_resolved": ("resolve", [], None),
    "addresses_in_digits_are_read_and_written_alike": ("numeric_names", [], None),
    "small_buffers_bound_what_nobody_reads": ("buffers", ["before"], None),
    "buffers_of_a_connection_can_become_small": ("buffers", ["after"], None),
    "a_program_finds_no_descriptor_that_it_did_not_open": ("own_descriptors", [], None),
    "stdio_works_on_a_connection": ("stdio", [], echo),
    "a_reset_by_the_peer_is_reported_once": ("reset_by_peer", [], resetting),
}


class Semantics(Case):
    def observe(self, name, arguments, behaviour, under):
        """Status and output of the program, and what its peer saw."""
        peer = Peer(behaviour) if behaviour else None
        ports = [peer.port] if peer else []
        program = self.call([compiled(name), *ports, *arguments], under=under, timeout=25, status=None)
        self.assertEqual(program.err, "", str(program))
        return program.wait(0), program.out, peer.observed() if peer else []

    def check(self, name, arguments, behaviour):
        native = self.observe(name, arguments, behaviour, under=False)
        self.assertEqual(native[0], 0, native[1])
        self.assertTrue(native[1].endswith("done\n"), native[1])
        self.assertEqual(self.observe(name, arguments, behaviour, under=True), native)
        return native


def add_test(name, row):
    def test(self):
        self.check(*row)

    test.__name__ = f"test_{name}"
    setattr(Semantics, test.__name__, test)


for row_name, row in TABLE.items():
    add_test(row_name, row)


class Peers(Case):
    """What native peers see, where the expectation is known without a native run."""

    def test_close_with_unread_data_is_a_reset_for_the_peer(self):
        peer = Peer(source)
        self.call([compiled("close_unread"), peer.port, "unread"], under=True)
        self.assertTrue(peer.observed()[0].endswith("reset"), peer.observed())

    def test_linger_of_zero_is_a_reset_for_the_peer(self):
        peer = Peer(acknowledging)
        self.call([compiled("linger_reset"), peer.port, "0"], under=True)
        self.assertTrue(peer.observed()[0].endswith("reset"), peer.observed())

    def test_everything_written_before_shutdown_arrives(self):
        peer = Peer(late_reader)
        self.call([compiled("shutdown_drain"), peer.port], under=True)
        self.assertEqual(peer.observed(), [f"{4 << 20} bytes {digest(pattern(4 << 20))} eof"])


class Uninterposed(Case):
    """The kernel may refuse to move bytes to or from a socket, or move them rightly; wrongly never."""

    def moved(self, call, behaviour):
        peer = Peer(behaviour)
        program = self.call([compiled("uninterposed"), peer.port, call], under=True)
        result = program.out.splitlines()[0].removeprefix("moved: ")
        number = int(result) if result.isdigit() else 0
        self.assertTrue(result.isdigit() or result.startswith("E"), program.out)
        return program.out, number, peer.observed()[0]

    def test_sendfile_sends_what_it_says(self):
        _, number, seen = self.moved("sendfile", text)
        self.assertEqual(seen, "head " + "MIDDLE"[:number] + " tail")

    def test_splice_to_a_socket_sends_what_it_says(self):
        _, number, seen = self.moved("splice", text)
        self.assertEqual(seen, "head " + "MIDDLE"[:number] + " tail")

    def test_splice_from_a_socket_takes_what_it_says(self):
        def answer(connection):
            head = connection.recv(5)
            connection.sendall(b"DOWN")
            return head.decode() + text(connection)

        out, _, seen = self.moved("splice-from", answer)
        self.assertEqual(out.splitlines()[1], "down: DOWN")
        self.assertEqual(seen, "head  tail")


class Inherited(Case):
    """A connection as the standard output of other programs."""

    def check(self, *arguments):
        peer = Peer(text)
        program = self.call([compiled("exec_inherited"), peer.port, *arguments], under=True)
        self.assertEqual(program.out, "exec's status: 0\nposix_spawn's status: 0\ndone\n")
        self.assertEqual(peer.observed(), ["before hello between hello after"])

    def test_a_program_that_loads_the_library_writes_to_it(self):
        self.check(compiled("hello"))

    def test_a_shell_writes_to_it(self):
        self.check("/bin/sh", "-c", "printf hel; printf lo")
