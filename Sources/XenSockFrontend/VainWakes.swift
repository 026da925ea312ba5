import CXenSockSystem
import XenSockPlatform

/// Slows down a call whose waits end in vain again and again, so that a placeholder which reports what its socket does
/// not have cannot keep a processor busy. The call goes on waiting, as one does for a stalled peer.
struct VainWakes {
    /// Wakes in vain that are not slowed down, and those that are slowed down a little. A process that shares a socket
    /// with faster ones has many of them.
    private static let free = 64
    private static let quick = 256

    private var count = 0

    /// Bytes moved.
    mutating func reset() { count = 0 }

    /// A wait ended because there seemed to be something.
    ///
    /// - Returns: 0; -EINTR if a handler without SA_RESTART ran in the sleep.
    @inline(never)
    mutating func add() -> Int {
        if count <= Self.quick { count &+= 1 }
        if count <= Self.free { return 0 }
        // In the end nearly all of the time is spent here, so that it is here that a signal comes.
        let result = Kernel.sleep(nanoseconds: count <= Self.quick ? 1_000_000 : 10_000_000)
        return result == -Int(EINTR) && !Signals.handlersRestart() ? result : 0
    }
}
