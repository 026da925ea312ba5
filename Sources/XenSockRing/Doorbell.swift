/// The event channels of an arena in the direction of the service: a bit a port, and one sleeping flag
/// (docs/PROTOCOL.md, 3.2).
public enum DoorbellLayout {
    public static let sleeping = 64
    public static let summary = 128
    public static let pending = 4096
    public static let summaryWords = 4
    public static let maximumPorts: UInt32 = 16384
}

/// The frontend's end: rings.
@frozen
public struct DoorbellFront {
    @usableFromInline let arena: UnsafeMutableRawPointer

    /// - Parameter arena: the arena's first byte. Not owned.
    @inlinable @inline(__always)
    public init(arena: UnsafeMutableRawPointer) { self.arena = arena }

    /// Notifies the service of the event on `port`.
    ///
    /// - Returns: whether the service sleeps and must be signalled (a write to its eventfd); at most one caller is told.
    @inlinable @inline(__always)
    public func ring(_ port: UInt32) -> Bool {
        let word = Int(port >> 6)
        SharedWord64(arena + DoorbellLayout.pending + word &* 8).formUnion(1 << UInt64(port & 63))
        SharedWord64(arena + DoorbellLayout.summary + (word >> 6) &* 8).formUnion(1 << UInt64(word & 63))
        let sleeping = SharedWord32(arena + DoorbellLayout.sleeping)
        return sleeping.loadOrdered() != 0 && sleeping.exchange(0) != 0
    }
}

/// The service's end: sleeps, wakes, takes what is pending.
@frozen
public struct DoorbellBack {
    @usableFromInline let arena: UnsafeMutableRawPointer
    @usableFromInline let ports: UInt32

    /// - Parameters:
    ///   - arena: the arena's first byte. Not owned.
    ///   - ports: the number of ports the service gave the arena (its own number, not one read from the arena).
    public init(arena: UnsafeMutableRawPointer, ports: UInt32) {
        self.arena = arena
        self.ports = ports
    }

    /// Whether any port may be pending.
    public var isPending: Bool {
        for word in 0..<DoorbellLayout.summaryWords
        where SharedWord64(arena + DoorbellLayout.summary + word * 8).loadOrdered() != 0 {
            return true
        }
        return false
    }

    /// Announces that the service will sleep.
    ///
    /// - Returns: false if something is pending after all (the flag is taken back): go on working.
    public func sleep() -> Bool {
        let sleeping = SharedWord32(arena + DoorbellLayout.sleeping)
        sleeping.storeOrdered(1)
        if isPending {
            sleeping.storeOrdered(0)
            return false
        }
        return true
    }

    /// The service is awake: rings need no signal.
    public func wake() { SharedWord32(arena + DoorbellLayout.sleeping).storeOrdered(0) }

    /// Takes the pending ports, in ascending order, each below `ports`.
    public func takePending(_ body: (UInt32) -> Void) {
        for group in 0..<DoorbellLayout.summaryWords {
            var words = SharedWord64(arena + DoorbellLayout.summary + group * 8).exchange(0)
            while words != 0 {
                let word = UInt32(group) * 64 + UInt32(words.trailingZeroBitCount)
                words &= words &- 1
                guard word < (ports + 63) / 64 else { continue }
                var bits = SharedWord64(arena + DoorbellLayout.pending + Int(word) * 8).exchange(0)
                while bits != 0 {
                    let port = word * 64 + UInt32(bits.trailingZeroBitCount)
                    bits &= bits &- 1
                    if port < ports { body(port) }
                }
            }
        }
    }
}
