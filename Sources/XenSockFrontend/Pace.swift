import CXenSockSystem
import XenSockPlatform

/// Bounds what a call on a socket does without moving a byte, since the backend may write to its words at any time.
struct Pace {
    /// Looks that an honest backend does not make necessary: it changes a word once for each thing it does.
    private static let maximumTurns = 1000
    /// Wakes in vain that are not slowed down. A process that shares a socket with faster ones has many of them.
    private static let freeWakes = 64

    private var turns = 0
    private var wakes = 0

    /// Bytes moved, or a connection came.
    mutating func advance() {
        turns = 0
        wakes = 0
    }

    /// A word changed under the call, which must look again without having waited.
    ///
    /// - Parameter weight: how many looks it counts for.
    /// - Returns: false if the backend is to be taken for broken.
    mutating func turn(weight: Int = 1) -> Bool {
        turns &+= weight
        return turns < Self.maximumTurns
    }

    /// A wait ended. If that was in vain again and again the call sleeps a little, so that a placeholder which reports
    /// what its socket does not have cannot keep a processor busy.
    ///
    /// - Returns: 0; -EINTR if a handler without SA_RESTART ran in this sleep.
    mutating func wake() -> Int {
        turns = 0
        wakes &+= 1
        if wakes <= Self.freeWakes { return 0 }
        var time = timespec(tv_sec: 0, tv_nsec: 1_000_000)
        let result = withUnsafeMutablePointer(to: &time) {
            Kernel.call(Int(SYS_nanosleep), Int(bitPattern: $0), 0)
        }
        return result == -Int(EINTR) && !Signals.handlersRestart() ? result : 0
    }
}
