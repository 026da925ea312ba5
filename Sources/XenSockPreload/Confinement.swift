import CXenSockPreload
import XenSockFrontend

private let setSeccomp: Int32 = 22  // PR_SET_SECCOMP
private let filterMode: UInt = 2  // SECCOMP_MODE_FILTER
private let setFilter = 1  // SECCOMP_SET_MODE_FILTER

/// prctl(2): a filter of system calls is prepared for.
@c @implementation
public func xsPrctl(_ option: Int32, _ a: UInt, _ b: UInt, _ c: UInt, _ d: UInt) -> Int32 {
    guard option == setSeccomp, a == filterMode else { return xsNextPrctl(option, a, b, c, d) }
    let before = Frontend.isLockedIn
    Frontend.willFilterCalls(UnsafeRawPointer(bitPattern: b))
    let result = xsNextPrctl(option, a, b, c, d)
    if result != 0 { Frontend.didNotFilterCalls(before) }
    return result
}

/// seccomp(2), which has no function in libc.
func seccomp(_ operation: Int, _ flags: Int, _ argument: Int) -> Int {
    guard operation == setFilter else { return xsNextSyscall(Int(SYS_seccomp), operation, flags, argument, 0, 0, 0) }
    let before = Frontend.isLockedIn
    Frontend.willFilterCalls(UnsafeRawPointer(bitPattern: argument))
    let result = xsNextSyscall(Int(SYS_seccomp), operation, flags, argument, 0, 0, 0)
    if result < 0 { Frontend.didNotFilterCalls(before) }
    return result
}

/// setrlimit(2).
@c @implementation
public func xsSetrlimit(_ resource: Int32, _ limit: UnsafePointer<rlimit>?) -> Int32 {
    note(resource, limit)
    return xsNextSetrlimit(resource, limit)
}

/// prlimit(2).
@c @implementation
public func xsPrlimit(
    _ pid: pid_t, _ resource: Int32, _ limit: UnsafePointer<rlimit>?, _ old: UnsafeMutablePointer<rlimit>?
) -> Int32 {
    if pid == 0 || Int(pid) == xs_syscall(Int(SYS_getpid), 0, 0, 0, 0, 0, 0) { note(resource, limit) }
    return xsNextPrlimit(pid, resource, limit, old)
}

private func note(_ resource: Int32, _ limit: UnsafePointer<rlimit>?) {
    guard resource == Int32(RLIMIT_NOFILE.rawValue), let limit, Frontend.isReadable(limit, MemoryLayout<rlimit>.size)
    else { return }
    Frontend.limitDescriptors(UInt64(limit.pointee.rlim_cur))
}
