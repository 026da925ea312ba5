"""io_uring cannot be seen by a library: an isolated program finds none, and does without."""

from harness.case import Case, xensock_only
from harness.environment import COMMAND, NATIVE
from harness.network import Peer
from harness.programs import compiled


def text(connection):
    content = b""
    while data := connection.recv(65536):
        content += data
    return content.decode()


SCRIPT = """
const fs = require('fs'), net = require('net'), port = Number(process.argv[1]), file = process.argv[2];
fs.readFile(file, 'utf8', (error, content) => {
    if (error) throw error;
    const connection = net.connect(port, '127.0.0.1', () => connection.end(content));
    connection.on('close', () => console.log('closed'));
});
"""


class IOUring(Case):
    def run_program(self, *options):
        peer = Peer(text)
        command = [COMMAND, "run", *options, "--", compiled("io_uring"), peer.port]
        return self.call(command).out.splitlines()[0], peer

    @xensock_only("nothing forbids it")
    def test_an_isolated_program_finds_none_and_sends_otherwise(self):
        found, peer = self.run_program("--isolate")
        self.assertEqual(found, "io_uring_setup: ENOSYS")
        self.assertEqual(peer.observed(), ["hello"])

    @xensock_only("nothing forbids it")
    def test_it_is_allowed_and_forbidden_as_told(self):
        native = Peer(text)
        has = self.call([compiled("io_uring"), native.port]).out.splitlines()[0]
        self.assertEqual(native.observed(), ["hello"])
        found, peer = self.run_program("--io-uring", "deny")
        self.assertEqual(found, "io_uring_setup: ENOSYS")
        self.assertEqual(peer.observed(), ["hello"])
        for options in (["--isolate", "--io-uring", "allow"], []):
            self.assertEqual(self.run_program(*options)[0], has)

    def test_its_poll_sees_connections_as_they_are(self):
        """The placeholder is polled by the kernel, whoever asks."""
        command = [compiled("uring_poll")]
        expected = [
            "quiet: nothing", "data: 1 IN", "recv: 4", "taken: nothing", "room: 3 OUT", "the end: 2 IN", "recv: 0",
            "no connection: nothing", "a connection: 4 IN", "accept: 0", "done",
        ]
        if not NATIVE:
            command = [COMMAND, "run", "--isolate", "--io-uring", "allow", "--", *command]
        program = self.call(command)
        if "io_uring_setup failed" in program.out:
            self.skipTest("this kernel has no io_uring")
        self.assertEqual(program.out.splitlines(), expected, str(program))

    def test_node_goes_on_without_it(self):
        file = self.directory / "file"
        file.write_text("content of a file")
        for wanted in ("0", "1"):
            peer = Peer(text)
            program = self.call(
                ["node", "-e", SCRIPT, peer.port, file], under=True, variables={"UV_USE_IO_URING": wanted}
            )
            self.assertEqual(program.out, "closed\n", str(program))
            self.assertEqual(peer.observed(), ["content of a file"])
