import CXenSockPreload
import XenSockFrontend

/// syscall(2). The numbers of socket calls on redirected descriptors are those calls; everything else goes on with all
/// six arguments, also what this library has never heard of.
@c @implementation
public func xsSyscall(_ number: Int, _ a: Int, _ b: Int, _ c: Int, _ d: Int, _ e: Int, _ f: Int) -> Int {
    if number == Int(SYS_seccomp) { return seccomp(a, b, c) }
    if number == Int(SYS_prctl) {
        let rest = (UInt(bitPattern: b), UInt(bitPattern: c), UInt(bitPattern: d), UInt(bitPattern: e))
        return Int(xsPrctl(int(a), rest.0, rest.1, rest.2, rest.3))
    }
    if let result = transfer(number, a, b, c, d, e, f) ?? control(number, a, b, c, d, e) { return result }
    let result = xsNextSyscall(number, a, b, c, d, e, f)
    guard result >= 0 else { return result }
    switch Int32(truncatingIfNeeded: number) {
    case SYS_recvmsg:
        if let message = UnsafePointer<msghdr>(bitPattern: b) { noteArrivals(message) }
    case SYS_recvmmsg:
        noteArrivals(UnsafePointer<mmsghdr>(bitPattern: b), result)
    case SYS_accept, SYS_accept4, SYS_openat, SYS_eventfd2, SYS_timerfd_create, SYS_memfd_create:
        _ = created(int(result))
    case SYS_pidfd_getfd:
        Frontend.forget(int(result))
    case SYS_epoll_create1:
        _ = created(int(result))
    case SYS_fcntl where int(b) == F_DUPFD || int(b) == F_DUPFD_CLOEXEC:
        _ = duplicate(of: Frontend.find(int(a)), int(result))
    case SYS_ppoll:
        return polled(a, b, result)
    #if arch(x86_64)
        case SYS_poll:
            return polled(a, b, result)
    #endif
    default:
        break
    }
    return result
}

private func int(_ value: Int) -> Int32 { Int32(truncatingIfNeeded: value) }

private func unsigned(_ value: Int) -> UInt32 { UInt32(truncatingIfNeeded: value) }

private func redirected(_ fd: Int) -> Bool { Frontend.find(int(fd)) != nil }

private func polled(_ fds: Int, _ count: Int, _ result: Int) -> Int {
    Int(completed(int(result), UnsafeMutablePointer(bitPattern: fds), nfds_t(unsigned(count))))
}

/// The calls that move bytes, if they name a redirected descriptor. Otherwise they stay system calls: the functions of
/// these names are cancellation points, syscall(2) is none.
private func transfer(_ number: Int, _ a: Int, _ b: Int, _ c: Int, _ d: Int, _ e: Int, _ f: Int) -> Int? {
    switch Int32(truncatingIfNeeded: number) {
    case SYS_read where redirected(a):
        return xsRead(int(a), UnsafeMutableRawPointer(bitPattern: b), c)
    case SYS_write where redirected(a):
        return xsWrite(int(a), UnsafeRawPointer(bitPattern: b), c)
    case SYS_readv where redirected(a):
        return xsReadv(int(a), UnsafePointer(bitPattern: b), int(c))
    case SYS_writev where redirected(a):
        return xsWritev(int(a), UnsafePointer(bitPattern: b), int(c))
    case SYS_preadv2 where redirected(a):
        return xsPreadv2(int(a), UnsafePointer(bitPattern: b), int(c), d, int(f))
    case SYS_pwritev2 where redirected(a):
        return xsPwritev2(int(a), UnsafePointer(bitPattern: b), int(c), d, int(f))
    case SYS_sendto where redirected(a):
        return xsSendto(
            int(a), UnsafeRawPointer(bitPattern: b), c, int(d), UnsafeRawPointer(bitPattern: e), unsigned(f))
    case SYS_recvfrom where redirected(a):
        return xsRecvfrom(
            int(a), UnsafeMutableRawPointer(bitPattern: b), c, int(d), UnsafeMutableRawPointer(bitPattern: e),
            UnsafeMutablePointer(bitPattern: f))
    case SYS_sendmsg where redirected(a):
        return xsSendmsg(int(a), UnsafePointer(bitPattern: b), int(c))
    case SYS_recvmsg where redirected(a):
        return xsRecvmsg(int(a), UnsafeMutablePointer(bitPattern: b), int(c))
    case SYS_sendmmsg where redirected(a):
        return Int(xsSendmmsg(int(a), UnsafeMutablePointer(bitPattern: b), unsigned(c), int(d)))
    case SYS_recvmmsg where redirected(a):
        return Int(
            xsRecvmmsg(
                int(a), UnsafeMutablePointer(bitPattern: b), unsigned(c), int(d), UnsafeMutablePointer(bitPattern: e)))
    case SYS_sendfile where redirected(a) || redirected(b):
        return xsSendfile(int(a), int(b), UnsafeMutablePointer(bitPattern: c), d)
    case SYS_splice where redirected(a) || redirected(c):
        return xsSplice(
            int(a), UnsafeMutablePointer(bitPattern: b), int(c), UnsafeMutablePointer(bitPattern: d), e, unsigned(f))
    case SYS_accept where redirected(a):
        return Int(
            xsAccept(int(a), UnsafeMutableRawPointer(bitPattern: b), UnsafeMutablePointer(bitPattern: c)))
    case SYS_accept4 where redirected(a):
        return Int(
            xsAccept4(int(a), UnsafeMutableRawPointer(bitPattern: b), UnsafeMutablePointer(bitPattern: c), int(d)))
    case SYS_connect
    where redirected(a) || Frontend.isBackendName(UnsafeRawPointer(bitPattern: b), unsigned(c)):
        return Int(xsConnect(int(a), UnsafeRawPointer(bitPattern: b), unsigned(c)))
    case SYS_close where redirected(a) || Frontend.isPrivate(int(a)):
        return Int(xsClose(int(a)))
    case SYS_fcntl where redirected(a):
        return Int(xsFcntl(int(a), int(b), c))
    default:
        return nil
    }
}

/// The calls that are the same as the functions of their names for every descriptor.
private func control(_ number: Int, _ a: Int, _ b: Int, _ c: Int, _ d: Int, _ e: Int) -> Int? {
    switch Int32(truncatingIfNeeded: number) {
    case SYS_execve:
        return Int(
            xsExecve(UnsafePointer(bitPattern: a), UnsafePointer(bitPattern: b), UnsafePointer(bitPattern: c)))
    case SYS_execveat:
        return Int(
            xsExecveat(
                int(a), UnsafePointer(bitPattern: b), UnsafePointer(bitPattern: c), UnsafePointer(bitPattern: d), int(e)
            ))
    case SYS_socket:
        return Int(xsSocket(int(a), int(b), int(c)))
    case SYS_socketpair:
        return Int(xsSocketpair(int(a), int(b), int(c), UnsafeMutablePointer(bitPattern: d)))
    case SYS_bind:
        return Int(xsBind(int(a), UnsafeRawPointer(bitPattern: b), unsigned(c)))
    case SYS_listen:
        return Int(xsListen(int(a), int(b)))
    case SYS_shutdown:
        return Int(xsShutdown(int(a), int(b)))
    case SYS_getsockname:
        return Int(
            xsGetsockname(int(a), UnsafeMutableRawPointer(bitPattern: b), UnsafeMutablePointer(bitPattern: c)))
    case SYS_getpeername:
        return Int(
            xsGetpeername(int(a), UnsafeMutableRawPointer(bitPattern: b), UnsafeMutablePointer(bitPattern: c)))
    case SYS_getsockopt:
        return Int(
            xsGetsockopt(
                int(a), int(b), int(c), UnsafeMutableRawPointer(bitPattern: d), UnsafeMutablePointer(bitPattern: e)))
    case SYS_setsockopt:
        return Int(xsSetsockopt(int(a), int(b), int(c), UnsafeRawPointer(bitPattern: d), unsigned(e)))
    case SYS_ioctl:
        return Int(xsIoctl(int(a), UInt(bitPattern: b), UnsafeMutableRawPointer(bitPattern: c)))
    case SYS_dup:
        return Int(xsDup(int(a)))
    case SYS_dup3:
        return Int(xsDup3(int(a), int(b), int(c)))
    case SYS_close_range:
        return Int(xsCloseRange(unsigned(a), unsigned(b), int(c)))
    case SYS_epoll_ctl:
        return Int(xsEpollCtl(int(a), int(b), int(c), UnsafeMutablePointer(bitPattern: d)))
    #if arch(x86_64)
        case SYS_dup2:
            return Int(xsDup2(int(a), int(b)))
    #endif
    default:
        return nil
    }
}
