import CXenSockSystem

/// The frontend's system calls, raw: nothing here goes through a libc function whose name the preload library exports.
/// Every function returns the kernel's value; -4095 to -1 are negative errno values.
public enum Kernel {
    @inlinable @inline(__always)
    public static func call(
        _ number: Int, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0
    ) -> Int {
        xs_syscall(number, a, b, c, d, e, f)
    }

    @inlinable @inline(__always)
    static func address(_ pointer: UnsafeRawPointer?) -> Int { Int(bitPattern: pointer) }

    public static func close(_ fd: Int32) -> Int { call(Int(SYS_close), Int(fd)) }

    public static func closeRange(_ first: UInt32, _ last: UInt32, _ flags: UInt32) -> Int {
        call(Int(SYS_close_range), Int(first), Int(last), Int(flags))
    }

    public static func socket(_ domain: Int32, _ type: Int32, _ protocol: Int32) -> Int {
        call(Int(SYS_socket), Int(domain), Int(type), Int(`protocol`))
    }

    /// socketpair(2) of AF_UNIX.
    public static func socketPair(type: Int32) -> (result: Int, first: Int32, second: Int32) {
        var pair: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutablePointer(to: &pair) {
            call(Int(SYS_socketpair), Int(AF_UNIX), Int(type), 0, address(UnsafeRawPointer($0)))
        }
        return (result, pair.0, pair.1)
    }

    public static func connect(_ fd: Int32, _ socketAddress: UnsafeRawPointer, _ length: Int) -> Int {
        call(Int(SYS_connect), Int(fd), address(socketAddress), length)
    }

    public static func shutdown(_ fd: Int32, _ how: Int32) -> Int { call(Int(SYS_shutdown), Int(fd), Int(how)) }

    public static func send(_ fd: Int32, _ bytes: UnsafeRawPointer, _ count: Int, _ flags: Int32) -> Int {
        call(Int(SYS_sendto), Int(fd), address(bytes), count, Int(flags))
    }

    public static func receive(_ fd: Int32, _ bytes: UnsafeMutableRawPointer, _ count: Int, _ flags: Int32) -> Int {
        call(Int(SYS_recvfrom), Int(fd), address(UnsafeRawPointer(bytes)), count, Int(flags))
    }

    /// Whether this process gave up all but a few system calls: then the hot paths make do with read, write and ppoll.
    @inlinable @inline(__always)
    public static var isLockedIn: Bool { xs_get_process_state().pointee.locked_in != 0 }

    public static func read(_ fd: Int32, _ bytes: UnsafeMutableRawPointer, _ count: Int) -> Int {
        call(Int(SYS_read), Int(fd), address(UnsafeRawPointer(bytes)), count)
    }

    public static func write(_ fd: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
        call(Int(SYS_write), Int(fd), address(bytes), count)
    }

    public static func fileControl(_ fd: Int32, _ command: Int32, _ argument: Int) -> Int {
        call(Int(SYS_fcntl), Int(fd), Int(command), argument)
    }

    public static func ioctl(_ fd: Int32, _ request: UInt, _ argument: UnsafeMutableRawPointer?) -> Int {
        call(Int(SYS_ioctl), Int(fd), Int(bitPattern: request), address(argument))
    }

    /// An integer socket option, or a negative errno.
    public static func integerOption(_ fd: Int32, _ level: Int32, _ name: Int32) -> Int {
        var value: Int32 = 0
        var length: UInt32 = 4
        let result = withUnsafeMutablePointer(to: &value) { value in
            withUnsafeMutablePointer(to: &length) { length in
                call(
                    Int(SYS_getsockopt), Int(fd), Int(level), Int(name), address(UnsafeRawPointer(value)),
                    address(UnsafeRawPointer(length)))
            }
        }
        return result < 0 ? result : Int(value)
    }

    public static func setOption(
        _ fd: Int32, _ level: Int32, _ name: Int32, _ value: UnsafeRawPointer?, _ length: UInt32
    ) -> Int {
        call(Int(SYS_setsockopt), Int(fd), Int(level), Int(name), address(value), Int(length))
    }

    /// Anonymous memory, zeroed, without reservation.
    public static func mapAnonymous(_ size: Int) -> UnsafeMutableRawPointer? {
        map(size, flags: Int32(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE), fd: -1)
    }

    /// Shared memory of a descriptor.
    public static func mapShared(_ fd: Int32, _ size: Int) -> UnsafeMutableRawPointer? {
        map(size, flags: Int32(MAP_SHARED | MAP_NORESERVE), fd: fd)
    }

    /// Maps shared memory of a descriptor in the place of what stands at `place`.
    public static func mapShared(_ fd: Int32, _ size: Int, offset: UInt64, at place: UnsafeMutableRawPointer) -> Bool {
        let protection = Int(PROT_READ | PROT_WRITE)
        let result = call(
            Int(SYS_mmap), address(UnsafeRawPointer(place)), size, protection, Int(MAP_SHARED | MAP_FIXED), Int(fd),
            Int(truncatingIfNeeded: offset))
        return result == address(UnsafeRawPointer(place))
    }

    /// Puts anonymous memory of zeros in the place of what stands at `place`.
    public static func clear(_ place: UnsafeMutableRawPointer, _ size: Int) -> Bool {
        let flags = Int(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED)
        let result = call(
            Int(SYS_mmap), address(UnsafeRawPointer(place)), size, Int(PROT_READ | PROT_WRITE), flags, -1, 0)
        return result == address(UnsafeRawPointer(place))
    }

    private static func map(_ size: Int, flags: Int32, fd: Int32) -> UnsafeMutableRawPointer? {
        let result = call(Int(SYS_mmap), 0, size, Int(PROT_READ | PROT_WRITE), Int(flags), Int(fd), 0)
        return result < 0 && result > -4096 ? nil : UnsafeMutableRawPointer(bitPattern: result)
    }

    public static func unmap(_ start: UnsafeMutableRawPointer, _ size: Int) {
        _ = call(Int(SYS_munmap), address(UnsafeRawPointer(start)), size)
    }

    public static func advise(_ start: UnsafeMutableRawPointer, _ size: Int, _ advice: Int32) -> Int {
        call(Int(SYS_madvise), address(UnsafeRawPointer(start)), size, Int(advice))
    }

    /// The number of processors that this process may run on, at least 1.
    public static func processors() -> Int {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { buffer -> Int in
            let size = call(Int(SYS_sched_getaffinity), 0, 1024, address(UnsafeRawPointer(buffer.baseAddress!)))
            var count = 0
            var offset = 0
            while offset &+ 8 <= size {
                count &+= buffer.load(fromByteOffset: offset, as: UInt64.self).nonzeroBitCount
                offset &+= 8
            }
            return count < 1 ? 1 : count
        }
    }

    public static func processID() -> Int32 { Int32(truncatingIfNeeded: call(Int(SYS_getpid))) }

    public static func threadID() -> Int32 { Int32(truncatingIfNeeded: call(Int(SYS_gettid))) }

    /// Raises a signal in the calling thread.
    public static func raise(_ signal: Int32) {
        _ = call(Int(SYS_tgkill), Int(processID()), Int(threadID()), Int(signal))
    }

    /// Waits while the word holds `value`, at most `nanoseconds`.
    public static func futexWait(_ word: UnsafeMutableRawPointer, _ value: UInt32, nanoseconds: Int) {
        var limit = timespec(tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
        _ = withUnsafeMutablePointer(to: &limit) {
            call(
                Int(SYS_futex), address(UnsafeRawPointer(word)), 128 /* FUTEX_WAIT | FUTEX_PRIVATE_FLAG */,
                Int(value), address(UnsafeRawPointer($0)))
        }
    }

    public static func futexWake(_ word: UnsafeMutableRawPointer, _ count: Int) {
        _ = call(Int(SYS_futex), address(UnsafeRawPointer(word)), 129 /* FUTEX_WAKE | FUTEX_PRIVATE_FLAG */, count)
    }

    /// Sleeps less than a second. A ppoll(2) of nothing, which a process that locked itself in may call too.
    ///
    /// - Returns: 0, or -EINTR.
    @discardableResult
    public static func sleep(nanoseconds: Int) -> Int {
        var time = timespec(tv_sec: 0, tv_nsec: nanoseconds)
        return withUnsafeMutablePointer(to: &time) {
            call(Int(SYS_ppoll), 0, 0, address(UnsafeRawPointer($0)), 0, 8)
        }
    }

    /// CLOCK_MONOTONIC in nanoseconds: the one place that reads the clock.
    public static func now() -> Int {
        var time = timespec()
        // Through libc, and so mostly without a system call.
        _ = clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec &* 1_000_000_000 &+ time.tv_nsec
    }

    /// Blocks every signal; returns the mask to restore, or `unblocked` where a filter forbids that.
    public static func blockSignals() -> UInt64 {
        if xs_get_process_state().pointee.unprobed & UInt32(XS_UNMASKED) != 0 { return unblocked }
        var all = ~UInt64(0)
        var old: UInt64 = 0
        _ = withUnsafeMutablePointer(to: &all) { all in
            withUnsafeMutablePointer(to: &old) { old in
                call(
                    Int(SYS_rt_sigprocmask), Int(SIG_SETMASK), address(UnsafeRawPointer(all)),
                    address(UnsafeRawPointer(old)), 8)
            }
        }
        return old
    }

    /// No thread's mask: SIGKILL cannot be in one.
    public static var unblocked: UInt64 { ~0 }

    public static func restoreSignals(_ mask: UInt64) {
        if mask == unblocked { return }
        var mask = mask
        _ = withUnsafeMutablePointer(to: &mask) {
            call(Int(SYS_rt_sigprocmask), Int(SIG_SETMASK), address(UnsafeRawPointer($0)), 0, 8)
        }
    }
}
