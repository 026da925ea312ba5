import ArgumentParser
import Glibc
import XenSockBackend
import XenSockDaemon

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
        let ready = ReadyDescriptor(options.daemon.readyFd)
        do {
            try ready.check()
            try daemon().run(ready: ready) { () throws(DaemonError) in
                guard let resolver = ResolverPool() else { throw DaemonError("cannot make an eventfd") }
                return Daemon.Network(sockets: nil, resolver: resolver)
            }
        } catch {
            writeAll(2, "xensockd: \(error)\n")
            ready.report(error)
            throw ExitCode(1)
        }
    }

    private func daemon() throws(DaemonError) -> Daemon {
        try Daemon(
            Daemon.Settings(
                name: "xensockd", version: Self.version, socket: options.socket, policy: options.policy,
                options: options.daemon, xen: options.configuration, defaultSocket: SessionSocket.defaultPath))
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
