import Foundation
import Glibc
import Testing

@testable import XenSockLaunch

/// `xensock run` as a process, with a stand-in for the service and a library that does nothing to sockets.
@Suite struct RunTests {
    let service: FakeService

    init() throws { service = try FakeService() }

    #if arch(x86_64)
        static let library = "/lib/x86_64-linux-gnu/libm.so.6"
    #else
        static let library = "/lib/aarch64-linux-gnu/libm.so.6"
    #endif

    private func run(_ words: [String], environment: [String: String] = [:]) throws -> Outcome {
        var variables = ["XENSOCK_LIBRARY": Self.library, "XENSOCK_SERVICE": service.program, "LD_PRELOAD": ""]
        variables.merge(environment) { $1 }
        return try Outcome(of: words, environment: variables, in: service.directory)
    }

    @Test func theCommandTakesTheProcessAndItsStatus() throws {
        let outcome = try run(["run", "--", "sh", "-c", "echo $$; exit 7"])
        #expect(outcome.status == 7, "\(outcome.errors)")
        #expect(outcome.output == "\(outcome.process)\n")
        #expect(outcome.errors == "")
    }

    @Test func aSignalEndsTheCommandAsItWouldNatively() throws {
        #expect(try run(["run", "--", "sh", "-c", "kill -TERM $$"]).status == 128 + SIGTERM)
    }

    @Test func optionsBehindTheCommandAreTheCommands() throws {
        let words = ["--help", "--", "--socket", "", "x y"]
        for head in [["run", "--"], ["run"]] {
            #expect(try run(head + ["printf", "[%s]"] + words).output == "[--help][--][--socket][][x y]")
        }
    }

    @Test func theCommandFindsSocketLibraryAndLifeline() throws {
        let script = "echo $LD_PRELOAD $XENSOCK_SOCKET; readlink /proc/self/fd/$XENSOCK_LIFELINE | cut -d: -f1"
        let outcome = try run(["run", "--", "sh", "-c", script], environment: ["LD_PRELOAD": "libc.so.6"])
        let words = try #require(service.report()["words"] as? [String])
        #expect(outcome.output == "\(Self.library):libc.so.6 \(words[1])\nsocket\n")
    }

    @Test func theServiceIsADaemonWithADirectoryOfItsOwn() throws {
        let manager = ["NOTIFY_SOCKET": "/run/manager", "LISTEN_FDS": "1"]
        #expect(try run(["run", "--policy", "/dev/null", "--", "true"], environment: manager).status == 0)
        let report = try service.report()
        let words = try #require(report["words"] as? [String])
        #expect(words[2] == "--private")
        #expect(words.suffix(2) == ["--policy", "/dev/null"])
        #expect(report["mode"] as? String == "0o700")
        #expect(report["directory"] as? String == "/")
        #expect(report["manager"] as? [String] == [])
        #expect(report["output"] as? String == "/dev/null")
        #expect(report["descriptors"] as? [Int] == report["expected"] as? [Int])
        #expect(report["session"] as? Int != Int(getsid(0)))
        #expect(service.waitForEnd())
    }

    @Test func theServiceOutlivesTheCommandWhileADescendantLives() throws {
        let marker = "\(service.directory.path)/go"
        let script = "(while [ ! -e \(marker) ]; do sleep 0.02; done) >/dev/null 2>&1 &"
        #expect(try run(["run", "--", "sh", "-c", script]).status == 0)
        usleep(200_000)
        #expect(FileManager.default.fileExists(atPath: service.journal))
        try service.directory.file("go", [])
        #expect(service.waitForEnd())
    }

    @Test func whatTheServiceSaysOfItsFailureIsPrinted() throws {
        let outcome = try run(["run", "true"], environment: ["FAKE_FAILURE": "policy line 3: unknown key\n"])
        #expect(outcome.status == 125)
        #expect(outcome.errors == "xensock: \(service.program) did not start: policy line 3: unknown key\n")
        let silent = try run(["run", "true"], environment: ["FAKE_FAILURE": ""])
        #expect(silent.status == 125)
        #expect(silent.errors.contains("ended without a word"))
    }

    @Test func isolationLeavesOnlyALoopbackAndTheServiceWhereItWas() throws {
        let script = "grep -c : /proc/net/dev; readlink /proc/self/ns/net"
        let outcome = try run(["run", "--isolate", "--", "sh", "-c", script])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let lines = outcome.output.split(separator: "\n").map(String.init)
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
        #expect(lines.first == "1")
        #expect(lines.last != own)
        #expect(try service.report()["network"] as? String == own)
    }

    @Test func thePrivateDirectoryIsInTheUsersRuntimeDirectoryIfItsPathIsShortEnough() throws {
        let deep = service.directory.path + "/" + String(repeating: "d", count: 80)
        try FileManager.default.createDirectory(atPath: deep, withIntermediateDirectories: false)
        for (runtime, parent) in [(service.directory.path, service.directory.path), (deep, "/tmp"), ("tmp", "/tmp")] {
            #expect(try run(["run", "true"], environment: ["XDG_RUNTIME_DIR": runtime]).status == 0)
            let words = try #require(service.report()["words"] as? [String])
            #expect(words[1].hasPrefix("\(parent)/xensock-run."))
            #expect(service.waitForEnd())
            try FileManager.default.removeItem(atPath: service.journal + ".ended")
        }
    }

    @Test func aGivenSocketIsNamedToTheCommandAndNoServiceIsStarted() throws {
        let path = "\(service.directory.path)/given.sock"
        let listener = try listen(path)
        defer { close(listener) }
        let outcome = try run(["run", "--socket", path, "sh", "-c", "echo $XENSOCK_SOCKET $XENSOCK_LIFELINE."])
        #expect(outcome.output == "\(path) .\n", "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: service.journal))
    }

    @Test func aSocketOfAnotherKindIsNotTheServices() throws {
        let path = "\(service.directory.path)/stream.sock"
        let listener = try listen(path, type: SOCK_STREAM)
        defer { close(listener) }
        #expect(try run(["run", "--socket", path, "true"]).errors == "xensock: \(path) is not a socket of xensockd\n")
        let long = "/tmp/" + String(repeating: "s", count: 103)
        #expect(try run(["run", "--socket", long, "true"]).errors.contains("at most 107 bytes"))
    }

    private func listen(_ path: String, type: __socket_type = SOCK_SEQPACKET) throws -> Int32 {
        let listener = socket(AF_UNIX, Int32(type.rawValue), 0)
        try withUnixAddress(path) { try #require(bind(listener, $0, $1) == 0) }
        try #require(Glibc.listen(listener, 1) == 0)
        return listener
    }

    @Test func aSocketThatNobodyServesIsAnError() throws {
        let path = "\(service.directory.path)/none.sock"
        let outcome = try run(["run", "--socket", path, "--", "true"])
        #expect(outcome.status == 125)
        #expect(outcome.errors == "xensock: \(path): there is no such socket; is xensockd running?\n")
    }

    @Test func anUnsuitableProgramIsRefusedUnlessForced() throws {
        let script = try service.directory.file("program", "#!/usr/bin/env sh\necho ran\n".utf8)
        #expect(try run(["run", script]).output == "ran\n")
        let loader = "/nonexistent/ld-musl-x86_64.so.1"
        let program = try service.directory.file("musl", ProgramFixture(interpreter: loader).bytes)
        let refused = try run(["run", program])
        #expect(refused.status == 125)
        #expect(refused.errors.hasPrefix("xensock: \(program) is linked with musl (\(loader))"))
        // With --force the kernel is asked, and does not find the loader.
        #expect(try run(["run", "--force", program]).status == 127)
    }

    @Test func ownFailuresAre125AndSaySo() throws {
        for words in [[], ["--"], ["--bogus", "true"], ["--policy", "a", "--socket", "b", "true"]] {
            let outcome = try run(["run"] + words)
            #expect(outcome.status == 125)
            #expect(outcome.errors.hasPrefix("Error: "))
        }
        let library = try run(["run", "true"], environment: ["XENSOCK_LIBRARY": "/nonexistent.so"])
        #expect(library.status == 125)
        #expect(library.errors.contains("cannot open the preload library /nonexistent.so: No such file"))
        #expect(try run(["run", "true"], environment: ["XENSOCK_LIBRARY": "/etc/passwd"]).status == 125)
        #expect(try run(["run", "true"], environment: ["XENSOCK_SERVICE": "/nonexistent"]).status == 125)
    }

    @Test func aTextWithoutAnInterpreterIsTheShellsAndABrokenProgramIsNot() throws {
        let text = try service.directory.file("text", "echo $0 ran\n".utf8)
        #expect(try run(["run", text]).output == "\(text) ran\n")
        let broken = try service.directory.file("broken", "echo ran\n\0".utf8)
        let outcome = try run(["run", broken])
        #expect(outcome.status == 126)
        #expect(outcome.errors == "xensock: \(broken): Exec format error\n")
    }

    @Test func commandsThatCannotRunHaveTheShellsStatuses() throws {
        #expect(try run(["run", "no-such-command"]).status == 127)
        #expect(try run(["run", "/etc/passwd"]).status == 126)
    }

    @Test func helpAndVersionSucceed() throws {
        for words in [["--version"], ["run", "--version"]] {
            #expect(try run(words).output == "xensock \(xensockVersion)\n")
        }
        let requests = [["--help"], ["run", "--help"], ["run", "-h"], ["run", "--isolate", "--help"]]
        for words in requests {
            let outcome = try run(words)
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("USAGE: xensock"))
        }
        #expect(try run(["run", "--help"]).output.contains("EXIT STATUS"))
    }
}
