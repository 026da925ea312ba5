/// One direction of a data ring of `draft1` or `pvcalls1` (docs/PROTOCOL.md, 4.3 and 5.6): free-running 32-bit indexes
/// without flags, an error word, and a size of its own.
@frozen
public struct V1Direction {
    public let producer: SharedWord32
    public let consumer: SharedWord32
    /// 0, or the negated number that ends the direction; the backend's.
    public let error: SharedWord32
    @usableFromInline let data: UnsafeMutableRawPointer
    @usableFromInline let mask: UInt32

    /// - Parameters:
    ///   - data: `size` bytes. Not owned.
    ///   - size: a power of two, or 0 while there is no ring.
    @inlinable
    public init(
        producer: UnsafeMutableRawPointer, consumer: UnsafeMutableRawPointer, error: UnsafeMutableRawPointer,
        data: UnsafeMutableRawPointer, size: UInt32
    ) {
        self.producer = SharedWord32(producer)
        self.consumer = SharedWord32(consumer)
        self.error = SharedWord32(error)
        self.data = data
        mask = size &- 1
    }

    @inlinable
    public var size: UInt32 { mask &+ 1 }

    /// Bytes between two indexes.
    ///
    /// - Throws: if they are further apart than the direction is large.
    @inlinable
    public func queued(produced: UInt32, consumed: UInt32) throws(RingViolation) -> UInt32 {
        let queued = produced &- consumed
        if queued > size { throw RingViolation() }
        return queued
    }

    /// `count` bytes from `index`.
    ///
    /// - Precondition: `count` is at most `size`.
    @inlinable
    public func bytes(at index: UInt32, count: UInt32) -> Segments {
        Segments(data: data, mask: mask, index: index, count: count)
    }

    func clear() {
        producer.store(0)
        consumer.store(0)
        error.store(0)
    }

    /// Both indexes as they stood while the one that this side writes did not move: a signal handler that moved it
    /// between two loads would make an honest pair look like a violation.
    ///
    /// - Parameter own: the word of this side, which other threads and processes of it write too.
    @inlinable
    public func view(own: SharedWord32) throws(RingViolation) -> (produced: UInt32, consumed: UInt32, queued: UInt32) {
        var before = own.loadOrdered()
        var tries = 0
        while tries < exchangeLimit {
            let consumed = consumer.loadOrdered()
            let produced = producer.loadOrdered()
            let after = own.loadOrdered()
            if after == before {
                return (produced, consumed, try queued(produced: produced, consumed: consumed))
            }
            before = after
            tries &+= 1
        }
        throw RingViolation()
    }
}

/// Both directions of a data ring of `draft1` or `pvcalls1`.
@frozen
public struct V1Ring {
    /// Backend to frontend.
    public let input: V1Direction
    /// Frontend to backend.
    public let output: V1Direction

    /// Offsets of the words in the indexes page of `pvcalls1`.
    public enum Indexes {
        public static let inConsumer = 0
        public static let inProducer = 4
        public static let inError = 8
        public static let outConsumer = 64
        public static let outProducer = 68
        public static let outError = 72
    }

    /// Offsets in the 64 pages of `draft1`, and the sizes of its two directions in bytes.
    public enum Draft1 {
        public static let inSize: UInt32 = 65536
        public static let outSize: UInt32 = 131072
        public static let inConsumer = 196608
        public static let inProducer = 196612
        public static let outConsumer = 196616
        public static let outProducer = 196620
        public static let inError = 196624
        public static let outError = 196628
    }

    /// A ring of `pvcalls1`.
    ///
    /// - Parameters:
    ///   - indexes: the indexes page.
    ///   - data: the ring's pages, mapped side by side.
    ///   - half: bytes of each direction, a power of two; 0 without a ring.
    @inlinable
    public init(indexes: UnsafeMutableRawPointer, data: UnsafeMutableRawPointer, half: UInt32) {
        input = V1Direction(
            producer: indexes + Indexes.inProducer, consumer: indexes + Indexes.inConsumer,
            error: indexes + Indexes.inError, data: data, size: half)
        output = V1Direction(
            producer: indexes + Indexes.outProducer, consumer: indexes + Indexes.outConsumer,
            error: indexes + Indexes.outError, data: data + Int(half), size: half)
    }

    /// A ring of `draft1`: 64 pages, mapped side by side, the indexes among them.
    @inlinable
    public init(draft1 pages: UnsafeMutableRawPointer) {
        input = V1Direction(
            producer: pages + Draft1.inProducer, consumer: pages + Draft1.inConsumer, error: pages + Draft1.inError,
            data: pages, size: Draft1.inSize)
        output = V1Direction(
            producer: pages + Draft1.outProducer, consumer: pages + Draft1.outConsumer, error: pages + Draft1.outError,
            data: pages + Int(Draft1.inSize), size: Draft1.outSize)
    }

    /// Zeroes all words, for a ring that begins.
    public func clear() {
        input.clear()
        output.clear()
    }
}
