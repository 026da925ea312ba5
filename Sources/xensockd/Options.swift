import ArgumentParser
import XenSockBackend
import XenSockDaemon

/// The command line.
struct Options: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Listen at this session socket.",
            discussion: """
                Default: $XENSOCK_SOCKET, otherwise /run/xensock/xensock.sock as root, otherwise xensock/xensock.sock in \
                $XDG_RUNTIME_DIR. The socket's directory is made if only that is missing.
                """, valueName: "path"))
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "Allow and deny by the rules of this file (docs/POLICY.md).",
            discussion: """
                SIGHUP reads it again; a file with an error then changes nothing. Without a file everything is allowed that the \
                kernel allows the service, except AF_UNIX sockets and, for users that are neither root nor the service's own, \
                privileged ports and raw sockets.
                """, valueName: "file"))
    var policy: String?

    @Option(help: ArgumentHelp("Check a policy file, say whether it is good, and exit.", valueName: "file"))
    var checkPolicy: String?

    @Flag(
        help: ArgumentHelp(
            "Serve the pvcalls devices of guests too: be their backend domain.",
            discussion: """
                Needs Xen, the modules xen-gntdev and xen-evtchn, and XenStore. Guests are not asked for users: what they may \
                do, rules with `domains` say. Without a policy that is what others than root and the service's own user may.
                """))
    var xen = false

    @Option(
        help: ArgumentHelp(
            "Open at most this many sockets of one guest at one time (default: \(XenConfiguration.defaultSocketsPerDomain)).",
            valueName: "count"))
    var maxDomainSockets: Int?

    @Option(
        help: ArgumentHelp(
            "Map at most this many pages of one guest at one time (default: \(XenConfiguration.defaultPagesPerDomain)).",
            discussion: "A socket of Linux's frontend takes 17.", valueName: "count"))
    var maxDomainPages: Int?

    @OptionGroup var daemon: DaemonOptions

    /// How guests are served, if they are.
    var configuration: XenConfiguration? {
        guard xen else { return nil }
        var configuration = XenConfiguration()
        if let maxDomainSockets { configuration.socketsPerDomain = maxDomainSockets }
        if let maxDomainPages { configuration.pagesPerDomain = maxDomainPages }
        return configuration
    }

    func validate() throws {
        for (name, value) in [("--max-domain-sockets", maxDomainSockets), ("--max-domain-pages", maxDomainPages)] {
            guard let value else { continue }
            if !xen { throw ValidationError("\(name) belongs to --xen") }
            if value < 1 { throw ValidationError("\(name) \(value): must be 1 or more") }
        }
        if xen, daemon.isPrivate { throw ValidationError("--private serves the programs of one command, --xen guests") }
        if let checkPolicy, socket != nil || policy != nil || daemon.isPrivate || daemon.readyFd != nil {
            throw ValidationError("--check-policy \(checkPolicy) only checks; give it alone")
        }
    }
}
