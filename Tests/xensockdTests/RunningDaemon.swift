import Glibc

/// A program that runs the built xensockd, as another process.
final class RunningDaemon {
    let processID: pid_t
    /// What came over `--ready-fd`; empty if the program was started without it.
    let word: String
    private let errors: Int32
    private var errorText = ""

    /// Starts it and waits for its word, if `tellsReady`.
    ///
    /// - Parameter descriptor: given to it as descriptor 9.
    init(_ arguments: [String], environment: [String] = [], tellsReady: Bool = true, descriptor: Int32? = nil) {
        let ready = Self.pipe()
        let errors = Self.pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, errors.writing, 2)
        if tellsReady { posix_spawn_file_actions_adddup2(&actions, ready.writing, 8) }
        if let descriptor { posix_spawn_file_actions_adddup2(&actions, descriptor, 9) }
        let program = Self.program
        let all = [program] + arguments + (tellsReady ? ["--ready-fd", "8"] : [])
        var id = pid_t()
        let failure = Self.withVector(all) { arguments in
            Self.withVector(["PATH=/usr/bin"] + environment) {
                posix_spawn(&id, program, &actions, nil, arguments, $0)
            }
        }
        precondition(failure == 0, "\(program): \(String(cString: strerror(failure)))")
        posix_spawn_file_actions_destroy(&actions)
        processID = id
        close(ready.writing)
        close(errors.writing)
        word = tellsReady ? Self.readAll(ready.reading) : ""
        close(ready.reading)
        self.errors = errors.reading
    }

    deinit {
        close(errors)
    }

    func send(_ signal: Int32) { kill(processID, signal) }

    /// Waits for its end.
    ///
    /// - Returns: the exit status, or the signal's number + 128, and all that it wrote to standard error.
    func end() -> (status: Int32, errors: String) {
        errorText += Self.readAll(errors)
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0, errno == EINTR {}
        return (status & 0x7f == 0 ? status >> 8 & 0xff : status & 0x7f + 128, errorText)
    }

    /// Waits for a line of its standard error that contains `text`.
    ///
    /// - Returns: false if it ended or 20 seconds passed before.
    func says(_ text: String) -> Bool {
        while !errorText.contains(text) {
            var waiting = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 20_000) == 1 else { return false }
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = read(errors, &bytes, bytes.count)
            guard count > 0 else { return false }
            errorText += String(decoding: bytes.prefix(count), as: UTF8.self)
        }
        return true
    }

    /// A pipe whose ends children do not inherit.
    static func pipe() -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [0, 0]
        precondition(Glibc.pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    /// xensockd stands beside the tests' own executable.
    private static var program: String {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count)
        let own = String(decoding: path.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex) + "/xensockd"
    }

    private static func readAll(_ descriptor: Int32) -> String {
        var text: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return String(decoding: text, as: UTF8.self) }
            text += bytes.prefix(count)
        }
    }

    private static func withVector<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let vector = strings.map { strdup($0) } + [nil]
        defer { vector.forEach { free($0) } }
        return body(vector)
    }
}

/// A fresh directory, removed with all that is in it.
final class TemporaryDirectory {
    let path: String

    init() {
        var template = Array("/tmp/xensockd-test.XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        Self.empty(path)
        rmdir(path)
    }

    func write(_ name: String, _ text: String) -> String {
        let file = "\(path)/\(name)"
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0)
        defer { close(descriptor) }
        precondition(Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count)
        return file
    }

    func exists(_ name: String) -> Bool { access("\(path)/\(name)", F_OK) == 0 }

    private static func empty(_ path: String) {
        guard let stream = opendir(path) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name == "." || name == ".." { continue }
            let inner = "\(path)/\(name)"
            if entry.pointee.d_type == UInt8(DT_DIR) { empty(inner) }
            remove(inner)
        }
    }

    /// The permissions of a file.
    func mode(_ name: String) -> mode_t {
        var status = stat()
        return lstat("\(path)/\(name)", &status) == 0 ? status.st_mode & 0o777 : 0
    }
}
