import XenSockXen

/// The pages that stay mapped without a socket (docs/PROTOCOL.md, 3.7, Rings), of all guests, in the order in which they
/// lost their use: for some seconds, and never where their place is wanted.
final class XenKeptPages {
    /// For how many seconds pages are kept: longer than a program that connects again and again pauses.
    var patience: UInt64 = 5
    /// Mappings that are dropped in one turn because of their age.
    private static let budget = 16

    private unowned let service: Service
    private var oldest: XenPages?
    private unowned(unsafe) var newest: XenPages?
    private var second: UInt64 = 0
    private var isTicking = false

    init(service: Service) { self.service = service }

    /// Puts pages behind all others.
    func add(_ added: XenPages) {
        remove(added)
        added.isKept = true
        added.second = second
        added.older = newest
        if let newest { newest.newer = added } else { oldest = added }
        newest = added
        guard !isTicking else { return }
        isTicking = true
        service.everySecond { [weak self] _ in self?.tick() ?? false }
    }

    func remove(_ removed: XenPages) {
        guard removed.isKept else { return }
        removed.isKept = false
        let (older, newer) = (removed.older, removed.newer)
        removed.older = nil
        removed.newer = nil
        if let newer { newer.older = older } else { newest = older }
        if let older { older.newer = newer } else { oldest = newer }
    }

    /// Drops the oldest, until as many pages are unmapped or nothing is left.
    ///
    /// - Parameter domain: of this guest only.
    /// - Returns: whether any was.
    func drop(_ count: Int, of domain: DomainID? = nil) -> Bool {
        var dropped = 0
        var next = oldest
        while dropped < count, let found = next {
            next = found.newer
            guard domain == nil || found.device.domain == domain else { continue }
            dropped += found.unused
            found.drop()
        }
        return dropped > 0
    }

    private func tick() -> Bool {
        second += 1
        dropAged()
        isTicking = oldest != nil
        return isTicking
    }

    /// What a guest leaves at once goes bit by bit: unmapping takes long, and others want to be served meanwhile.
    private func dropAged() {
        for _ in 0..<Self.budget {
            guard let found = oldest, second - found.second >= patience else { return }
            found.drop()
        }
        service.afterTurn { [weak self] in self?.dropAged() }
    }
}
