/// One of the four words of a data ring: a free-running index in bits 63..32, flags in bits 31..0
/// (docs/PROTOCOL.md, 2.1). Index and flags change in one compare-and-swap, so that a decision taken on "still empty"
/// or "still full" cannot be overtaken.
@frozen
public struct IndexWord {
    @usableFromInline let word: SharedWord64

    /// - Parameter address: 8-byte aligned memory that outlives the value. Not owned.
    @inlinable @inline(__always)
    public init(_ address: UnsafeMutableRawPointer) { word = SharedWord64(address) }

    /// What the word held at one instant.
    @frozen
    public struct Value: Equatable {
        public var rawValue: UInt64

        @inlinable @inline(__always)
        public init(rawValue: UInt64) { self.rawValue = rawValue }

        @inlinable @inline(__always)
        public init(index: UInt32, flags: UInt32) { rawValue = UInt64(index) << 32 | UInt64(flags) }

        @inlinable @inline(__always)
        public var index: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }

        @inlinable @inline(__always)
        public var flags: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

        @inlinable @inline(__always)
        public func has(_ flag: UInt32) -> Bool { flags & flag != 0 }

        /// The number of tokens that stand in the placeholder (producer word of `in`).
        @inlinable @inline(__always)
        public var tokens: UInt32 { flags & InProducer.tokens }
    }

    @inlinable @inline(__always)
    public func load() -> Value { Value(rawValue: word.loadOrdered()) }

    @inlinable @inline(__always)
    public func compareExchange(_ expected: Value, _ desired: Value) -> Bool {
        word.compareExchange(expected.rawValue, desired.rawValue)
    }

    @inlinable @inline(__always)
    public func store(_ value: Value) { word.store(value.rawValue) }

    /// Changes the word by `change`, again and again until the swap succeeds or the other side is taken for hostile.
    ///
    /// - Returns: the value before and the value after.
    @inlinable @inline(__always)
    public func update(_ change: (Value) -> Value) throws(RingViolation) -> (before: Value, after: Value) {
        var tries = 0
        while tries < exchangeLimit {
            let before = load()
            let after = change(before)
            if compareExchange(before, after) { return (before, after) }
            tries &+= 1
        }
        throw RingViolation()
    }
}

/// Flags of the producer word of `in`.
public enum InProducer {
    /// Offset in the indexes page.
    public static let offset = 3840
    /// The count of tokens, bits 0..7.
    public static let tokens: UInt32 = 0xff
    public static let endOfFile: UInt32 = 1 << 8
    /// A reader died: TOKENS does not say how many bytes stand in the placeholder, until the next holder counts them.
    public static let unsettled: UInt32 = 1 << 9
    /// A datagram socket has a pending error: it stands in the status line, or will in a moment.
    public static let error: UInt32 = 1 << 10
    /// A datagram socket's error queue is not empty.
    public static let errorQueue: UInt32 = 1 << 11
}

/// Flags of the consumer word of `in`.
public enum InConsumer {
    public static let offset = 3904
    public static let stall: UInt32 = 1 << 0
}

/// Flags of the producer word of `out`.
public enum OutProducer {
    public static let offset = 3968
    public static let idle: UInt32 = 1 << 0
    /// The bytes published last may be held back until others follow: MSG_MORE.
    public static let more: UInt32 = 1 << 1
}

/// Flags of the consumer word of `out`.
public enum OutConsumer {
    public static let offset = 4032
    public static let full: UInt32 = 1 << 0
    public static let fillerPending: UInt32 = 1 << 1
    public static let owed: UInt32 = 1 << 2
    public static let connected: UInt32 = 1 << 3
    public static let broken: UInt32 = 1 << 4
}
