"""What test_relaying says, for programs that use a guest's device directly: there the agent relays (PROTOCOL.md, 3.7)."""

import unittest

import test_relaying
from harness.case import xensock_only
from harness.environment import SIMULATION
from harness.service import Guest


def directly(base):
    """The tests of `base` with a guest's agent, on whose device every program is."""

    class Direct(base):
        def setUp(self):
            super().setUp()
            self.guest = Guest(self, self.directory / "guest")

        def start(self, arguments, *, under=False, **options):
            if under:
                options["socket"] = self.guest.direct
            return super().start(arguments, under=under, **options)

    Direct.__name__ = Direct.__qualname__ = f"Direct{base.__name__}"
    Direct.__module__ = __name__
    built = unittest.skipUnless(SIMULATION.exists(), "xen-simulation is not built: swift build")
    return xensock_only("there is no agent")(built(Direct))


DirectSemantics = directly(test_relaying.Semantics)
DirectHanded = directly(test_relaying.Handed)
DirectInetd = directly(test_relaying.Inetd)
DirectBash = directly(test_relaying.Bash)
DirectMany = directly(test_relaying.Many)
DirectMany.connections = 500


class DirectLeaks(directly(test_relaying.Leaks)):
    """Agent and backend are one process, which holds what both hold."""

    def service(self):
        return self.guest

    def path(self, service):
        return service.direct
