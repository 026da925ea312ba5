import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// A program that is about to take from itself what the library needs to open a session and to name sockets there: sshd's
/// children limit their descriptors to one, and then filter their system calls (`willFilterCalls`).
extension Frontend {
    /// The soft limit of descriptors is about to become `limit`.
    public static func limitDescriptors(_ limit: UInt64) {
        if limit < descriptorsOfASession { becomeAcquainted() }
    }

    /// Opens this process's session if it holds sockets of another's, and makes them known there, which a forked child
    /// otherwise does with its first request or lock: too late, where descriptors can no longer be made or sent.
    @inline(never)
    static func becomeAcquainted() {
        guard let region = ProcessState.region, ProcessState.arenaCount(region) > 0, !Session.isBorrowed else { return }
        // The calling thread knows its tag from here on.
        _ = Session.tag()
        guard let state = Session.state, Session.life(state) != nil else { return }
        let last = Int32(bitPattern: ProcessState.highest(region))
        var fd: Int32 = 0
        while fd <= last {
            if Descriptors.entry(fd).isSocket, let handle = Descriptors.find(fd),
                handle.entry.arena != Int(state.pointee.arena)
            {
                _ = attach(handle)
            }
            fd &+= 1
        }
    }

    /// More than the standard descriptors, a session's own and some of the program's.
    private static var descriptorsOfASession: UInt64 { 64 }
}

/// A program that is about to filter its own system calls, as privilege-separated servers do. What it has of sockets
/// goes on working behind any filter that lets read, write, poll and ppoll through.
extension Frontend {
    /// Before the filter stands: all that later calls would have to ask the service about is asked now.
    ///
    /// - Parameter program: a `struct sock_fprog`.
    public static func willFilterCalls(_ program: UnsafeRawPointer?) {
        guard let program, let region = ProcessState.region, let filter = CallFilter(program), Session.opened() != nil
        else { return }
        let last = max(ProcessState.highest(region), 1023)
        var fd: UInt32 = 0
        while fd <= last {
            _ = find(Int32(fd))
            fd &+= 1
        }
        becomeAcquainted()
        if !allowsAll(filter) { xs_get_process_state().pointee.locked_in = 1 }
        if !allowsProbes(filter) { xs_get_process_state().pointee.unprobed |= UInt32(XS_UNPROBED) }
        if !filter.allows(Int(SYS_rt_sigprocmask), UInt32(SIG_SETMASK)) {
            xs_get_process_state().pointee.unprobed |= UInt32(XS_UNMASKED)
        }
    }

    /// The filter was refused. What is not probed any more stays so: an earlier filter may have forbidden it.
    ///
    /// - Parameter before: what `isLockedIn` said before.
    public static func didNotFilterCalls(_ before: Bool) {
        if !before { xs_get_process_state().pointee.locked_in = 0 }
    }

    /// Whether the process locked itself in, as far as the hot paths are concerned.
    public static var isLockedIn: Bool { Kernel.isLockedIn }

    /// Whether a filter lets through what the hot paths use beside read, write and ppoll.
    private static func allowsAll(_ filter: CallFilter) -> Bool {
        let numbers: InlineArray<_, Int32> = [
            SYS_recvfrom, SYS_sendto, SYS_ioctl, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_rt_sigprocmask,
            SYS_rt_sigaction, SYS_futex, SYS_getsockopt,
        ]
        for index in numbers.indices where !filter.allows(Int(numbers[index])) { return false }
        return true
    }

    /// Whether a filter lets through what bad addresses and abandoned calls are told by (shim/system/system.c).
    private static func allowsProbes(_ filter: CallFilter) -> Bool {
        let wakeOperation: UInt32 = 5 | 128  // FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG
        return filter.allows(Int(SYS_futex), 0, wakeOperation) && filter.allows(Int(SYS_rt_sigprocmask), 99)
            && filter.allows(Int(SYS_sigaltstack)) && filter.allows(Int(SYS_rt_sigaction), 1)
    }
}
