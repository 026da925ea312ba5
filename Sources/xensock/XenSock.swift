import ArgumentParser
import Glibc
import XenSockLaunch

@main
struct XenSock: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "xensock",
        abstract: "Run programs whose sockets another domain performs.",
        discussion: """
            An unmodified program uses the POSIX socket API; the library libxensock.so, which is preloaded into it, hands \
            each call to the service xensockd, which performs it where the network is.
            """,
        version: "xensock \(xensockVersion)",
        subcommands: [Run.self, Agent.self, Attach.self, Detach.self])

    /// Parses and runs. An error of xensock's own ends with status 125, so that the command's statuses stay its own.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let error as LaunchError {
            fail("xensock: \(error.message)", status: error.exitStatus)
        } catch {
            if exitCode(for: error).isSuccess { exit(withError: error) }
            fail(fullMessage(for: error), status: LaunchError.ownFailure)
        }
    }

    private static func fail(_ message: String, status: Int32) -> Never {
        let line = message + "\n"
        _ = write(STDERR_FILENO, line, line.utf8.count)
        Glibc.exit(status)
    }
}
