/// Up to two runs of bytes of one half of a data ring: what lies before the wrap and what lies behind it.
@frozen
public struct Segments {
    public var first: UnsafeMutableRawBufferPointer
    public var second: UnsafeMutableRawBufferPointer

    @inlinable @inline(__always)
    public var count: Int { first.count &+ second.count }

    /// One run of private memory. Not owned.
    public init(_ bytes: UnsafeMutableRawBufferPointer) {
        first = bytes
        second = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    /// The `count` bytes from `index` of the half at `data`, whose size is `mask` + 1.
    ///
    /// - Precondition: `count` is at most the half's size; callers bound it.
    @inlinable @inline(__always)
    init(data: UnsafeMutableRawPointer, mask: UInt32, index: UInt32, count: UInt32) {
        let position = Int(index & mask)
        let untilWrap = Int(mask) &+ 1 &- position
        let total = Int(count)
        let head = total < untilWrap ? total : untilWrap
        first = UnsafeMutableRawBufferPointer(start: data + position, count: head)
        second = UnsafeMutableRawBufferPointer(start: data, count: total &- head)
    }
}
