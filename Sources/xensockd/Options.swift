import ArgumentParser
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

    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        if let checkPolicy, socket != nil || policy != nil || daemon.isPrivate || daemon.readyFd != nil {
            throw ValidationError("--check-policy \(checkPolicy) only checks; give it alone")
        }
    }
}
