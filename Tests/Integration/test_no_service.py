"""Programs with the library preloaded, and no service at its socket: everything that is no network works as natively,
and the network fails closed."""

from harness.case import Case, xensock_only
from harness.environment import LIBRARY, NATIVE, PYTHON
from harness.programs import compiled


class NoService(Case):
    def preloaded(self, arguments, **options):
        variables = options.pop("variables", {})
        if not NATIVE:
            variables = variables | {
                "LD_PRELOAD": str(LIBRARY),
                "XENSOCK_SOCKET": str(self.directory / "nowhere" / "xensock.sock"),
            }
        return self.call(arguments, variables=variables, directory=self.directory, **options)

    def both(self, arguments, **variables):
        """Runs a command line natively and preloaded, each in an empty directory, and wants the same of both."""
        native_directory, directory = self.directory / "native", self.directory / "preloaded"
        results = []
        for place, run in ((native_directory, self.call), (directory, self.preloaded)):
            place.mkdir(exist_ok=True)
            script = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", place, *arguments]
            program = run(script, timeout=50, variables=variables)
            results.append((program.out, program.err))
        self.assertEqual(results[1], results[0])
        return results[1][0]

    def test_bash_works_with_files_and_pipes(self):
        script = (
            "seq 1000 > a; sort -rn a | head -3 | tee b; cat <(wc -l < a) b;"
            "echo x >> b; rm a; exec 9<b; cat <&9; ls"
        )
        self.assertEqual(
            self.both(["bash", "-c", script]), "1000\n999\n998\n1000\n1000\n999\n998\n1000\n999\n998\nx\nb\n"
        )

    def test_what_stands_in_digits_is_read_without_asking(self):
        self.assertIn("127.0.0.1 80, family 0, flags 0: found", self.both([compiled("numeric_names"), "alone"]))

    def test_git_works(self):
        script = (
            "git --version && git init -q . && echo text > file && git add file && "
            "git -c user.name=n -c user.email=e commit -qm m && git log --format=%s && git fsck"
        )
        self.assertIn("git version", self.both(["bash", "-c", script]))

    def test_gcc_compiles(self):
        source = '#include <stdio.h>\nint main(void) { return puts("compiled") < 0; }'
        script = f"echo '{source}' > a.c && gcc a.c && ./a.out"
        self.assertEqual(self.both(["bash", "-c", script]), "compiled\n")

    def test_node_works(self):
        script = (
            "const fs = require('fs'); fs.writeFileSync('f', 'text');"
            "fs.promises.readFile('f', 'utf8').then(t => { console.log(t);"
            "require('child_process').exec('echo child', (e, out) => console.log(out.trim())) })"
        )
        self.assertEqual(self.both(["node", "-e", script]), "text\nchild\n")

    def test_java_starts(self):
        # The version goes to standard error.
        self.both(["java", "-version"])

    def test_java_works_with_files(self):
        source = (
            "public class Main { public static void main(String[] a) throws Exception {"
            ' var path = java.nio.file.Path.of("f"); java.nio.file.Files.writeString(path, "text");'
            " System.out.println(java.nio.file.Files.readString(path)); } }"
        )
        # Java looks for IPv6 with a network socket when it loads its classes of files, which would be told of.
        command = ["bash", "-c", f"echo '{source}' > Main.java && java Main.java"]
        self.assertEqual(self.both(command, XENSOCK_QUIET="1"), "text\n")

    def test_python_works_with_files_processes_and_unix_sockets(self):
        script = (
            "import asyncio, os, socket, subprocess, tempfile\n"
            "open('f', 'w').write('text'); print(open('f').read())\n"
            "print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout)\n"
            "a, b = socket.socketpair(); a.sendall(b'pair'); print(b.recv(9))\n"
            "s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(); c = socket.socket(socket.AF_UNIX)\n"
            "c.connect('s'); d, _ = s.accept(); d.sendall(b'unix'); print(c.recv(9))\n"
            "print(asyncio.run(asyncio.sleep(0.01, 'loop')))\n"
        )
        self.assertEqual(self.both([PYTHON, "-c", script]), "text\nchild\n\nb'pair'\nb'unix'\nloop\n")

    def test_unix_sockets_pipes_and_files_work_as_natively(self):
        self.assertTrue(self.both([compiled("local")]).endswith("done\n"))

    @xensock_only("the kernel's network is there")
    def test_network_sockets_fail_closed_and_one_line_says_why(self):
        program = self.preloaded([compiled("no_service")])
        expected = "IPv4 stream: ENETDOWN\nIPv6 stream: ENETDOWN\nIPv4 stream again: ENETDOWN\ndone\n"
        self.assertEqual(program.out, expected)
        self.assertEqual(len(program.err.splitlines()), 1, program.err)
        self.assertIn("xensock", program.err.lower())
        self.assertIn(str(self.directory / "nowhere" / "xensock.sock"), program.err)

    @xensock_only("the kernel's network is there")
    def test_the_line_is_not_written_when_quiet(self):
        program = self.preloaded([compiled("no_service")], variables={"XENSOCK_QUIET": "1"})
        self.assertIn("IPv4 stream: ENETDOWN", program.out)
        self.assertEqual(program.err, "")

    @xensock_only("the kernel's network is there")
    def test_a_program_that_needs_no_network_says_nothing(self):
        self.assertEqual(self.preloaded(["true"]).err, "")
