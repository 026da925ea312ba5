import CXenSockPreload
import XenSockFrontend

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
    guard resource == Int32(RLIMIT_NOFILE.rawValue), let limit else { return }
    Frontend.limitDescriptors(UInt64(limit.pointee.rlim_cur))
}
