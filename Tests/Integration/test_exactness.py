"""What programs may rely on and seldom do: each C program runs natively and under XenSock and must say the same, line by
line: options and their lengths, waiting receives, bad addresses, signals, cancellation, urgent data, readiness.
"""

from harness import environment
from harness.case import Case
from harness.programs import compiled

TABLE = {
    # The test's name: program, arguments.
    "receives_wait_for_as_much_as_they_are_told": ("receive_exact",),
    "what_fits_is_readable_below_a_low_water_mark_beyond_it": ("low_water_full",),
    "urgent_data_and_low_water_work_when_stdio_has_the_connection": ("relay_urgent",),
    "close_waits_as_long_as_it_lingers": ("linger_wait",),
    "bad_addresses_are_errors": ("faults",),
    "bad_arguments_are_told_in_the_kernels_order": ("bad_arguments",),
    "names_of_datagrams_have_the_kernels_bounds": ("message_names",),
    "time_limits_are_inherited_and_hold_for_a_connect_under_way": ("time_limits",),
    "urgent_data_is_marked_and_signalled": ("urgent",),
    "signals_drive_input_and_output": ("async_io",),
    "every_wait_tells_every_state": ("epoll_states",),
    "signals_interrupt_and_restart_calls": ("restarts",),
    "threads_are_cancelled_in_calls": ("cancelled",),
    "a_jump_out_of_a_handler_leaves_the_socket_usable": ("jumps",),
    "options_of_a_fresh_socket_are_read": ("option_table", "4", "fresh", "get"),
    "options_of_a_connection_are_read": ("option_table", "4", "connected", "get"),
    "options_of_a_listener_are_read": ("option_table", "6", "listening", "get"),
    "options_of_a_fresh_socket_are_set": ("option_table", "6", "fresh", "set"),
    "options_of_a_connection_are_set": ("option_table", "4", "connected", "set"),
}


class Exactness(Case):
    limit = 200

    def observe(self, name, arguments, under):
        program = self.call([compiled(name), *arguments], under=under, timeout=28, status=None)
        return program.wait(0), program.err, program.out.splitlines()

    def check(self, name, *arguments):
        # Most of the programs time things by tenths of a second: on a busy machine either run may be late.
        for attempt in range(3):
            status, errors, lines = self.observe(name, arguments, under=False)
            observed = self.observe(name, arguments, under=True)
            if observed == (status, errors, lines) and (status, errors, lines[-1]) == (0, "", "done"):
                return
        self.assertEqual((status, errors, lines[-1]), (0, "", "done"))
        self.assertEqual(observed, (status, errors, lines))


def add_test(name, row):
    def test(self):
        self.check(*row)

    test.__name__ = f"test_{name}"
    setattr(Exactness, test.__name__, test)


for row_name, row in TABLE.items():
    add_test(row_name, row)


class FastOpen(Case):
    def test_fast_open_is_as_where_it_is_switched_off(self):
        off = "ip link set lo up && echo 0 >/proc/sys/net/ipv4/tcp_fastopen && exec $0"
        program = compiled("fast_open")
        native = ["unshare", "-rn", "sh", "-c", off, program]
        expected = self.call(native, under=False).out
        self.assertTrue(expected.endswith("done\n"), expected)
        self.assertEqual(self.call(native if environment.NATIVE else [program], under=True).out, expected)
