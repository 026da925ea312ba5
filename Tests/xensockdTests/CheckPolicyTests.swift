import Glibc
import Testing

@Suite("xensockd --check-policy", .timeLimit(.minutes(10)))
struct CheckPolicyTests {
    private let directory = TemporaryDirectory()

    private func check(_ file: String) -> (status: Int32, errors: String) {
        RunningDaemon(["--check-policy", file], tellsReady: false).end()
    }

    @Test(arguments: ["deny-all", "web-only", "log-all"])
    func examplesAreGood(_ name: String) {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let result = check("/\(root)/examples/policy/\(name).toml")
        #expect(result == (0, ""))
    }

    @Test("A bad file gives one line with the file's name, and status 1")
    func badFiles() {
        for (text, names) in PolicyFileTests.bad.prefix(14) {
            let file = directory.write("p.toml", text)
            let (status, errors) = check(file)
            #expect(status == 1)
            #expect(errors.hasPrefix("xensockd: \(file)"))
            #expect(errors.contains(names.replacing("p.toml", with: file)), "\(errors)")
            #expect(errors.filter { $0 == "\n" }.count == 1)
        }
    }

    @Test func unreadableFilesAreNamed() {
        #expect(check("/no/such/file") == (1, "xensockd: /no/such/file: No such file or directory\n"))
        #expect(check("/tmp").errors == "xensockd: /tmp: Is a directory\n")
        #expect(check("/dev/zero").errors.contains("is longer than"))
    }

    @Test func textThatIsNotUTF8IsRefused() {
        let file = directory.write("p.toml", "")
        let descriptor = open(file, O_WRONLY)
        #expect(write(descriptor, [0xff, 0xfe] as [UInt8], 2) == 2)
        close(descriptor)
        #expect(check(file).errors.contains("is not UTF-8 text"))
    }
}
