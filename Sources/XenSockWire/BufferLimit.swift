/// How much of a direction of the data ring is used once a program has set SO_SNDBUF or SO_RCVBUF (docs/PROTOCOL.md,
/// 2.2): the ring would otherwise hold bytes that the program wants the peer to wait with.
public enum BufferLimit {
    /// No limit but the ring's size.
    public static let none: UInt32 = 0
    /// The kernel's smallest buffer, SOCK_MIN_RCVBUF.
    public static let minimum: UInt32 = 2304

    /// The limit that follows from a value of setsockopt(2), in bytes. A negative one counts as the largest, as in the
    /// kernel.
    public static func bytes(_ value: Int32) -> UInt32 { max(UInt32(bitPattern: value), minimum) }

    /// The bytes that may stand in a half of `size` bytes under `limit`, which the other side may have written.
    @inlinable @inline(__always)
    public static func capacity(_ limit: UInt32, size: UInt32) -> UInt32 {
        guard limit != none, limit < size else { return size }
        // No half is smaller than the minimum but that of a socket without a ring.
        return limit < minimum ? min(minimum, size) : limit
    }
}
