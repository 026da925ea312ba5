import CXenSockLaunch
import Glibc

/// A service for one command and its descendants: a daemon with a directory of its own. It ends by itself when nobody
/// holds the lifeline and no session and no socket is left, and then removes its directory.
public struct PrivateService {
    /// The session socket, an absolute path.
    public let socket: String
    /// The descriptor that the command inherits.
    public let lifeline: Int32

    /// Milliseconds until a service that says nothing is given up.
    static let patience: Int32 = 10_000

    /// Starts one, and returns when it listens.
    ///
    /// - Parameters:
    ///   - program: the service's executable, an absolute path.
    ///   - policy: a policy file, an absolute path; nil for the service's default.
    ///   - agent: an executable whose `agent` is put before the service, an absolute path; nil for none.
    ///   - unix: names of AF_UNIX sockets that the policy allows beside what it says itself.
    ///   - keepsErrors: leave it this process's standard error.
    /// - Throws: what the service says if it does not come to listening.
    public init(
        program: String, policy: String?, agent: String? = nil, unix: [String] = [], keepsErrors: Bool
    ) throws(LaunchError) {
        let lifeline = try Lifeline()
        let directory = try PrivateDirectory()
        defer { close(lifeline.readingEnd) }
        do {
            let names = unix.flatMap { ["--unix", $0] }
            let options = (policy.map { ["--policy", $0] } ?? []) + names
            try Self.start([program, "--socket", directory.socket], lifeline, options, keepsErrors: keepsErrors)
            if let agent {
                try Self.start(
                    [agent, "agent", "--socket", directory.agentSocket], lifeline,
                    ["--upstream", directory.socket] + names, keepsErrors: keepsErrors)
            }
        } catch {
            close(lifeline.writingEnd)
            directory.remove()
            throw error
        }
        socket = agent == nil ? directory.socket : directory.agentSocket
        self.lifeline = lifeline.writingEnd
    }

    /// Starts a service that ends with the lifeline, and returns when it listens.
    private static func start(
        _ words: [String], _ lifeline: Lifeline, _ options: [String], keepsErrors: Bool
    ) throws(LaunchError) {
        let ready = try Pipe()
        let arguments =
            words + [
                "--private", "--lifeline-fd", String(lifeline.readingEnd), "--ready-fd", String(ready.writingEnd),
            ] + options
        let result = withArguments(arguments) {
            xs_start_daemon(words[0], $0, lifeline.readingEnd, ready.writingEnd, keepsErrors ? 1 : 0)
        }
        close(ready.writingEnd)
        let refusal = result == 0 ? refusal(from: ready.readingEnd) : describe(-result)
        close(ready.readingEnd)
        if let refusal { throw LaunchError("\(words[0]) did not start: \(refusal)") }
    }

    /// Waits for the service's word: nil if it listens, otherwise its error text.
    private static func refusal(from descriptor: Int32) -> String? {
        var text: [UInt8] = []
        while text.count < 4096 {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let count = poll(&waiting, 1, patience)
            if count < 0, errno == EINTR { continue }
            if count == 0 { return "it has not said for \(patience / 1000) seconds whether it listens" }
            var part = [UInt8](repeating: 0, count: 512)
            let length = read(descriptor, &part, part.count)
            if length < 0, errno == EINTR { continue }
            if length <= 0 { break }
            text += part.prefix(length)
            if text[0] == UInt8(ascii: "1") { return nil }
        }
        if text.isEmpty { return "it ended without a word; XENSOCK_DEBUG=1 shows its standard error" }
        while text.last == UInt8(ascii: "\n") { text.removeLast() }
        return String(decoding: text, as: UTF8.self)
    }
}

/// A fresh directory of mode 0700 for one socket: in the user's runtime directory, otherwise in /tmp.
struct PrivateDirectory {
    let path: String
    var socket: String { path + "/xensock.sock" }
    var agentSocket: String { path + "/agent.sock" }

    init() throws(LaunchError) {
        let runtime = environmentValue("XDG_RUNTIME_DIR").flatMap { $0.hasPrefix("/") ? $0 : nil }
        for parent in [runtime, "/tmp"].compactMap(\.self) {
            let candidate = parent + "/xensock-run.XXXXXX"
            if candidate.utf8.count + "/xensock.sock".utf8.count >= socketPathCapacity { continue }
            var template = Array(candidate.utf8CString)
            if mkdtemp(&template) != nil {
                path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
                return
            }
        }
        throw LaunchError("cannot make a directory for the service in /tmp: \(describe(errno))")
    }

    /// Removes what a service that failed has left.
    func remove() {
        unlink(socket)
        unlink(agentSocket)
        rmdir(path)
    }
}

/// Calls `body` with a C argument vector, which is valid during the call.
func withArguments<Result>(_ arguments: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result) -> Result {
    let vector = arguments.map { strdup($0) } + [nil]
    defer { vector.forEach { free($0) } }
    return body(vector)
}
