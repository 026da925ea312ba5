/// An index word of `xensock2`: an index in bits 63 to 32, flags below (docs/PROTOCOL.md 2.1).
public struct IndexWord: RawRepresentable, Equatable, Sendable {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public init(index: UInt32, flags: UInt32 = 0) {
        rawValue = UInt64(index) &<< 32 | UInt64(flags)
    }

    public var index: UInt32 { UInt32(truncatingIfNeeded: rawValue &>> 32) }
    public var flags: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

    /// The in producer's count of tokens.
    public var tokens: UInt32 { flags & Self.tokensMask }

    public func with(index: UInt32) -> IndexWord { IndexWord(index: index, flags: flags) }
    public func with(flags: UInt32) -> IndexWord { IndexWord(index: index, flags: flags) }

    /// Offsets in the indexes page; each word has a cache line of its own.
    public static let inProducerOffset = 3840
    public static let inConsumerOffset = 3904
    public static let outProducerOffset = 3968
    public static let outConsumerOffset = 4032

    // In producer: written by the backend, TOKENS cleared by the frontend.
    public static let tokensMask: UInt32 = 0xff
    public static let eof: UInt32 = 1 << 8

    // In consumer: set by the backend, cleared by the frontend.
    public static let stall: UInt32 = 1 << 0

    // Out producer: set by the backend, cleared by the frontend.
    public static let idle: UInt32 = 1 << 0

    // Out consumer.
    public static let full: UInt32 = 1 << 0
    public static let fillerPending: UInt32 = 1 << 1
    public static let owe: UInt32 = 1 << 2
    public static let connected: UInt32 = 1 << 3
    public static let broken: UInt32 = 1 << 4

    /// Bytes of the filler message.
    public static let fillerSize = 256
}
