import XenSockPlatform
import XenSockRing
import XenSockWire

/// A stream socket of `draft1` or `pvcalls1`, for one call of the program: as `StreamSocket`, but its index words carry
/// no flags, every move of an index is notified, and what the placeholder shows stands in the status line
/// (docs/PROTOCOL.md, 3.5 and chapter 5).
struct V1StreamSocket<Domain: FrontendDomain> {
    /// Domain, placeholder, status line and tag.
    let plain: StreamSocket<Domain>
    let dialect: Dialect

    var status: SocketStatus { plain.status }

    var inReadiness: InReadiness { InReadiness(status.line + StatusLine.inReadiness) }

    var outReadiness: OutReadiness { OutReadiness(status.line + StatusLine.outReadiness) }

    /// The order that the status line has for a ring of `draft1`, which has no other.
    static var draft1Order: UInt32 { 6 }

    var ring: V1Ring {
        let order = status.order
        let data = plain.indexes + pageSize
        if dialect == .draft1, order != 0 { return V1Ring(draft1: data) }
        return V1Ring(indexes: plain.indexes, data: data, half: order == 0 ? 0 : 2048 << order)
    }

    /// The ring's pages as `draft1` lists them: those that follow the port's first.
    static func draft1Pages(indexesPage: GrantReference) -> Draft1Pages {
        var pages = Draft1Pages()
        for index in 0..<Draft1.pages {
            pages.references[index] = GrantReference(indexesPage.rawValue &+ 1 &+ UInt32(index))
        }
        return pages
    }

    /// Makes the placeholder not writable, whatever `out` holds.
    ///
    /// - Parameter mask: the program's signal mask, if the caller has blocked signals.
    func obstruct(_ mask: UInt64 = Kernel.unblocked) {
        let lock = status.sendLock
        let held = lock.acquire(plain.tag, mask: mask)
        var tries = 0
        while tries < 1000 {
            if block() { break }
            tries &+= 1
        }
        lock.release(held)
    }

    /// One step towards FULL. Returns whether it stands.
    func block() -> Bool {
        let word = outReadiness
        switch word.block() {
        case .full: return true
        case .lookAgain: return false
        case .sendFiller:
            // A send buffer that takes none is full of them: not writable either way.
            _ = plain.domain.sendFiller(plain.placeholder)
            try? word.fillerSent()
            return false
        }
    }

    /// Clears the tokens that `value` counts and receives them. Returns false if the word changed meanwhile.
    ///
    /// - Parameter fruitless: rounds in vain, of `fruitlessLimit`. Waiting for a token that does not come takes about a
    ///   second: once more, and no more.
    func disarm(_ value: UInt32, _ fruitless: inout Int) -> Bool {
        guard inReadiness.compareExchange(value, value & ~ReadinessFlag.tokens) else { return false }
        if !plain.eat(value & ReadinessFlag.tokens) { fruitless &+= StreamSocket<Domain>.fruitlessLimit / 2 }
        return true
    }

    /// Recovery after a holder of the receive lock died. Called with the lock held.
    func settleTokens() {
        let word = inReadiness
        var standing = plain.domain.countTokens(plain.placeholder)
        while standing > Int(ReadinessFlag.tokens) {
            let received = plain.domain.receiveTokens(plain.placeholder, standing &- Int(ReadinessFlag.tokens))
            if received <= 0 { break }
            standing &-= received
        }
        let tokens = UInt32(standing < 0 ? 0 : standing) & ReadinessFlag.tokens
        var value = word.load()
        var tries = 0
        while value & ReadinessFlag.unsettled != 0, tries < StreamSocket<Domain>.fruitlessLimit {
            tries &+= 1
            let settled = value & ~(ReadinessFlag.unsettled | ReadinessFlag.tokens) | tokens
            if word.compareExchange(value, settled) { break }
            value = word.load()
        }
        // What came while nothing was armed is armed now.
        plain.notify()
    }
}

extension SocketHandle {
    /// Whether the socket speaks `draft1` or `pvcalls1`.
    @inline(__always)
    var isV1: Bool { arena.dialect != 0 }

    var v1: V1StreamSocket<LocalDomain> {
        V1StreamSocket(plain: socket, dialect: Dialect(number: arena.dialect) ?? .pvcalls1)
    }
}
