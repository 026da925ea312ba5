import CXenSockPreload
import XenSockFrontend

// The placeholder is readable and writable as its socket is, so waits are the kernel's own. What it cannot show of TCP
// (HUP of a socket that was never connected, ERR of a refused one) is added to what poll returns.

/// More than any process can have open: the kernel's bound for fs.nr_open.
private let maximumDescriptors: nfds_t = 1 << 30

/// Whether an entry has an event that the kernel does not see, and would wait in vain for.
private func hasUnseen(_ fds: UnsafeMutablePointer<pollfd>?, _ count: nfds_t) -> Bool {
    // The kernel tells what is wrong with the others: EINVAL, EFAULT.
    guard let fds, count <= maximumDescriptors, Frontend.isReadable(fds, Int(count) * MemoryLayout<pollfd>.size) else {
        return false
    }
    return Frontend.pollHasUnseen(fds, Int(count))
}

/// The result of a poll for which the kernel returned `result`.
func completed(_ result: Int32, _ fds: UnsafeMutablePointer<pollfd>?, _ count: nfds_t) -> Int32 {
    guard result >= 0, let fds else { return result }
    return Int32(truncatingIfNeeded: Frontend.pollFixup(fds, Int(count)))
}

/// poll(2).
@c @implementation
public func xsPoll(_ fds: UnsafeMutablePointer<pollfd>?, _ count: nfds_t, _ timeout: Int32) -> Int32 {
    let wait = timeout != 0 && hasUnseen(fds, count) ? 0 : timeout
    return completed(xsNextPoll(fds, count, wait), fds, count)
}

/// ppoll(2).
@c @implementation
public func xsPpoll(
    _ fds: UnsafeMutablePointer<pollfd>?, _ count: nfds_t, _ timeout: UnsafePointer<timespec>?,
    _ mask: UnsafePointer<sigset_t>?
) -> Int32 {
    guard hasUnseen(fds, count) else { return completed(xsNextPpoll(fds, count, timeout, mask), fds, count) }
    // With an event there is no wait, and no signal comes in.
    var now = timespec()
    return completed(xsNextPpoll(fds, count, &now, nil), fds, count)
}

/// epoll_create(2).
@c @implementation
public func xsEpollCreate(_ size: Int32) -> Int32 { created(xsNextEpollCreate(size)) }

/// epoll_create1(2).
@c @implementation
public func xsEpollCreate1(_ flags: Int32) -> Int32 { created(xsNextEpollCreate1(flags)) }

/// epoll_ctl(2).
@c @implementation
public func xsEpollCtl(
    _ epoll: Int32, _ operation: Int32, _ fd: Int32, _ event: UnsafeMutablePointer<epoll_event>?
) -> Int32 {
    if Frontend.find(fd) != nil {
        let result = Frontend.epollControl(epoll: epoll, operation: operation, fd: fd, event: event)
        guard result >= 0 else { return returned32(result) }
    } else if Frontend.hasBackendNames {
        Frontend.noteWatch(epoll: epoll, operation: operation, fd: fd, event: event)
    }
    return xsNextEpollCtl(epoll, operation, fd, event)
}

/// The result of a wait on `epoll` for which the kernel returned `result`.
@inline(__always)
private func completed(
    _ result: Int32, _ epoll: Int32, _ events: UnsafeMutablePointer<epoll_event>?, _ count: Int32
) -> Int32 {
    guard result >= 0, let events else { return result }
    return Frontend.epollFixup(epoll, events, result, capacity: count)
}

/// epoll_wait(2).
@c @implementation
public func xsEpollWait(
    _ epoll: Int32, _ events: UnsafeMutablePointer<epoll_event>?, _ count: Int32, _ timeout: Int32
) -> Int32 {
    let wait = timeout != 0 && Frontend.epollHasUnseen(epoll) ? 0 : timeout
    return completed(xsNextEpollWait(epoll, events, count, wait), epoll, events, count)
}

/// epoll_pwait(2).
@c @implementation
public func xsEpollPwait(
    _ epoll: Int32, _ events: UnsafeMutablePointer<epoll_event>?, _ count: Int32, _ timeout: Int32,
    _ mask: UnsafePointer<sigset_t>?
) -> Int32 {
    let wait = timeout != 0 && Frontend.epollHasUnseen(epoll) ? 0 : timeout
    return completed(xsNextEpollPwait(epoll, events, count, wait, mask), epoll, events, count)
}

/// epoll_pwait2(2).
@c @implementation
public func xsEpollPwait2(
    _ epoll: Int32, _ events: UnsafeMutablePointer<epoll_event>?, _ count: Int32, _ timeout: UnsafePointer<timespec>?,
    _ mask: UnsafePointer<sigset_t>?
) -> Int32 {
    guard Frontend.epollHasUnseen(epoll) else {
        return completed(xsNextEpollPwait2(epoll, events, count, timeout, mask), epoll, events, count)
    }
    var now = timespec()
    return completed(xsNextEpollPwait2(epoll, events, count, &now, mask), epoll, events, count)
}
