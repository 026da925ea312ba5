import CXenSockSystem
import Glibc

/// When lost sockets are made again: soon after the loss, then at longer and longer intervals, a second at most.
struct RenewalTimer {
    /// Readable when it has fired.
    let descriptor: Int32
    private var interval = Self.first
    private var looks = 0
    private var isSet = false

    private static let first = 10_000_000
    private static let last = 1_000_000_000

    /// - Returns: nil if the process has no descriptors left.
    init?() {
        descriptor = Int32(
            xs_syscall(
                Int(SYS_timerfd_create), Int(CLOCK_MONOTONIC), Int(O_CLOEXEC | O_NONBLOCK), 0, 0, 0, 0))
        if descriptor < 0 { return nil }
    }

    /// There are sockets to be made again.
    mutating func begin() {
        guard !isSet else { return }
        (interval, looks) = (Self.first, 0)
        set(interval)
    }

    /// It has fired; nothing is due until it is set again.
    mutating func fired() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
        isSet = false
    }

    /// They could not be made now.
    mutating func tryAgain() {
        looks = 0
        interval = min(interval * 2, Self.last)
        set(interval)
    }

    /// An answer is on its way, without which it is not worth trying.
    mutating func lookAgain() {
        set(min(1_000_000 << min(looks, 8), 250_000_000))
        looks += 1
    }

    mutating func end() {
        (interval, looks) = (Self.first, 0)
    }

    private mutating func set(_ nanoseconds: Int) {
        isSet = true
        // struct itimerspec: no period, then the first time, each in seconds and nanoseconds.
        let times = [0, 0, nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000]
        _ = times.withUnsafeBytes {
            xs_syscall(Int(SYS_timerfd_settime), Int(descriptor), 0, Int(bitPattern: $0.baseAddress), 0, 0, 0)
        }
    }
}
