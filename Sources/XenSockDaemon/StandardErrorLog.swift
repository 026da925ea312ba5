import Glibc
import Logging

/// Log lines on standard error. Where the journal reads it, a line begins with its priority (sd-daemon(3)) and has no
/// time, since the journal knows both; elsewhere with the time of day and the level.
struct StandardErrorLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info
    private let name: String
    private let isJournal: Bool
    private let descriptor: Int32

    /// - Parameters:
    ///   - name: of the service.
    ///   - isJournal: whether JOURNAL_STREAM names the descriptor.
    init(name: String = "xensockd", descriptor: Int32 = 2, isJournal: Bool = Self.isJournal(2)) {
        self.name = name
        self.descriptor = descriptor
        self.isJournal = isJournal
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        var line = isJournal ? "<\(Self.priority(event.level))>" : "\(Self.timeOfDay()) \(name) \(event.level): "
        line += "\(event.message)"
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { line += " \(key)=\(value)" }
        // One write for one line: lines of several writers do not mix.
        writeAll(descriptor, line + "\n")
    }

    /// Whether the journal reads the descriptor: JOURNAL_STREAM holds its device and inode number (systemd.exec(5)).
    static func isJournal(_ descriptor: Int32) -> Bool {
        var status = stat()
        guard let stream = environment("JOURNAL_STREAM"), fstat(descriptor, &status) == 0 else { return false }
        return stream == "\(status.st_dev):\(status.st_ino)"
    }

    /// The level of syslog(3).
    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: return 7
        case .info: return 6
        case .notice: return 5
        case .warning: return 4
        case .error: return 3
        case .critical: return 2
        }
    }

    private static func timeOfDay() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var fields = tm()
        localtime_r(&now.tv_sec, &fields)
        var text = [CChar](repeating: 0, count: 32)
        let length = strftime(&text, text.count, "%H:%M:%S", &fields)
        let milliseconds = String(now.tv_nsec / 1_000_000)
        let padding = String(repeating: "0", count: 3 - milliseconds.count)
        return String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            + ".\(padding)\(milliseconds)"
    }
}
