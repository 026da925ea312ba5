import ArgumentParser
import Glibc
import Logging
import XenSockBackend

@main
struct Xensockd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "xensockd",
        abstract: "Perform the socket calls of programs that run in other domains or sandboxes.",
        discussion: """
            Programs reach it through libxensock.so: `xensock run PROGRAM` starts one, with a service of its own where \
            none runs. xensockd sees every call before it happens, and can allow, deny, count and limit it.

            Signals: SIGTERM and SIGINT stop it in order, SIGHUP reads the policy again.
            Environment: XENSOCK_SOCKET, XDG_RUNTIME_DIR, XENSOCK_DEBUG, and the service manager's NOTIFY_SOCKET and \
            LISTEN_FDS.
            """,
        version: "xensockd \(version)")

    static let version = "0.1.0"

    @OptionGroup var options: Options

    func run() throws {
        if let file = options.checkPolicy { return try check(file) }
        Process.openStandardDescriptors()
        let ready = ReadyDescriptor(options.readyFd)
        do {
            try ready.check()
            try Daemon(options).run(ready: ready)
        } catch {
            writeAll(2, "xensockd: \(error)\n")
            ready.report(error)
            throw ExitCode(1)
        }
    }

    private func check(_ file: String) throws {
        do {
            let policy = try PolicyFile.read(file)
            print("\(file): good, default \(policy.defaultAction), rules: \(policy.rules.count)")
        } catch {
            writeAll(2, "xensockd: \(error)\n")
            throw ExitCode(1)
        }
    }
}

/// Tells the process that started the service whether it listens.
struct ReadyDescriptor {
    private let descriptor: Int32?

    init(_ descriptor: Int32?) {
        self.descriptor = descriptor
        if let descriptor { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }

    func check() throws(DaemonError) {
        if let descriptor, fcntl(descriptor, F_GETFD) < 0 {
            throw DaemonError("--ready-fd \(descriptor): is no open descriptor")
        }
    }

    func reportListening() { report("1") }

    func report(_ error: DaemonError) { report("\(error)\n") }

    private func report(_ text: String) {
        guard let descriptor else { return }
        writeAll(descriptor, text)
        close(descriptor)
    }
}
