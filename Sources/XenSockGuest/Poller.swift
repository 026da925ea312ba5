import CXenSockSystem
import Glibc

/// An epoll instance with a timer: descriptors by the number that names them.
final class Poller {
    /// Readable when something is ready. Owned.
    let descriptor: Int32
    private let timer: Int32
    private let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: 64)

    /// What `wait` reports for the timer.
    static let timerNumber = UInt64.max

    /// - Returns: nil without descriptors.
    init?() {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        timer = Int32(
            truncatingIfNeeded: xs_syscall(
                Int(SYS_timerfd_create), Int(CLOCK_MONOTONIC), Int(O_CLOEXEC | O_NONBLOCK), 0, 0, 0, 0))
        guard descriptor >= 0, timer >= 0, add(timer, Self.timerNumber, EPOLLIN.rawValue) else { return nil }
    }

    deinit {
        if timer >= 0 { close(timer) }
        if descriptor >= 0 { close(descriptor) }
        events.deallocate()
    }

    @discardableResult
    func add(_ descriptor: Int32, _ number: UInt64, _ events: UInt32) -> Bool {
        control(EPOLL_CTL_ADD, descriptor, number, events)
    }

    func modify(_ descriptor: Int32, _ number: UInt64, _ events: UInt32) {
        _ = control(EPOLL_CTL_MOD, descriptor, number, events)
    }

    func remove(_ descriptor: Int32) { _ = control(EPOLL_CTL_DEL, descriptor, 0, 0) }

    private func control(_ operation: Int32, _ descriptor: Int32, _ number: UInt64, _ events: UInt32) -> Bool {
        var event = epoll_event(events: events, data: epoll_data(u64: number))
        return epoll_ctl(self.descriptor, operation, descriptor, &event) == 0
    }

    /// Reports what is ready, at most 64 of it; the timer only after its time, once.
    ///
    /// - Parameter milliseconds: how long to wait at most; -1: for ever.
    func wait(_ milliseconds: Int32, _ body: (_ number: UInt64, _ events: UInt32) -> Void) {
        let count = epoll_wait(descriptor, events.baseAddress, Int32(events.count), milliseconds)
        for index in 0..<max(0, Int(count)) {
            let event = events[index]
            if event.data.u64 == Self.timerNumber {
                var count: UInt64 = 0
                guard read(timer, &count, 8) == 8 else { continue }
            }
            body(event.data.u64, event.events)
        }
    }

    /// Sets the timer, or stops it with nil.
    func alarm(after nanoseconds: UInt64?) {
        var times = itimerspec()
        if let nanoseconds {
            times.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
            // Nothing at all would stop it.
            times.it_value.tv_nsec = Int(max(1, nanoseconds % 1_000_000_000))
        }
        _ = withUnsafePointer(to: &times) {
            xs_syscall(Int(SYS_timerfd_settime), Int(timer), 0, Int(bitPattern: $0), 0, 0, 0)
        }
    }
}

/// CLOCK_MONOTONIC in nanoseconds.
func monotonicTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
}

/// An eventfd, non-blocking.
func eventDescriptor() -> Int32 {
    Int32(truncatingIfNeeded: xs_syscall(Int(SYS_eventfd2), 0, Int(O_NONBLOCK | O_CLOEXEC), 0, 0, 0, 0))
}
