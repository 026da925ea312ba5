import CXenSockPreload
import XenSockFrontend

// The forms that a program built with _FORTIFY_SOURCE imports. One that asks for more than its buffer has room for goes
// to glibc's own, which ends the program.

private func fits(_ size: Int, _ room: Int) -> Bool { UInt(bitPattern: size) <= UInt(bitPattern: room) }

/// recv(2), fortified.
@c @implementation
public func xsRecvChk(
    _ fd: Int32, _ buffer: UnsafeMutableRawPointer?, _ size: Int, _ room: Int, _ flags: Int32
) -> Int {
    guard fits(size, room), Frontend.find(fd) != nil else { return xsNextRecvChk(fd, buffer, size, room, flags) }
    return xsRecv(fd, buffer, size, flags)
}

/// recvfrom(2), fortified.
@c @implementation
public func xsRecvfromChk(
    _ fd: Int32, _ buffer: UnsafeMutableRawPointer?, _ size: Int, _ room: Int, _ flags: Int32,
    _ address: UnsafeMutableRawPointer?, _ length: UnsafeMutablePointer<socklen_t>?
) -> Int {
    guard fits(size, room), Frontend.find(fd) != nil else {
        return xsNextRecvfromChk(fd, buffer, size, room, flags, address, length)
    }
    return xsRecvfrom(fd, buffer, size, flags, address, length)
}

/// read(2), fortified.
@c @implementation
public func xsReadChk(_ fd: Int32, _ buffer: UnsafeMutableRawPointer?, _ size: Int, _ room: Int) -> Int {
    guard fits(size, room), Frontend.find(fd) != nil else { return xsNextReadChk(fd, buffer, size, room) }
    return xsRead(fd, buffer, size)
}

/// pread(2), fortified.
@c @implementation
public func xsPreadChk(
    _ fd: Int32, _ buffer: UnsafeMutableRawPointer?, _ size: Int, _ offset: off_t, _ room: Int
) -> Int {
    guard fits(size, room), Frontend.find(fd) != nil else { return xsNextPreadChk(fd, buffer, size, offset, room) }
    return unseekable(offset)
}

/// poll(2), fortified.
@c @implementation
public func xsPollChk(
    _ fds: UnsafeMutablePointer<pollfd>?, _ count: nfds_t, _ timeout: Int32, _ room: Int
) -> Int32 {
    guard count <= nfds_t(UInt(bitPattern: room) / UInt(MemoryLayout<pollfd>.stride)) else {
        return xsNextPollChk(fds, count, timeout, room)
    }
    return xsPoll(fds, count, timeout)
}

/// ppoll(2), fortified.
@c @implementation
public func xsPpollChk(
    _ fds: UnsafeMutablePointer<pollfd>?, _ count: nfds_t, _ timeout: UnsafePointer<timespec>?,
    _ mask: UnsafePointer<sigset_t>?, _ room: Int
) -> Int32 {
    guard count <= nfds_t(UInt(bitPattern: room) / UInt(MemoryLayout<pollfd>.stride)) else {
        return xsNextPpollChk(fds, count, timeout, mask, room)
    }
    return xsPpoll(fds, count, timeout, mask)
}
