import Synchronization

/// A private copy of `count` 64-bit words of shared memory, addressed by byte offset.
///
/// The peer may change shared memory while it is read. Each word is loaded by one relaxed atomic load, which a compiler
/// may neither repeat nor invent, so a value that was checked is the value that is used. Stores are atomic likewise.
struct Words<let count: Int>: Sendable {
    var storage: InlineArray<count, UInt64>

    /// All zeros: what is not set goes out as zero.
    init() {
        storage = InlineArray(repeating: 0)
    }

    /// Copies `8 * count` bytes of shared memory from `source`, which is aligned to 8.
    init(loading source: UnsafeRawPointer) {
        storage = InlineArray(repeating: 0)
        let shared = UnsafeMutableRawPointer(mutating: source).assumingMemoryBound(to: Atomic<UInt64>.self)
        for index in 0..<count {
            storage[index] = shared[index].load(ordering: .relaxed)
        }
    }

    /// Writes the words to shared memory at `destination`, which is aligned to 8.
    func store(to destination: UnsafeMutableRawPointer) {
        let shared = destination.assumingMemoryBound(to: Atomic<UInt64>.self)
        for index in 0..<count {
            shared[index].store(storage[index], ordering: .relaxed)
        }
    }

    func u64(_ offset: Int) -> UInt64 {
        storage[offset &>> 3]
    }

    func u32(_ offset: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: storage[offset &>> 3] &>> UInt64((offset & 4) &* 8))
    }

    func i32(_ offset: Int) -> Int32 {
        Int32(bitPattern: u32(offset))
    }

    func u8(_ offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: storage[offset &>> 3] &>> UInt64((offset & 7) &* 8))
    }

    mutating func set(_ offset: Int, _ value: UInt64) {
        storage[offset &>> 3] = value
    }

    mutating func set(_ offset: Int, _ value: UInt32) {
        let shift = UInt64((offset & 4) &* 8)
        let cleared = storage[offset &>> 3] & ~(0xffff_ffff &<< shift)
        storage[offset &>> 3] = cleared | (UInt64(value) &<< shift)
    }

    mutating func set(_ offset: Int, _ value: Int32) {
        set(offset, UInt32(bitPattern: value))
    }

    mutating func set(_ offset: Int, _ value: UInt8) {
        let shift = UInt64((offset & 7) &* 8)
        let cleared = storage[offset &>> 3] & ~(0xff &<< shift)
        storage[offset &>> 3] = cleared | (UInt64(value) &<< shift)
    }
}
