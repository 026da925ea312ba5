/// The fixed head of a datagram in a data ring (docs/PROTOCOL.md, 2.5). The payload stands behind it, then the address,
/// then the control messages, each padded to a multiple of 8.
public struct DatagramRecord: Equatable, Sendable {
    /// Bytes of the head.
    public static let headSize: UInt32 = 24
    /// Bytes of payload at most: no IP datagram is larger.
    public static let maximumPayload: UInt32 = 65535
    /// Bytes of control messages at most.
    public static let maximumControl: UInt32 = 1024
    /// Bytes of a whole record at most.
    public static let maximumSize: UInt32 = headSize + 65536 + UInt32(SocketAddress.capacity) + maximumControl
    /// The smallest ring order that can carry datagrams: a half must hold two records of the largest size, or a filler
    /// could be asked for with half of the ring free, and never be taken back.
    public static let minimumOrder: UInt32 = 7

    /// Bits of `options`.
    public enum Option {
        /// The frontend will ask by FLUSH what became of the record: its error is kept for that.
        public static let verdict: UInt32 = 1
        /// All that may be set.
        public static let known: UInt32 = 1
    }

    public var payload: UInt32
    public var address: UInt32
    public var control: UInt32
    /// MSG_ values: of a sending call, or as receiving reported them.
    public var flags: UInt32
    public var options: UInt32

    /// - Precondition: the lengths are within their bounds.
    public init(payload: UInt32, address: UInt32, control: UInt32, flags: UInt32, options: UInt32 = 0) {
        self.payload = payload
        self.address = address
        self.control = control
        self.flags = flags
        self.options = options
    }

    /// Takes the head's three words as they were read, once, from shared memory.
    ///
    /// - Parameter available: bytes that stand in the ring from the head on.
    /// - Returns: nil if a length is out of bounds, or the record is not as long as they say.
    public init?(words: (UInt64, UInt64, UInt64), available: UInt32) {
        payload = UInt32(truncatingIfNeeded: words.0 &>> 32)
        flags = UInt32(truncatingIfNeeded: words.1)
        options = UInt32(truncatingIfNeeded: words.1 &>> 32)
        address = UInt32(truncatingIfNeeded: words.2)
        control = UInt32(truncatingIfNeeded: words.2 &>> 32)
        guard payload <= Self.maximumPayload, address <= UInt32(SocketAddress.capacity),
            control <= Self.maximumControl, options & ~Option.known == 0, size <= available,
            UInt32(truncatingIfNeeded: words.0) == size
        else { return nil }
    }

    /// The head as three words of memory.
    public var words: (UInt64, UInt64, UInt64) {
        (
            UInt64(payload) &<< 32 | UInt64(size), UInt64(options) &<< 32 | UInt64(flags),
            UInt64(control) &<< 32 | UInt64(address)
        )
    }

    /// Bytes of the whole record, a multiple of 8.
    public var size: UInt32 { controlOffset &+ Self.padded(control) }

    /// Where the address begins.
    public var addressOffset: UInt32 { Self.headSize &+ Self.padded(payload) }

    /// Where the control messages begin.
    public var controlOffset: UInt32 { addressOffset &+ Self.padded(address) }

    static func padded(_ size: UInt32) -> UInt32 { (size &+ 7) & ~7 }
}
