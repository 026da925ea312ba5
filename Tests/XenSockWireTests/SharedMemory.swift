import Glibc
import XenSockWire

/// Memory that ends at a page which may not be touched: reading or writing one byte too far kills the test.
final class SharedMemory: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let size: Int
    private let mapping: UnsafeMutableRawPointer
    private let mapped: Int

    init(size: Int, filledWith byte: UInt8 = 0xaa) {
        self.size = size
        let pages = (size + pageSize - 1) / pageSize * pageSize
        mapped = pages + pageSize
        mapping = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(mapping != MAP_FAILED)
        precondition(mprotect(mapping + pages, pageSize, PROT_NONE) == 0)
        base = mapping + (pages - size)
        memset(base, Int32(byte), size)
    }

    deinit {
        munmap(mapping, mapped)
    }

    var bytes: [UInt8] {
        get { Array(UnsafeRawBufferPointer(start: base, count: size)) }
        set { newValue.withUnsafeBytes { base.copyMemory(from: $0.baseAddress!, byteCount: size) } }
    }

    func u32(_ offset: Int) -> UInt32 { base.load(fromByteOffset: offset, as: UInt32.self) }
    func u64(_ offset: Int) -> UInt64 { base.load(fromByteOffset: offset, as: UInt64.self) }
    func set(_ offset: Int, _ value: UInt32) { base.storeBytes(of: value, toByteOffset: offset, as: UInt32.self) }
    func set(_ offset: Int, _ value: UInt64) { base.storeBytes(of: value, toByteOffset: offset, as: UInt64.self) }

    static func slot(_ dialect: Dialect) -> SharedMemory { SharedMemory(size: dialect.slotSize) }
    static func arguments() -> SharedMemory { SharedMemory(size: ArgumentArea.size) }
    var area: ArgumentArea { ArgumentArea(base: base) }
}

/// A reproducible source of garbage (SplitMix64).
struct Noise: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// `count` bytes, none of them zero, so that a byte which was lost or cleared shows.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8($0 % 255 + 1) }
}

func address(family: UInt16, length: Int) -> SocketAddress {
    var bytes = pattern(length)
    if length >= 2 {
        bytes[0] = UInt8(truncatingIfNeeded: family)
        bytes[1] = UInt8(truncatingIfNeeded: family >> 8)
    }
    return bytes.withUnsafeBufferPointer { buffer in
        withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { room in
            room.copyBytes(from: buffer)
            return SocketAddress(bytes: room.baseAddress!, length: length)!
        }
    }
}
