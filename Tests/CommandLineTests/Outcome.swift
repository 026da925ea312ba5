import Foundation
import Testing

@testable import XenSockLaunch

/// What became of one run of the built `xensock`.
struct Outcome {
    /// The exit status, or 128 and the signal that ended it.
    var status: Int32
    var output: String
    var errors: String
    var process: Int32

    /// Runs it to its end, with nothing on standard input, no signal blocked, and its output in files: what the command
    /// leaves running cannot hold the test up.
    ///
    /// - Parameter environment: changes to the test's own; an empty value removes a variable.
    init(of words: [String], environment: [String: String], in directory: TemporaryDirectory) throws {
        let run = "\(directory.path)/run-\(UUID().uuidString)"
        var variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // An empty FAKE_FAILURE is a failure without a word.
        variables = variables.filter { !$0.value.isEmpty || $0.key == "FAKE_FAILURE" }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "\(run).out", O_WRONLY | O_CREAT, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, "\(run).err", O_WRONLY | O_CREAT, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Worker threads block signals, and the command would inherit that.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var child: pid_t = 0
        let error = withArguments([Self.executable] + words) { arguments in
            withArguments(variables.map { "\($0.key)=\($0.value)" }) {
                let environment = $0
                return writingOrSpawning.withLock {
                    posix_spawn(&child, Self.executable, &actions, &attributes, arguments, environment)
                }
            }
        }
        try #require(error == 0, "\(Self.executable): \(describe(error))")
        var state: Int32 = 0
        while waitpid(child, &state, 0) < 0 { try #require(errno == EINTR) }
        let signal = state & 0x7f
        status = signal == 0 ? (state >> 8) & 0xff : 128 + signal
        output = try String(decoding: Data(contentsOf: URL(fileURLWithPath: "\(run).out")), as: UTF8.self)
        errors = try String(decoding: Data(contentsOf: URL(fileURLWithPath: "\(run).err")), as: UTF8.self)
        process = child
    }

    /// The executable lies beside the package's tests, which the running program maps or is.
    private static let executable: String = {
        let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
        let line = maps.split(separator: "\n").first { $0.hasSuffix("PackageTests.xctest") }
        let tests = line.flatMap { line in line.firstIndex(of: "/").map { String(line[$0...]) } }
        return URL(fileURLWithPath: tests ?? runningExecutable()).deletingLastPathComponent().path + "/xensock"
    }()
}
