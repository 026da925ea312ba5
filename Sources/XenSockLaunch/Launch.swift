import CXenSockLaunch
import Glibc
import XenSockWire

/// One command to run through XenSock.
public struct Launch {
    /// The command's words, with a final null pointer, as the kernel gave them to this process: they need not be UTF-8.
    public let arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    /// Give the command a network namespace without an interface.
    public var isolates = false
    /// Whether the command and its descendants may use io_uring; nil: unless they are isolated.
    public var ioUring: IOUring?
    /// Run a program that will not load the library, too.
    public var force = false
    /// The session socket of a running service; nil for a private service.
    public var socket: String?
    /// A policy file for the private service.
    public var policy: String?
    /// Put an agent, which is this program, between the command and the private service.
    public var hasAgent = false
    /// Names of AF_UNIX sockets that are the service's domain's (`UnixName`), beside those in the environment.
    public var unix: [String] = []

    public init(arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) {
        self.arguments = arguments
    }

    /// Replaces this process by the command. The process keeps its id, its terminal, its process group, its signal mask
    /// and what it ignores.
    ///
    /// - Throws: the reason why the command does not run. A service that was started for it ends with this process.
    public func execute() throws(LaunchError) -> Never {
        guard let name = arguments[0].map({ String(cString: $0) }) else { throw LaunchError("there is no command") }
        let searchPath = getenv("PATH").map { String(cString: $0) }
        let program = try findCommand(name, searchPath: searchPath)
        if !force, let unsuitable = unsuitableProgram(at: program, searchPath: searchPath) {
            throw LaunchError(
                "\(unsuitable.path) \(unsuitable.obstacle.reason).\n"
                    + "Its sockets would be the kernel's, so it is not run. \(unsuitable.obstacle.wayOut); "
                    + "--force runs it all the same.")
        }
        let installation = try Installation()
        let names = try backendNames()
        try connectService(installation, names)
        // The service was started first, and so stays where the network is.
        if isolates { try isolateNetwork() }
        if (ioUring ?? (isolates ? .deny : .allow)) == .deny { try forbidIOUring() }
        let inherited = environmentValue("LD_PRELOAD")
        setEnvironment("LD_PRELOAD", preloadList(adding: installation.library, to: inherited))
        // Only a text: what a shell makes of a program that the kernel refuses is anything.
        let error = -xs_exec(program, arguments, isText(program) ? 1 : 0)
        throw LaunchError(
            exitStatus: error == ENOENT ? LaunchError.notFound : LaunchError.notExecutable,
            "\(program): \(describe(error))")
    }

    /// The patterns for the library, which XENSOCK_UNIX names to it.
    private func backendNames() throws(LaunchError) -> [String] {
        let inherited = environmentValue("XENSOCK_UNIX") ?? ""
        let names = unix + inherited.split(separator: ":").map(String.init).filter { !unix.contains($0) }
        for name in names where !Array(name.utf8).withUnsafeBytes(UnixName.isPattern) {
            throw LaunchError(
                "\"\(name)\" is no name for AF_UNIX sockets: "
                    + "write /run/server/socket, /run/server/*, /run/server/ or @name")
        }
        guard !names.isEmpty else { return [] }
        let list = names.joined(separator: ":")
        guard list.utf8.count <= 1024 else { throw LaunchError("the names for AF_UNIX sockets exceed 1024 bytes") }
        setEnvironment("XENSOCK_UNIX", list)
        return names
    }

    private func connectService(_ installation: Installation, _ names: [String]) throws(LaunchError) {
        if let socket {
            let path = absolutePath(socket)
            try checkService(at: path)
            setEnvironment("XENSOCK_SOCKET", path)
            return
        }
        guard let service = installation.service else {
            throw LaunchError("cannot find xensockd beside \(runningExecutable()); XENSOCK_SERVICE names it")
        }
        let policy = policy.map(absolutePath)
        if let policy, access(policy, R_OK) != 0 { throw LaunchError("\(policy): \(describe(errno))") }
        let keepsErrors = environmentValue("XENSOCK_DEBUG") == "1"
        let started = try PrivateService(
            program: service, policy: policy, agent: hasAgent ? runningExecutable() : nil, unix: names,
            keepsErrors: keepsErrors)
        setEnvironment("XENSOCK_SOCKET", started.socket)
        setEnvironment("XENSOCK_LIFELINE", String(started.lifeline))
    }
}
