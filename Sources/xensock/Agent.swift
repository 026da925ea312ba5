import ArgumentParser
import Glibc
import XenSockAgent
import XenSockBackend
import XenSockDaemon
import XenSockFence
import XenSockGuest
import XenSockLaunch
import XenSockXen

struct Agent: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve programs, and have another service perform their calls.",
        discussion: """
            The agent serves a session socket as xensockd does, to the same programs through the same library, but has no \
            network itself: it opens one session with the service behind it, hands every call on, and copies the bytes \
            between both. That service sees the agent's user only; which users' programs the agent serves, and what it \
            lets each do, its own policy says.

            In a guest of Xen, with --xen, the backend domain is behind it, through the guest's PV Calls device: the agent             needs root there, the modules xen-gntalloc and xen-evtchn, and a device (pvcalls=["backend=0"] in the guest's             xl.cfg, or `xensock attach`), for which it waits.

            When the service behind it dies, is restarted or does not answer, every connection gets the error that it \
            would get without an agent (ECONNRESET, ENETDOWN), and new sockets work once the service is back. Listeners \
            stay, and are made again there.

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

    @Flag(
        help: ArgumentHelp(
            "The backend domain performs the calls, through this guest's device.",
            discussion: """
                With sessions where the backend has them (xensockd --xen), else by PV Calls version 1, as with                 --dialect pvcalls1. After a suspend, or when the backend was restarted, the agent connects again.
                """))
    var xen = false

    @Option(
        help: ArgumentHelp(
            "With --xen: listen here too, for programs of user 0, whose pages the backend maps itself.",
            discussion: """
                Nothing is copied then, and no rule of the agent's policy asked. Who has such a session can grant pages to \
                any domain, so no other user is served there without --fence.
                """, valueName: "path"))
    var direct: String?

    @Flag(
        help: ArgumentHelp(
            "With --direct: serve the users there whom the policy admits (allow_users), behind a fence.",
            discussion: """
                The kernel then refuses every user but 0 the ioctls by which pages are granted: the agent puts up a BPF \
                program for that, unless they are refused already, and tries it as such a user. If they are not refused, \
                the log says why, and user 0 alone is served. The fence stays when the agent ends; it is taken down by \
                rm -r /sys/fs/bpf/xensock-gntalloc, once no such program is left.
                """))
    var fence = false

    @Option(
        help: ArgumentHelp(
            "With --xen: raise the limit on granted pages of the guest to this many.",
            discussion: """
                A socket has 17 to 129 pages of 4 KiB, and of its last. Default: a quarter of memory, from 1,024 to 24,576;                 a grant table as Xen makes it has 32,768 entries.
                """, valueName: "pages"))
    var grantLimit: Int?

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
            "How long the service may refuse to make a listener again that was lost with its session.",
            discussion: """
                Listeners outlive the service behind the agent, and are made again when it is back. What may pass, such as \
                an address in use, is waited for that long; then their programs get ENETDOWN. Default: 70 seconds, more \
                than TCP keeps the remains of connections.
                """, valueName: "seconds"))
    var listenerWait = 70

    @Option(
        help: ArgumentHelp(
            "Allow and deny by the rules of this file before a call is handed on (docs/POLICY.md).",
            discussion: """
                Without a file the agent serves its own user and root, and everything that they ask is handed on, AF_UNIX \
                sockets only with --unix; the service behind it decides.
                """, valueName: "file"))
    var policy: String?

    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        if !xen, direct != nil || grantLimit != nil { throw ValidationError("--direct and --grant-limit need --xen") }
        if listenerWait < 0 || listenerWait > 86_400 {
            throw ValidationError("--listener-wait \(listenerWait): 0 to 86400 seconds")
        }
        if fence, direct == nil { throw ValidationError("--fence needs --direct") }
        guard xen else { return }
        if upstream != nil { throw ValidationError("--upstream and --xen: there is one way to the service") }
        if dialect == "draft1" { throw ValidationError("--dialect draft1: not on Xen, whose devices are pvcalls") }
        if let grantLimit, grantLimit < 64 { throw ValidationError("--grant-limit \(grantLimit): at least 64") }
    }

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
        if !xen, let socket, socket == upstreamPath {
            throw DaemonError("--socket \(socket): is the socket of the service behind the agent; choose another")
        }
        var behind: XenUpstream?
        defer { behind?.stop() }
        let service = try Daemon(
            Daemon.Settings(
                name: "xensock-agent", version: xensockVersion, socket: socket, policy: policy, options: daemon,
                defaultSocket: { () throws(DaemonError) in throw DaemonError("say with --socket where to listen") }))
        try service.run(ready: ready) { () throws(DaemonError) in
            do {
                if xen {
                    let guest = try guestUpstream(service)
                    behind = guest
                    return Daemon.Network(sockets: guest.network, resolver: guest.resolver, join: guest.join)
                }
                let upstream = try Upstream(
                    path: upstreamPath, dialect: dialect, listenerWait: listenerWait, log: service.log)
                return Daemon.Network(sockets: upstream.network, resolver: upstream.resolver, join: upstream.join)
            } catch {
                throw DaemonError("\(error)")
            }
        }
    }

    private func guestUpstream(_ service: Daemon) throws -> XenUpstream {
        // Beside the session socket, whose directory is the agent's.
        let own = "\(socket ?? "/run/xensock/agent.sock").xen"
        var configuration = Dock.Configuration(
            ownPath: own, directPath: direct)
        configuration.grantLimit = grantLimit
        configuration.admission = Self.admission(service.policy)
        let platform = XenPlatform.system()
        let guest = try XenUpstream(
            platform: platform, wantsSessions: dialect == "xensock2", configuration: configuration,
            fence: fence ? GntallocFence(platform.allocator) : nil, listenerWait: listenerWait, log: service.log,
            isStopping: Self.isStopping)
        service.policyChanged = { [weak guest] in guest?.admit(Self.admission($0)) }
        return guest
    }

    /// Whom the direct socket serves: those that the agent's own does.
    private static func admission(_ policy: Policy) -> DockAdmission {
        var configuration = ServiceConfiguration(listening: .descriptor(-1))
        configuration.admit(policy)
        return DockAdmission(
            users: configuration.allowsAnyUser ? nil : configuration.allowedUsers,
            sessionsPerUser: configuration.maximumSessionsPerUser)
    }

    /// Whether a signal that ends the agent is pending: they are blocked until it serves.
    private static func isStopping() -> Bool {
        var pending = sigset_t()
        sigpending(&pending)
        return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1
    }
}
