/// What waits for a placeholder's looks to be answered, in the order of the looks (docs/PROTOCOL.md, 3.7).
struct LookWaits {
    private struct Wait {
        let look: UInt32
        let isNeeded: () -> Bool
        let then: () -> Void
    }

    private static let fewest = 64
    private var waits: [Wait] = []
    /// With so many it is worth while to look for those that nobody needs any more.
    private var many = fewest

    var count: Int { waits.count }

    /// - Parameters:
    ///   - look: counts up by one.
    ///   - isNeeded: whether `then` would still do anything.
    mutating func append(_ look: UInt32, isNeeded: @escaping () -> Bool, _ then: @escaping () -> Void) {
        if waits.count >= many {
            waits.removeAll { !$0.isNeeded() }
            many = max(Self.fewest, 2 * waits.count)
        }
        waits.append(Wait(look: look, isNeeded: isNeeded, then: then))
    }

    /// Takes those that `looked` answers.
    ///
    /// - Parameter looks: the last look that was asked for.
    mutating func takeAnswered(_ looked: UInt32, of looks: UInt32) -> [() -> Void] {
        // One that was never asked for answers nothing.
        guard let first = waits.first, looks &- looked <= looks &- first.look else { return [] }
        let count = waits.prefix { Int32(bitPattern: looked &- $0.look) >= 0 }.count
        defer { waits.removeFirst(count) }
        return waits.prefix(count).map { $0.then }
    }

    mutating func takeAll() -> [() -> Void] {
        defer { waits = [] }
        return waits.map { $0.then }
    }
}
