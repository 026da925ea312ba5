/// Something that the dock has so many of, shared out among the users of its direct programs: none may have more of it
/// than is left for the others. So one alone has half, and two that take all they can a third each.
struct Shares {
    /// What it is, in the plural, as the log says it.
    let name: String
    let total: Int
    private(set) var used = 0
    private var usedBy: [UInt32: Int] = [:]
    /// When each user was told of last.
    private var reports: [UInt32: UInt64] = [:]

    init(_ name: String, total: Int) {
        self.name = name
        self.total = total
    }

    func used(by account: UInt32) -> Int { usedBy[account, default: 0] }

    /// How many more there are.
    ///
    /// - Parameter account: a user; nil for the agent itself, to which no share applies.
    func room(for account: UInt32?) -> Int {
        guard let account else { return max(0, total - used) }
        return max(0, (total - used - used(by: account)) / 2)
    }

    mutating func take(_ count: Int, _ account: UInt32?) {
        used += count
        if let account { usedBy[account, default: 0] += count }
    }

    mutating func give(_ count: Int, _ account: UInt32?) {
        used -= count
        guard let account else { return }
        let left = used(by: account) - count
        usedBy[account] = left > 0 ? left : nil
        if left <= 0 { reports[account] = nil }
    }

    /// What to log when a user gets no more; nil if that was logged in the last ten seconds.
    mutating func shortage(of account: UInt32, now: UInt64) -> String? {
        if let last = reports[account], now &- last < 10_000_000_000 { return nil }
        reports[account] = now
        return "user \(account) has \(used(by: account)) of \(total) \(name), and gets no more than are left for others"
    }
}
