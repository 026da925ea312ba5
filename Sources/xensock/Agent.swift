import ArgumentParser
import Glibc
import XenSockAgent
import XenSockBackend
import XenSockDaemon
import XenSockLaunch

struct Agent: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve programs, and have another service perform their calls.",
        discussion: """
            The agent serves a session socket as xensockd does, to the same programs through the same library, but has no \
            network itself: it opens one session with the service behind it, hands every call on, and copies the bytes \
            between both. That service sees the agent's user only; which users' programs the agent serves, and what it \
            lets each do, its own policy says.

            When the service behind it dies, is restarted or does not answer, every socket gets the error that it would \
            get without an agent (ECONNRESET, ENETDOWN), and new sockets work once the service is back.

            SIGNALS
              SIGTERM, SIGINT  stop in order
              SIGHUP           reads the policy again

            ENVIRONMENT
              XENSOCK_SOCKET  the service behind the agent, without --upstream
              XENSOCK_DEBUG   1: log from the level debug on
              NOTIFY_SOCKET, LISTEN_FDS  the service manager's
            """)

    @Option(
        help: ArgumentHelp(
            "Listen at this session socket.",
            discussion: "Left out only where the service manager makes the socket.", valueName: "path"))
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "The session socket of the service that performs the calls.",
            discussion: """
                Default: $XENSOCK_SOCKET, otherwise /run/xensock/xensock.sock. It need not be there yet.
                """, valueName: "path"))
    var upstream: String?

    @Option(
        help: ArgumentHelp(
            "The dialect to speak to that service: xensock2, pvcalls1 or draft1.",
            discussion: """
                With the two older ones only what they carry works: IPv4 streams without shutdown(2), options, \
                out-of-band data and names (docs/PROTOCOL.md, 5.12).
                """, valueName: "dialect"))
    var dialect = "xensock2"

    @Option(
        help: ArgumentHelp(
            "Allow and deny by the rules of this file before a call is handed on (docs/POLICY.md).",
            discussion: """
                Without a file the agent serves its own user and root, and everything that they ask is handed on, AF_UNIX \
                sockets only with --unix; the service behind it decides.
                """, valueName: "file"))
    var policy: String?

    @OptionGroup var daemon: DaemonOptions

    func run() throws {
        Process.openStandardDescriptors()
        let ready = ReadyDescriptor(daemon.readyFd)
        do {
            try ready.check()
            try serve(ready)
        } catch {
            ready.report(error)
            throw LaunchError(exitStatus: 1, "agent: \(error)")
        }
    }

    private func serve(_ ready: ReadyDescriptor) throws(DaemonError) {
        let upstreamPath = upstream ?? environment("XENSOCK_SOCKET") ?? "/run/xensock/xensock.sock"
        if let socket, socket == upstreamPath {
            throw DaemonError("--socket \(socket): is the socket of the service behind the agent; choose another")
        }
        let service = try Daemon(
            Daemon.Settings(
                name: "xensock-agent", version: xensockVersion, socket: socket, policy: policy, options: daemon,
                defaultSocket: { () throws(DaemonError) in throw DaemonError("say with --socket where to listen") }))
        try service.run(ready: ready) { () throws(DaemonError) in
            do {
                let upstream = try Upstream(path: upstreamPath, dialect: dialect, log: service.log)
                return Daemon.Network(sockets: upstream.network, resolver: upstream.resolver, join: upstream.join)
            } catch {
                throw DaemonError("\(error)")
            }
        }
    }
}
