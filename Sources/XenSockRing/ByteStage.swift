/// One half of a data ring used as a queue of one side's own: the ring's memory, with indexes that nobody else sees. What
/// the other side may write to the memory meanwhile are its own bytes (docs/PROTOCOL.md, 2.6).
public struct ByteStage {
    private let data: UnsafeMutableRawPointer
    private let mask: UInt32
    /// The index behind the last byte that was put in.
    public private(set) var produced: UInt32
    /// The index of the first byte that was not taken.
    public private(set) var consumed: UInt32

    /// A queue that holds the bytes from `consumed` to `produced`, which lie in the half already.
    ///
    /// - Parameters:
    ///   - data: the half's first byte. Not owned.
    ///   - size: the half's size in bytes, a power of two.
    public init(data: UnsafeMutableRawPointer, size: UInt32, consumed: UInt32, produced: UInt32) {
        precondition(produced &- consumed <= size)
        self.data = data
        mask = size &- 1
        self.produced = produced
        self.consumed = consumed
    }

    public var count: UInt32 { produced &- consumed }
    public var isEmpty: Bool { produced == consumed }

    /// The first bytes, at most `limit`.
    public func bytes(limit: UInt32) -> Segments {
        Segments(data: data, mask: mask, index: consumed, count: min(count, limit))
    }

    /// Room for more bytes, at most `limit`.
    public func space(limit: UInt32) -> Segments {
        Segments(data: data, mask: mask, index: produced, count: min(mask &+ 1 &- count, limit))
    }

    /// `count` bytes were put into `space`.
    public mutating func produce(_ count: Int) {
        precondition(count >= 0 && count <= Int(mask &+ 1 &- self.count))
        produced &+= UInt32(count)
    }

    /// The first `count` of `bytes` were taken.
    public mutating func consume(_ count: Int) {
        precondition(count >= 0 && count <= Int(self.count))
        consumed &+= UInt32(count)
    }

    /// Forgets what is in it.
    public mutating func clear() { consumed = produced }
}
