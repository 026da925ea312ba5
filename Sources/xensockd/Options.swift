import ArgumentParser
import Logging

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
                kernel allows the service, except privileged ports, raw sockets and other families than IPv4 and IPv6 for users \
                that are neither root nor the service's own.
                """, valueName: "file"))
    var policy: String?

    @Option(help: ArgumentHelp("Check a policy file, say whether it is good, and exit.", valueName: "file"))
    var checkPolicy: String?

    @Flag(
        name: .customLong("private"),
        help: ArgumentHelp(
            "End by itself with the programs it was started for.",
            discussion: """
                That is when the lifeline is closed and no session and no socket is left. The socket file is then removed, and \
                its directory too if that is empty. Needs --lifeline-fd.
                """))
    var isPrivate = false

    @Option(
        help: ArgumentHelp(
            "The reading end of a pipe; its end of file means that all programs are gone.",
            valueName: "fd"))
    var lifelineFd: Int32?

    @Option(
        help: ArgumentHelp(
            "Write the byte \"1\" to this descriptor when listening, or the text of the error.",
            valueName: "fd"))
    var readyFd: Int32?

    @Option(help: ArgumentHelp("Open at most this many sessions at one time.", valueName: "count"))
    var maxSessions: Int?

    @Option(
        help: ArgumentHelp(
            "Open at most this many sockets at one time, all sessions together.",
            valueName: "count"))
    var maxSockets: Int?

    @Option(
        help: ArgumentHelp(
            "Log from this level on.",
            discussion: "Default: info, or debug if XENSOCK_DEBUG=1.", valueName: "level"))
    var logLevel: Logger.Level?

    func validate() throws {
        if isPrivate, lifelineFd == nil {
            throw ValidationError("--private needs --lifeline-fd, which says when the programs are gone")
        }
        if lifelineFd != nil, !isPrivate { throw ValidationError("--lifeline-fd belongs to --private") }
        for (name, value) in [("--lifeline-fd", lifelineFd), ("--ready-fd", readyFd)] {
            if let value, value < 0 { throw ValidationError("\(name) \(value): must be a descriptor, 0 or above") }
        }
        for (name, value) in [("--max-sessions", maxSessions), ("--max-sockets", maxSockets)] {
            if let value, value < 1 { throw ValidationError("\(name) \(value): must be 1 or more") }
        }
        if let checkPolicy, socket != nil || policy != nil || isPrivate || readyFd != nil {
            throw ValidationError("--check-policy \(checkPolicy) only checks; give it alone")
        }
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
