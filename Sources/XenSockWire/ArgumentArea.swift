import Synchronization

/// The argument area of `xensock2`: 32 slots of 512 bytes, one for each `req_id`, in pages that the frontend granted.
/// A view: whoever mapped the pages owns them and keeps them mapped while this is in use.
public struct ArgumentArea: @unchecked Sendable {
    public static let slotSize = 512
    public static let slotCount: UInt32 = 32
    public static let pages = 4
    public static let size = 16384

    public let base: UnsafeMutableRawPointer

    /// `base` is aligned to 8 and `size` bytes long.
    public init(base: UnsafeMutableRawPointer) {
        self.base = base
    }

    /// The slot of `requestID`, `slotSize` bytes; nil from 32 on.
    public func slot(_ requestID: UInt32) -> UnsafeMutableRawPointer? {
        requestID < Self.slotCount ? base + Int(requestID) &* Self.slotSize : nil
    }

    /// Copies the first `count` bytes of a slot to private memory, each byte read once. False, and nothing copied, if
    /// the slot does not exist or `count` is not 0 to `slotSize`.
    public func read(_ requestID: UInt32, into destination: UnsafeMutableRawPointer, count: Int) -> Bool {
        guard let slot = slot(requestID), count >= 0, count <= Self.slotSize else { return false }
        let shared = slot.assumingMemoryBound(to: Atomic<UInt8>.self)
        for index in 0..<count {
            destination.storeBytes(of: shared[index].load(ordering: .relaxed), toByteOffset: index, as: UInt8.self)
        }
        return true
    }

    /// Copies `count` bytes to the start of a slot. False, and nothing written, if they do not fit.
    public func write(_ requestID: UInt32, from source: UnsafeRawPointer, count: Int) -> Bool {
        guard let slot = slot(requestID), count >= 0, count <= Self.slotSize else { return false }
        slot.copyMemory(from: source, byteCount: count)
        return true
    }
}
