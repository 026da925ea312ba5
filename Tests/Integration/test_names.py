"""Names, interfaces: what the backend domain knows is what a program finds, by whatever function it asks."""

import os

from harness.case import Case, xensock_only
from harness.environment import COMMAND, PYTHON, SUITE, inside
from harness.programs import compiled


class Lookups(Case):
    def beside_a_name_server(self, command):
        """A command line that runs another beside a name server for the zone "test", in namespaces of its own."""
        configuration = self.directory / "resolv.conf"
        configuration.write_text("nameserver 127.0.0.1\nsearch test\noptions timeout:2\n")
        script = 'test ! -e /etc/resolv.conf || mount --bind "$0" /etc/resolv.conf; exec "$@"'
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        server = [PYTHON, SUITE / "programs" / "name_server.py", *command]
        return ["unshare", *user, "--mount", "--net", "sh", "-c", script, configuration, *server]

    def test_every_function_finds_what_the_backend_domain_knows(self):
        program = compiled("lookups")
        native = self.call(self.beside_a_name_server([program]))
        self.assertTrue(native.out.endswith("done\n"), str(native))
        self.assertIn("res_query: ", native.out)
        actual = self.call(self.beside_a_name_server(inside([program])))
        self.assertEqual(actual.out, native.out)

    @xensock_only("it is the policy")
    def test_the_policy_decides_on_names_however_they_are_asked_for(self):
        policy = self.directory / "policy.toml"
        policy.write_text('default = "deny"\n[[rule]]\naction = "allow"\nnames = ["host.test"]\n')
        command = [COMMAND, "run", "--isolate", "--policy", policy, "--", compiled("lookups"), "host.test", "denied.test"]
        program = self.call(self.beside_a_name_server(command))
        refused = "Resolver internal error EACCES"
        self.assertEqual(program.out, f"host.test: found 0, sent: found 0\ndenied.test: {refused}, sent: {refused}\n")


class Interfaces(Case):
    def test_a_program_sees_the_interfaces_of_its_sockets(self):
        program = compiled("interfaces")
        native = self.call([program])
        self.assertIn("lo flags", native.out)
        self.assertEqual(self.call([program], under=True).out, native.out)

    @xensock_only("it is the policy")
    def test_a_policy_hides_the_interfaces(self):
        policy = self.directory / "policy.toml"
        policy.write_text('default = "allow"\ninterfaces = "frontend"\n')
        program = compiled("interfaces")
        hidden = self.call([COMMAND, "run", "--isolate", "--policy", policy, "--", program])
        own = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net", program]
        self.assertEqual(hidden.out, self.call(own).out)
        self.assertNotEqual(hidden.out, self.call([program]).out)
