import ArgumentParser
import Logging
import XenSockBackend

/// The part of the command line that all services have.
package struct DaemonOptions: ParsableArguments {
    @Flag(
        name: .customLong("private"),
        help: ArgumentHelp(
            "End by itself with the programs it was started for.",
            discussion: """
                That is when the lifeline is closed and no session and no socket is left. The socket file is then removed, and \
                its directory too if that is empty. Needs --lifeline-fd.
                """))
    package var isPrivate = false

    @Option(
        help: ArgumentHelp(
            "The reading end of a pipe; its end of file means that all programs are gone.",
            valueName: "fd"))
    package var lifelineFd: Int32?

    @Option(
        help: ArgumentHelp(
            "Write the byte \"1\" to this descriptor when listening, or the text of the error.",
            valueName: "fd"))
    package var readyFd: Int32?

    @Option(help: ArgumentHelp("Open at most this many sessions at one time.", valueName: "count"))
    package var maxSessions: Int?

    @Option(
        help: ArgumentHelp(
            "Open at most this many sockets at one time, all sessions together.",
            valueName: "count"))
    package var maxSockets: Int?

    @Option(
        help: ArgumentHelp(
            "Allow AF_UNIX sockets of this domain with such a name, by a rule behind those of the policy.",
            discussion: "A path, or @ and an abstract name; see `paths` in docs/POLICY.md. May be given several times.",
            valueName: "pattern"))
    package var unix: [PolicyPathPattern] = []

    @Option(
        help: ArgumentHelp(
            "Log from this level on.",
            discussion: "Default: info, or debug if XENSOCK_DEBUG=1.", valueName: "level"))
    package var logLevel: Logger.Level?

    package init() {}

    package func validate() throws {
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
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

extension PolicyPathPattern: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
