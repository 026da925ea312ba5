/// A socket address as the kernel lays it out (`struct sockaddr` of any family), kept inline: no heap, no pointer.
public struct SocketAddress: Equatable, Sendable {
    /// The largest address of any family (`sizeof(struct sockaddr_storage)`).
    public static let capacity = 128
    /// What fits into a command ring's entry; longer ones stand in the argument slot.
    public static let inlineCapacity = 28

    /// Address families, with the numbers that both sides of the wire use (Linux's).
    public static let unspecified: UInt16 = 0
    public static let unix: UInt16 = 1
    public static let inet: UInt16 = 2
    public static let inet6: UInt16 = 10

    /// The bytes, eight to a word, in memory order; those behind `length` are zero.
    var words: InlineArray<16, UInt64>

    /// Bytes in use, 0 to `capacity`.
    public private(set) var length: Int

    /// The empty address, of length 0.
    public init() {
        words = InlineArray(repeating: 0)
        length = 0
    }

    /// Copies `length` bytes of an address in private memory. Nil if `length` is negative or above `capacity`.
    public init?(bytes: UnsafeRawPointer, length: Int) {
        guard length >= 0, length <= Self.capacity else { return nil }
        words = InlineArray(repeating: 0)
        self.length = length
        if length > 0 {
            withUnsafeMutableBytes(of: &words) { $0.baseAddress!.copyMemory(from: bytes, byteCount: length) }
        }
    }

    /// Takes words that were already copied from shared memory; `length` is 0 to `capacity`.
    init(words: InlineArray<16, UInt64>, length: Int) {
        self.words = words
        self.length = length
        let whole = length &>> 3
        for index in 0..<16 where index >= whole {
            let kept = index == whole ? length & 7 : 0
            self.words[index] &= (1 &<< UInt64(kept &* 8)) &- 1
        }
    }

    /// Copies at most `capacity` bytes to `destination` and returns the whole length, as `getsockname(2)` does.
    @discardableResult
    public func copy(to destination: UnsafeMutableRawPointer, capacity: Int) -> Int {
        let count = min(length, max(0, capacity))
        if count > 0 {
            Swift.withUnsafeBytes(of: words) { destination.copyMemory(from: $0.baseAddress!, byteCount: count) }
        }
        return length
    }

    /// The bytes in use, for a system call; valid during `body` only.
    public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        let copy = words
        return try Swift.withUnsafeBytes(of: copy) { (bytes) throws(E) -> R in
            try body(UnsafeRawBufferPointer(rebasing: bytes[0..<length]))
        }
    }

    /// One byte of the address, 0 beyond its capacity.
    public subscript(offset: Int) -> UInt8 {
        guard offset >= 0, offset < Self.capacity else { return 0 }
        return UInt8(truncatingIfNeeded: words[offset &>> 3] &>> UInt64((offset & 7) &* 8))
    }

    public static func == (a: SocketAddress, b: SocketAddress) -> Bool {
        guard a.length == b.length else { return false }
        for index in 0..<16 where a.words[index] != b.words[index] {
            return false
        }
        return true
    }
}
