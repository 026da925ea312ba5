import ArgumentParser
import Glibc
import XenSockLaunch

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a command whose sockets the service performs.",
        usage: """
            xensock run [--isolate] [--io-uring allow|deny] [--policy FILE] [--socket PATH] [--unix NAME ...] \
            [--agent] [--force] [--] \
            COMMAND [ARGUMENT ...]
            """,
        discussion: """
            COMMAND is executed in place of xensock: it has the same process id, terminal and process group, and its \
            exit status is its own. Everything from COMMAND on is COMMAND's, options too.

            Without --socket a private service is started for COMMAND and its descendants. It ends by itself when the \
            last of them has gone and no socket is left.

            EXIT STATUS
              125  xensock itself failed; standard error says why
              126  COMMAND was found and cannot be executed
              127  COMMAND was not found
              otherwise the status of COMMAND

            ENVIRONMENT
              XENSOCK_LIBRARY  the library (default: ../lib/libxensock.so beside xensock)
              XENSOCK_SERVICE  the service to start (default: xensockd beside xensock)
              XENSOCK_UNIX     more NAMEs for --unix, with colons between them
              XENSOCK_DEBUG    1: the private service logs, to standard error

            COMMAND finds LD_PRELOAD, XENSOCK_SOCKET and, with a private service, XENSOCK_LIFELINE.
            """)

    @Flag(help: "Give COMMAND a network namespace without any interface, so that XenSock is its only way out.")
    var isolate = false

    @Option(
        name: .customLong("io-uring"),
        help: ArgumentHelp(
            "Whether COMMAND may use io_uring, whose socket operations the library does not see.",
            discussion: "Default: deny with --isolate, otherwise allow. Denied, io_uring_setup(2) fails with ENOSYS.",
            valueName: "allow|deny"))
    var ioUring: IOUring?

    @Option(help: ArgumentHelp("The private service's policy file.", valueName: "FILE"))
    var policy: String?

    @Option(help: ArgumentHelp("Use the service that listens on this socket.", valueName: "PATH"))
    var socket: String?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Have AF_UNIX stream sockets of this name be the service's domain's; may be given several times.",
            discussion: """
                A path (/run/server/socket), a pattern for paths (/run/server/*), a directory (/run/server/), or @ and an \
                abstract name. A private service allows them, another one as its policy says. Other names stay COMMAND's own.
                """,
            valueName: "NAME"))
    var unix: [String] = []

    @Flag(
        help: ArgumentHelp(
            "Put an agent between COMMAND and the private service.",
            discussion: "As in a guest; see `xensock agent --help`."))
    var agent = false

    @Flag(help: "Run COMMAND even if the library will not be loaded into it (static, set-user-ID, musl, Go, ...).")
    var force = false

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("The program to run, and its arguments.", valueName: "COMMAND"))
    var command: [String]

    func validate() throws {
        // All from the first word that is none of the options above is captured: before `--` a misspelt option is that.
        if let first = command.first, first.hasPrefix("-"), first != "--" {
            if first == "-h" || first == "--help" { throw CleanExit.helpRequest(self) }
            if first == "--version" { throw CleanExit.message(XenSock.configuration.version) }
            throw ValidationError("Unknown option '\(first)'. A COMMAND of that name goes behind '--'.")
        }
        if policy != nil, socket != nil {
            throw ValidationError("--policy is for a private service; the service behind --socket has its own policy.")
        }
        if agent, socket != nil {
            throw ValidationError(
                "--agent is for a private service; start `xensock agent` for the one behind --socket.")
        }
        if words == 0 { throw ValidationError("There is no COMMAND to run.") }
    }

    /// The number of words from COMMAND on.
    private var words: Int { command.first == "--" ? command.count - 1 : command.count }

    func run() throws {
        // The command's words are the last ones of the process's own vector: taken from there, they need not be UTF-8.
        let start = Int(CommandLine.argc) - words
        var launch = Launch(arguments: CommandLine.unsafeArgv + start)
        launch.isolates = isolate
        launch.ioUring = ioUring
        launch.force = force
        launch.socket = socket
        launch.policy = policy
        launch.hasAgent = agent
        launch.unix = unix
        try launch.execute()
    }
}

extension IOUring: ExpressibleByArgument {}
