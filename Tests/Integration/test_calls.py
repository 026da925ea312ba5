"""Calls that are reached in several ways: natively and under XenSock each program must say the same."""

import os

from harness.case import Case
from harness.programs import compiled


class Calls(Case):
    def check(self, name, *arguments):
        native = self.call([compiled(name), *arguments], timeout=25)
        self.assertTrue(native.out.endswith("done\n"), native.out)
        self.assertEqual(self.call([compiled(name), *arguments], under=True, timeout=25).out, native.out)

    def test_messages_carry_and_take_what_tcp_lets_them(self):
        self.check("ancillary")

    def test_the_last_descriptor_is_enough_for_a_socket(self):
        # As root it goes on as an ordinary user.
        self.check("last_descriptor", *["drop"][: os.geteuid() == 0])

    def test_files_are_sent_from_where_they_say(self):
        self.check("file_transfer")
