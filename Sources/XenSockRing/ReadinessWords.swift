/// What the placeholder of a socket shows, for dialects whose index words carry no flags (docs/PROTOCOL.md, 3.5). Each
/// word is changed by both sides, by compare-and-swap. Nothing ties them to the indexes: whoever changes one looks at
/// the other side's index again afterwards, in the one order of sequentially consistent operations.
public enum ReadinessFlag {
    // Of the word for `in`.
    /// The count of tokens, bits 0..7.
    public static let tokens: UInt32 = 0xff
    /// A reader died: TOKENS does not say how many bytes stand in the placeholder, until the next holder counts them.
    public static let unsettled: UInt32 = 1 << 9
    /// A listener's POLL went with the session that had sent it: whoever accepts next sends another.
    public static let pollLost: UInt32 = 1 << 10

    // Of the word for `out`.
    public static let full: UInt32 = 1 << 0
    public static let fillerPending: UInt32 = 1 << 1
    public static let owed: UInt32 = 1 << 2
}

/// The word for `in`: which tokens stand.
@frozen
public struct InReadiness {
    @usableFromInline let word: SharedWord32

    @inlinable
    public init(_ address: UnsafeMutableRawPointer) { word = SharedWord32(address) }

    @inlinable
    public func load() -> UInt32 { word.loadOrdered() }

    @inlinable
    public func store(_ value: UInt32) { word.storeOrdered(value) }

    @inlinable
    public func compareExchange(_ expected: UInt32, _ desired: UInt32) -> Bool {
        word.compareExchange(expected, desired)
    }

    /// The backend has published, or was asked to look: counts a token if none stands, or one more for `edge`.
    ///
    /// - Parameter isEmpty: whether there is nothing to read, asked after the count: a reader that took everything
    ///   before it could see the token must not find one later.
    /// - Returns: whether to send a byte.
    public func arm(edge: Bool, isEmpty: () -> Bool) throws(RingViolation) -> Bool {
        var tries = 0
        while tries < exchangeLimit {
            let value = load()
            let tokens = value & ReadinessFlag.tokens
            if value & ReadinessFlag.unsettled != 0 { return false }
            if tokens > 0, !edge || tokens == ReadinessFlag.tokens { return false }
            if compareExchange(value, value &+ 1) {
                // A reader that has cleared the token meanwhile waits for its byte.
                return !(tokens == 0 && isEmpty() && compareExchange(value &+ 1, value))
            }
            tries &+= 1
        }
        throw RingViolation()
    }

    /// The backend sets flags.
    ///
    /// - Returns: whether they stood already.
    public func set(_ flags: UInt32) throws(RingViolation) -> Bool {
        var tries = 0
        while tries < exchangeLimit {
            let value = load()
            if compareExchange(value, value | flags) { return value & flags == flags }
            tries &+= 1
        }
        throw RingViolation()
    }
}

/// The word for `out`: which fillers stand.
@frozen
public struct OutReadiness {
    @usableFromInline let word: SharedWord32

    @inlinable
    public init(_ address: UnsafeMutableRawPointer) { word = SharedWord32(address) }

    @inlinable
    public func load() -> UInt32 { word.loadOrdered() }

    @inlinable
    public func store(_ value: UInt32) { word.storeOrdered(value) }

    /// The frontend makes the placeholder not writable. It looks at the consumer's index again afterwards, and notifies
    /// the backend if that has moved.
    public func block() -> OutRingFront.Blocking {
        let value = load()
        if value & ReadinessFlag.full != 0 { return .full }
        if value & ReadinessFlag.fillerPending != 0 { return .lookAgain }
        if value & ReadinessFlag.owed != 0 {
            let full = value & ~ReadinessFlag.owed | ReadinessFlag.full
            return word.compareExchange(value, full) ? .full : .lookAgain
        }
        return word.compareExchange(value, value | ReadinessFlag.fillerPending) ? .sendFiller : .lookAgain
    }

    /// Turns FPEND into FULL after the filler was sent, unless the backend has turned it into OWE.
    public func fillerSent() throws(RingViolation) {
        try change { value in
            value & ReadinessFlag.fillerPending == 0
                ? value : value & ~ReadinessFlag.fillerPending | ReadinessFlag.full
        }
    }

    /// The backend makes the placeholder writable.
    public func drain() throws(RingViolation) -> OutRingBack.Drain {
        let value = try change { value in
            if value & ReadinessFlag.full != 0 { return value & ~ReadinessFlag.full }
            if value & ReadinessFlag.fillerPending != 0 {
                return value & ~ReadinessFlag.fillerPending | ReadinessFlag.owed
            }
            return value
        }
        if value & ReadinessFlag.full != 0 { return .receiveFiller }
        return value & ReadinessFlag.fillerPending != 0 ? .owesFiller : .nothing
    }

    /// The filler that is owed has come. Returns whether it is the backend's to receive; else it stands for FULL.
    public func settleOwed() throws(RingViolation) -> Bool {
        try change { $0 & ~ReadinessFlag.owed } & ReadinessFlag.owed != 0
    }

    /// The holder of the send lock died; all fillers were received.
    public func forgetFillers() throws(RingViolation) {
        try change { $0 & ~(ReadinessFlag.fillerPending | ReadinessFlag.owed) }
    }

    public var isOwed: Bool { load() & ReadinessFlag.owed != 0 }

    public var isFillerUnsettled: Bool { load() & (ReadinessFlag.owed | ReadinessFlag.fillerPending) != 0 }

    /// Returns the word as it was before.
    @discardableResult
    private func change(_ body: (UInt32) -> UInt32) throws(RingViolation) -> UInt32 {
        var tries = 0
        while tries < exchangeLimit {
            let value = load()
            let next = body(value)
            if next == value || word.compareExchange(value, next) { return value }
            tries &+= 1
        }
        throw RingViolation()
    }
}
