/// Keeps hostile frontends from filling the log: a burst of lines, then a few each second.
struct ViolationLog {
    private var tokens = 20
    private var refilled: UInt64 = 0
    private(set) var suppressed = 0

    /// Whether a line may be written now, and how many were not since the last one.
    mutating func admit(now: UInt64) -> Int? {
        let seconds = Int((now &- refilled) / 1_000_000_000)
        if seconds > 0 {
            tokens = min(20, tokens + min(seconds, 20) * 2)
            refilled = now
        }
        guard tokens > 0 else {
            suppressed += 1
            return nil
        }
        tokens -= 1
        defer { suppressed = 0 }
        return suppressed
    }
}
