import CXenSockSystem
import Glibc

/// The signals that the service handles, as a descriptor (signalfd(2)). Made before any thread is, since each thread
/// inherits the signal mask.
struct SignalDescriptor {
    let descriptor: Int32

    init(_ signals: [Int32]) throws(DaemonError) {
        signal(SIGPIPE, SIG_IGN)
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        let flags = Int(O_CLOEXEC | O_NONBLOCK)
        let result = withUnsafePointer(to: set) {
            // The kernel's set has 8 bytes, the head of the C library's.
            xs_syscall(Int(SYS_signalfd4), -1, Int(bitPattern: $0), 8, flags, 0, 0)
        }
        guard result >= 0 else { throw DaemonError("cannot watch signals: \(SystemError(Int32(-result)))") }
        descriptor = Int32(result)
    }

    /// The next signal that came, nil if none has.
    func next() -> Int32? {
        // struct signalfd_siginfo, whose first word is the signal's number.
        var information = [UInt32](repeating: 0, count: 32)
        guard read(descriptor, &information, 128) == 128 else { return nil }
        return Int32(information[0])
    }
}
