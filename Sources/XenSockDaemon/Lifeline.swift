import CXenSockSystem
import Glibc

/// The service's end of what every program of a private service holds the other end of: a SOCK_SEQPACKET pair, which is
/// a door too, or a pipe.
struct Lifeline {
    let descriptor: Int32
    let isDoor: Bool

    /// - Throws: ``DaemonError`` if it is no open descriptor that can be watched.
    init(_ descriptor: Int32) throws(DaemonError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, [S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT) else {
            throw DaemonError("--lifeline-fd \(descriptor): is no open pipe")
        }
        self.descriptor = descriptor
        isDoor = status.st_mode & S_IFMT == S_IFSOCK
        Process.isolate(descriptor)
    }

    /// Reads and forgets what was written; whether the end of file was reached.
    func hasEnded() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 512)
        while true {
            let count = read(descriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return count == 0 || errno != EAGAIN }
        }
    }
}

/// A timer that asks, from the end of the programs on, whether their last session and socket are gone. Their sockets
/// may outlive them for as long as the network takes what they sent.
struct IdleTimer {
    let descriptor: Int32

    private static let period = 100_000_000

    init() throws(DaemonError) {
        let flags = Int(O_CLOEXEC | O_NONBLOCK)
        let result = xs_syscall(Int(SYS_timerfd_create), Int(CLOCK_MONOTONIC), flags, 0, 0, 0, 0)
        guard result >= 0 else { throw DaemonError("cannot make a timer: \(SystemError(Int32(-result)))") }
        descriptor = Int32(result)
    }

    /// Begins; the first time is at once.
    func start() {
        // struct itimerspec: the period, then the first time, each in seconds and nanoseconds.
        let times = [0, Self.period, 0, 1]
        _ = times.withUnsafeBytes {
            xs_syscall(Int(SYS_timerfd_settime), Int(descriptor), 0, Int(bitPattern: $0.baseAddress), 0, 0, 0)
        }
    }

    func acknowledge() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}
