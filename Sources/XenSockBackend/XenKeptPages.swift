import XenSockXen

/// The pages that stay mapped without a socket (docs/PROTOCOL.md, 3.7, Rings), of all guests, in the order in which they
/// lost their use: for some seconds, and never where their place is wanted.
final class XenKeptPages {
    /// For how many seconds pages are kept: longer than a program that connects again and again pauses.
    var patience: UInt64 = 5
    /// Mappings that are dropped in one turn because of their age.
    private static let budget = 16

    private unowned let service: Service
    private var pages: [UInt64: XenPages] = [:]
    /// No place below this one is in use.
    private var oldest: UInt64 = 1
    private var next: UInt64 = 1
    private var second: UInt64 = 0
    private var isTicking = false

    init(service: Service) { self.service = service }

    /// Puts pages behind all others.
    func add(_ added: XenPages) {
        remove(added)
        added.place = next
        added.second = second
        pages[next] = added
        next += 1
        guard !isTicking else { return }
        isTicking = true
        service.everySecond { [weak self] _ in self?.tick() ?? false }
    }

    func remove(_ removed: XenPages) {
        guard removed.place != 0 else { return }
        pages[removed.place] = nil
        removed.place = 0
        while oldest < next, pages[oldest] == nil { oldest += 1 }
    }

    /// Drops the oldest, until as many pages are unmapped or nothing is left.
    ///
    /// - Parameter domain: of this guest only.
    /// - Returns: whether any was.
    func drop(_ count: Int, of domain: DomainID? = nil) -> Bool {
        var dropped = 0
        var place = oldest
        while dropped < count, place < next {
            if let found = pages[place], domain == nil || found.device.domain == domain {
                dropped += found.unused
                found.drop()
            }
            place += 1
        }
        return dropped > 0
    }

    private func tick() -> Bool {
        second += 1
        dropAged()
        isTicking = !pages.isEmpty
        return isTicking
    }

    /// What a guest leaves at once goes bit by bit: unmapping takes long, and others want to be served meanwhile.
    private func dropAged() {
        for _ in 0..<Self.budget {
            guard let found = pages[oldest], second - found.second >= patience else { return }
            found.drop()
        }
        service.afterTurn { [weak self] in self?.dropAged() }
    }
}
