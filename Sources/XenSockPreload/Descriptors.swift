import CXenSockPreload
import XenSockFrontend

/// close(2).
@c @implementation
public func xsClose(_ fd: Int32) -> Int32 {
    guard Frontend.find(fd) != nil || Frontend.isPrivate(fd) else { return xsNextClose(fd) }
    return returned32(Frontend.close(fd))
}

/// closefrom(3).
@c @implementation
public func xsClosefrom(_ first: Int32) {
    _ = Frontend.closeRange(first: UInt32(max(first, 0)), last: UInt32.max, flags: 0)
}

/// close_range(2).
@c @implementation
public func xsCloseRange(_ first: UInt32, _ last: UInt32, _ flags: Int32) -> Int32 {
    returned32(Frontend.closeRange(first: first, last: last, flags: UInt32(bitPattern: flags)))
}

/// dup(2).
@c @implementation
public func xsDup(_ fd: Int32) -> Int32 {
    let socket = Frontend.find(fd)
    return duplicate(of: socket, xsNextDup(fd))
}

/// dup2(2).
@c @implementation
public func xsDup2(_ fd: Int32, _ to: Int32) -> Int32 {
    guard fd != to else { return xsNextDup2(fd, to) }
    let socket = Frontend.find(fd)
    let replaced = Frontend.makeWay(to)
    return duplicate(of: socket, xsNextDup2(fd, to), replaced)
}

/// dup3(2).
@c @implementation
public func xsDup3(_ fd: Int32, _ to: Int32, _ flags: Int32) -> Int32 {
    guard fd != to else { return xsNextDup3(fd, to, flags) }
    let socket = Frontend.find(fd)
    let replaced = Frontend.makeWay(to)
    return duplicate(of: socket, xsNextDup3(fd, to, flags), replaced)
}

/// fcntl(2).
@c @implementation
public func xsFcntl(_ fd: Int32, _ command: Int32, _ argument: Int) -> Int32 {
    if let socket = Frontend.find(fd) {
        return returned32(Frontend.fileControl(socket, command: command, argument: argument))
    }
    if Frontend.isPrivate(fd) { return Int32(failed(EBADF)) }
    let result = xsNextFcntl(fd, command, argument)
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? duplicate(of: nil, result) : result
}

/// ioctl(2).
@c @implementation
public func xsIoctl(_ fd: Int32, _ request: UInt, _ argument: UnsafeMutableRawPointer?) -> Int32 {
    guard let socket = Frontend.find(fd) else { return xsNextIoctl(fd, request, argument) }
    return returned32(Frontend.ioctl(socket, request: request, argument))
}

// A program that looks for open descriptors finds none of the library's own.

/// fstat(2).
@c @implementation
public func xsFstat(_ fd: Int32, _ status: UnsafeMutableRawPointer?) -> Int32 {
    Frontend.isPrivate(fd) ? Int32(failed(EBADF)) : xsNextFstat(fd, status)
}

/// fstat(2) as programs call it that were built with a glibc before 2.33.
@c @implementation
public func xsFxstat(_ version: Int32, _ fd: Int32, _ status: UnsafeMutableRawPointer?) -> Int32 {
    Frontend.isPrivate(fd) ? Int32(failed(EBADF)) : xsNextFxstat(version, fd, status)
}

/// The descriptor that a dup made of one that is `socket`, or none; `replaced` is the socket that the kernel closed to
/// make it.
func duplicate(of socket: SocketHandle?, _ made: Int32, _ replaced: Frontend.Replacement? = nil) -> Int32 {
    guard made >= 0 else {
        if let replaced { Frontend.kept(replaced) }
        return made
    }
    Frontend.duplicated(socket, to: made)
    if let replaced { Frontend.replaced(replaced) }
    return made
}

/// A descriptor that the kernel made and that cannot be a socket of the backend's, whatever the table held under its
/// number: a socket closed where this library could not see it.
@inline(__always)
func created(_ fd: Int32) -> Int32 {
    // A duplicate of nothing.
    if fd >= 0 { Frontend.duplicated(nil, to: fd) }
    return fd
}

/// pidfd_getfd(2): the descriptor comes from another process, and may be a socket of the backend's.
@c @implementation
public func xsPidfdGetfd(_ process: Int32, _ fd: Int32, _ flags: UInt32) -> Int32 {
    let result = xsNextPidfdGetfd(process, fd, flags)
    if result >= 0 { Frontend.forget(result) }
    return result
}

/// daemon(3): glibc puts /dev/null in the place of the standard descriptors where no library sees it.
@c @implementation
public func xsDaemon(_ keepsDirectory: Int32, _ keepsStreams: Int32) -> Int32 {
    let result = xsNextDaemon(keepsDirectory, keepsStreams)
    if result == 0, keepsStreams == 0 {
        for fd in Int32(0)...2 { Frontend.forget(fd) }
    }
    return result
}
