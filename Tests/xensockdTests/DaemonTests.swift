import Glibc
import Testing

@testable import XenSockDaemon

@Suite("The daemon", .timeLimit(.minutes(10)))
struct DaemonTests {
    private let directory = TemporaryDirectory()
    private var socket: String { directory.path + "/x/s" }

    private func connect(_ type: __socket_type = SOCK_SEQPACKET) -> Int32 {
        let descriptor = Glibc.socket(AF_UNIX, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = UnixAddress(socket)!
        return address.withPointer { Glibc.connect(descriptor, $0, $1) } == 0 ? descriptor : -1
    }

    private func listen(_ type: __socket_type, at path: String) -> Int32 {
        let descriptor = Glibc.socket(AF_UNIX, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = UnixAddress(path)!
        #expect(address.withPointer { bind(descriptor, $0, $1) } == 0)
        #expect(Glibc.listen(descriptor, 8) == 0)
        return descriptor
    }

    @Test("It makes its directory and socket, says that it listens, and removes the socket at SIGTERM")
    func lifecycle() {
        let daemon = RunningDaemon(["--socket", socket])
        #expect(daemon.word == "1")
        #expect(directory.mode("x") == (geteuid() == 0 ? 0o755 : 0o700))
        #expect(directory.mode("x/s") == (geteuid() == 0 ? 0o666 : 0o600))
        let session = connect()
        #expect(session >= 0)
        daemon.send(SIGTERM)
        let (status, errors) = daemon.end()
        close(session)
        #expect(status == 0)
        #expect(errors.contains("listens at \(socket)"))
        #expect(!directory.exists("x/s"))
        #expect(directory.exists("x"))
    }

    @Test("A second service at the same path is refused, and does not disturb the first")
    func second() {
        let first = RunningDaemon(["--socket", socket])
        let second = RunningDaemon(["--socket", socket])
        #expect(second.word.hasPrefix("another service listens at \(socket); "))
        let (status, errors) = second.end()
        #expect(status == 1)
        #expect(errors == "xensockd: " + second.word)
        let session = connect()
        #expect(session >= 0)
        close(session)
        first.send(SIGINT)
        #expect(first.end().status == 0)
    }

    @Test("The socket file of a service that was killed is replaced")
    func stale() {
        let dead = RunningDaemon(["--socket", socket])
        dead.send(SIGKILL)
        _ = dead.end()
        #expect(directory.exists("x/s"))
        let daemon = RunningDaemon(["--socket", socket])
        #expect(daemon.word == "1")
        daemon.send(SIGTERM)
        #expect(daemon.end().status == 0)
    }

    @Test("A file that is no socket, and another program's socket, are left alone")
    func strangers() {
        let file = directory.write("file", "precious")
        #expect(RunningDaemon(["--socket", file]).word.contains("is no socket; remove it"))
        #expect(directory.exists("file"))
        let stream = listen(SOCK_STREAM, at: directory.path + "/stream")
        #expect(RunningDaemon(["--socket", directory.path + "/stream"]).word.contains("another program's socket"))
        #expect(directory.exists("stream"))
        close(stream)
    }

    @Test(arguments: [
        (["--socket", "relative"], "must be an absolute path"),
        (["--socket", "/" + String(repeating: "a", count: 107)], "at most 107 bytes"),
        (["--socket", "/no/such/directory/s"], "cannot make the directory /no/such/directory"),
        (["--private", "--lifeline-fd", "997"], "--lifeline-fd 997: is no open pipe"),
        (["--policy", "/no/such/file"], "/no/such/file: No such file or directory"),
    ])
    func badStartsSayWhy(_ arguments: [String], _ reason: String) {
        let daemon = RunningDaemon(arguments)
        #expect(daemon.word.contains(reason))
        #expect(daemon.word.filter { $0 == "\n" }.count == 1)
        let (status, errors) = daemon.end()
        #expect(status == 1)
        #expect(errors.contains(reason))
    }

    @Test(arguments: [["--private"], ["--lifeline-fd", "9"], ["--max-sockets", "0"], ["--log-level", "loud"]])
    func badArgumentsAreRefused(_ arguments: [String]) {
        #expect(RunningDaemon(arguments, tellsReady: false).end().status == 64)
    }

    @Test("A private service stays while a program or a session is there, and leaves nothing behind")
    func privateService() {
        let lifeline = RunningDaemon.pipe()
        let daemon = RunningDaemon(
            ["--socket", socket, "--private", "--lifeline-fd", "9"], descriptor: lifeline.reading)
        close(lifeline.reading)
        #expect(daemon.word == "1")
        let session = connect()
        #expect(daemon.says("session 1 opened"))
        close(lifeline.writing)
        usleep(300_000)
        #expect(kill(daemon.processID, 0) == 0 && directory.exists("x/s"))
        close(session)
        let (status, errors) = daemon.end()
        #expect(status == 0)
        #expect(errors.contains("stopping: the programs are gone"))
        #expect(!directory.exists("x"))
    }

    @Test("A private service that nobody came to ends with its programs, and spares a directory that is not empty")
    func privateServiceUnused() {
        let lifeline = RunningDaemon.pipe()
        mkdir(directory.path + "/x", 0o700)
        let file = directory.write("x/other", "")
        let daemon = RunningDaemon(
            ["--socket", socket, "--private", "--lifeline-fd", "9"], descriptor: lifeline.reading)
        close(lifeline.reading)
        close(lifeline.writing)
        #expect(daemon.end().status == 0)
        #expect(!directory.exists("x/s"))
        #expect(access(file, F_OK) == 0)
    }

    @Test("SIGHUP reads the policy again; one with an error changes nothing")
    func reload() {
        let file = directory.write("p.toml", "default = \"allow\"")
        let daemon = RunningDaemon(["--socket", socket, "--policy", file])
        #expect(daemon.word == "1")
        _ = directory.write("p.toml", "default = \"deny\"\n[[rule]]\naction = \"allow\"")
        daemon.send(SIGHUP)
        #expect(daemon.says("\(file): read again, rules: 1"))
        _ = directory.write("p.toml", "default = \"deny\"\nx = 1")
        daemon.send(SIGHUP)
        #expect(daemon.says("\(file): x: is no key"))
        #expect(daemon.says("the old policy stays"))
        daemon.send(SIGTERM)
        #expect(daemon.end().status == 0)
    }

    @Test("SIGHUP changes how many sessions a user may open")
    func reloadAdmission() {
        let file = directory.write("p.toml", "default = \"allow\"\n[limits]\nsessions_per_user = 1")
        let daemon = RunningDaemon(["--socket", socket, "--policy", file])
        #expect(daemon.word == "1")
        _ = directory.write("p.toml", "default = \"allow\"\n[limits]\nsessions_per_user = 2")
        daemon.send(SIGHUP)
        #expect(daemon.says("read again, rules: 0"))
        // A refusal comes unasked; who is admitted is waited for.
        let sessions = (0..<3).map { _ in connect() }
        var waiting = sessions.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        #expect(poll(&waiting, 3, 20_000) == 1)
        #expect(waiting.map { $0.revents & Int16(POLLIN) != 0 } == [false, false, true])
        sessions.forEach { close($0) }
        daemon.send(SIGTERM)
        #expect(daemon.end().status == 0)
    }

    @Test("The service manager learns that it is ready and that it stops")
    func notify() {
        let name = "@xensockd-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let manager = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(manager) }
        var address = UnixAddress(name, isAbstractAllowed: true)!
        #expect(address.withPointer { bind(manager, $0, $1) } == 0)
        func state() -> String {
            var bytes = [UInt8](repeating: 0, count: 512)
            var waiting = pollfd(fd: manager, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 20_000) == 1 else { return "" }
            let count = recv(manager, &bytes, bytes.count, 0)
            return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        }
        let daemon = RunningDaemon(["--socket", socket], environment: ["NOTIFY_SOCKET=" + name])
        #expect(daemon.word == "1")
        #expect(state().hasPrefix("READY=1\n"))
        daemon.send(SIGTERM)
        #expect(state() == "STOPPING=1")
        #expect(daemon.end().status == 0)
    }

    @Test("XENSOCK_SOCKET names the path; XENSOCK_DEBUG=1 the debug level, unless --log-level does")
    func environmentVariables() {
        let environment = ["XENSOCK_DEBUG=1", "XENSOCK_SOCKET=" + socket]
        for (arguments, isLoud) in [([], true), (["--log-level", "error"], false)] {
            let daemon = RunningDaemon(arguments, environment: environment)
            #expect(daemon.word == "1" && directory.exists("x/s"))
            daemon.send(SIGTERM)
            #expect(daemon.end().errors.contains("debug: ") == isLoud)
        }
    }
}
