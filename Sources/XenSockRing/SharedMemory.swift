import Synchronization

/// A 32-bit word of shared memory. Every access is atomic: the other side may write at any time.
@frozen
public struct SharedWord32 {
    @usableFromInline let pointer: UnsafeMutablePointer<Atomic<UInt32>>

    /// - Parameter address: 4-byte aligned memory that outlives the value. Not owned.
    @inlinable @inline(__always)
    public init(_ address: UnsafeMutableRawPointer) {
        pointer = address.assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    @inlinable @inline(__always)
    public func load() -> UInt32 { pointer.pointee.load(ordering: .acquiring) }

    /// A load in the single order that all sequentially consistent operations share.
    @inlinable @inline(__always)
    public func loadOrdered() -> UInt32 { pointer.pointee.load(ordering: .sequentiallyConsistent) }

    @inlinable @inline(__always)
    public func store(_ value: UInt32) { pointer.pointee.store(value, ordering: .releasing) }

    @inlinable @inline(__always)
    public func storeOrdered(_ value: UInt32) { pointer.pointee.store(value, ordering: .sequentiallyConsistent) }

    @inlinable @inline(__always)
    public func exchange(_ value: UInt32) -> UInt32 {
        pointer.pointee.exchange(value, ordering: .sequentiallyConsistent)
    }

    @inlinable @inline(__always)
    public func compareExchange(_ expected: UInt32, _ desired: UInt32) -> Bool {
        pointer.pointee.compareExchange(expected: expected, desired: desired, ordering: .sequentiallyConsistent)
            .exchanged
    }

    /// Adds modulo 2^32.
    @inlinable @inline(__always)
    public func add(_ value: UInt32) { _ = pointer.pointee.wrappingAdd(value, ordering: .sequentiallyConsistent) }

    @inlinable @inline(__always)
    public func formUnion(_ bits: UInt32) { _ = pointer.pointee.bitwiseOr(bits, ordering: .sequentiallyConsistent) }

    @inlinable @inline(__always)
    public func subtract(_ bits: UInt32) { _ = pointer.pointee.bitwiseAnd(~bits, ordering: .sequentiallyConsistent) }
}

/// A 64-bit word of shared memory. Every access is atomic.
@frozen
public struct SharedWord64 {
    @usableFromInline let pointer: UnsafeMutablePointer<Atomic<UInt64>>

    /// - Parameter address: 8-byte aligned memory that outlives the value. Not owned.
    @inlinable @inline(__always)
    public init(_ address: UnsafeMutableRawPointer) {
        pointer = address.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// Where the word stands.
    @inlinable @inline(__always)
    public var address: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointer) }

    @inlinable @inline(__always)
    public func load() -> UInt64 { pointer.pointee.load(ordering: .acquiring) }

    @inlinable @inline(__always)
    public func loadOrdered() -> UInt64 { pointer.pointee.load(ordering: .sequentiallyConsistent) }

    @inlinable @inline(__always)
    public func store(_ value: UInt64) { pointer.pointee.store(value, ordering: .releasing) }

    @inlinable @inline(__always)
    public func exchange(_ value: UInt64) -> UInt64 {
        pointer.pointee.exchange(value, ordering: .sequentiallyConsistent)
    }

    @inlinable @inline(__always)
    public func compareExchange(_ expected: UInt64, _ desired: UInt64) -> Bool {
        pointer.pointee.compareExchange(expected: expected, desired: desired, ordering: .sequentiallyConsistent)
            .exchanged
    }

    /// Sets bits; returns the word as it was before.
    @inlinable @inline(__always) @discardableResult
    public func formUnion(_ bits: UInt64) -> UInt64 {
        pointer.pointee.bitwiseOr(bits, ordering: .sequentiallyConsistent).oldValue
    }
}

/// The other side broke the protocol: an index beyond the ring, or a word that never stood still. The ring is unusable.
public struct RingViolation: Error {
    @inlinable
    public init() {}
}

/// How often a compare-and-swap on a word that the other side writes is tried before that side is taken for hostile.
/// An honest side changes a word once for each thing it does, and has at most a few things to do meanwhile.
@usableFromInline let exchangeLimit = 1000
