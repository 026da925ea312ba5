import CXenSockPreload
import XenSockFrontend

/// Whether the name of a message is there, as `Frontend.isReadable` knows it.
@inline(never)
private func isThere(_ address: UnsafeRawPointer?, _ size: Int) -> Bool { Frontend.isReadable(address, size) }

/// One buffer to a redirected socket. Returns the kernel's value.
func transmit(
    _ socket: SocketHandle, _ buffer: UnsafeRawPointer?, _ size: Int, flags: Int32,
    address: UnsafeRawPointer? = nil, length: socklen_t = 0,
    control: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
) -> Int {
    xs_cancellation_point()
    let bounded = UInt(bitPattern: size) > UInt(maximumTransfer) ? maximumTransfer : size
    var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: buffer), iov_len: bounded)
    return withUnsafePointer(to: &vector) {
        Frontend.send(socket, $0, 1, flags: flags, address: address, length: length, control: control)
    }
}

/// The vectors of writev(2) to a redirected socket. Returns the kernel's value.
func transmit(_ socket: SocketHandle, _ vectors: UnsafePointer<iovec>?, _ count: Int32, flags: Int32) -> Int {
    xs_cancellation_point()
    let size = total(vectors, count)
    guard size > 0, let vectors else { return size }
    return Frontend.send(socket.forFiles, vectors, Int(count), flags: flags, address: nil, length: 0)
}

/// sendmsg(2) to a redirected socket. Returns the kernel's value.
func transmit(_ socket: SocketHandle, _ message: UnsafePointer<msghdr>?, flags: Int32) -> Int {
    guard let message, Frontend.isReadable(message, MemoryLayout<msghdr>.size) else { return 0 &- Int(EFAULT) }
    xs_cancellation_point()
    var address = UnsafeRawPointer(message.pointee.msg_name)
    var length = address == nil ? 0 : message.pointee.msg_namelen
    guard length <= socklen_t(Int32.max) else { return 0 &- Int(EINVAL) }
    // As __copy_msghdr in net/socket.c: no bytes are no name, too many are cut off. sendto(2) refuses both.
    if length == 0 { address = nil }
    length = min(length, maximumName)
    guard isThere(address, Int(length)) else { return 0 &- Int(EFAULT) }
    let count = message.pointee.msg_iovlen
    guard count >= 0, count <= maximumVectors else { return 0 &- Int(EMSGSIZE) }
    let refusal = controlRefusal(socket, message)
    guard refusal == 0 else { return refusal }
    let control = UnsafeRawBufferPointer(
        start: message.pointee.msg_control,
        count: message.pointee.msg_control == nil ? 0 : message.pointee.msg_controllen)
    guard count > 0 else {
        return transmit(socket, nil, 0, flags: flags, address: address, length: length, control: control)
    }
    let size = total(message.pointee.msg_iov, Int32(truncatingIfNeeded: count))
    guard size >= 0, let vectors = message.pointee.msg_iov else { return size }
    return Frontend.send(
        socket, vectors, count, flags: flags, address: address, length: length, control: control)
}

private func controlRefusal(_ socket: SocketHandle, _ message: UnsafePointer<msghdr>) -> Int {
    guard let control = message.pointee.msg_control, message.pointee.msg_controllen > 0 else { return 0 }
    guard message.pointee.msg_controllen <= Int(Int32.max) else { return 0 &- Int(ENOBUFS) }
    guard isThere(control, Int(message.pointee.msg_controllen)) else { return 0 &- Int(EFAULT) }
    return Frontend.controlRefusal(
        socket, UnsafeRawBufferPointer(start: control, count: message.pointee.msg_controllen))
}

/// The errno for a message on a kernel's socket whose name is the backend domain's; nil for all others.
private func unixRefusal(_ fd: Int32, _ message: UnsafePointer<msghdr>?) -> Int? {
    guard Frontend.hasBackendNames, let message, Frontend.isReadable(message, MemoryLayout<msghdr>.size) else {
        return nil
    }
    let refusal = Frontend.unixDestinationRefusal(
        fd, UnsafeRawPointer(message.pointee.msg_name), message.pointee.msg_namelen)
    return refusal == 0 ? nil : refusal
}

/// sendmmsg(2) to a redirected socket. An error after the first message is dropped, as the kernel drops it. Returns the
/// kernel's value.
func transmit(_ socket: SocketHandle, _ messages: UnsafeMutablePointer<mmsghdr>?, _ count: UInt32, flags: Int32) -> Int
{
    guard let messages else { return count == 0 ? 0 : 0 &- Int(EFAULT) }
    var sent = 0
    while sent < min(Int(count), maximumVectors) {
        let result = withUnsafePointer(to: &messages[sent].msg_hdr) { transmit(socket, $0, flags: flags) }
        if result < 0 { return sent > 0 ? sent : result }
        messages[sent].msg_len = UInt32(truncatingIfNeeded: result)
        sent += 1
    }
    return sent
}

/// The flags of a send for those of pwritev2(2), or nil where a socket does not support them.
func transmitFlags(_ flags: Int32) -> Int32? {
    guard flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND) == 0 else { return nil }
    return flags & RWF_NOWAIT != 0 ? Int32(MSG_DONTWAIT) : 0
}

/// pwritev2(2) to a redirected socket, which has no position. Returns the kernel's value.
func transmit(
    _ socket: SocketHandle, _ vectors: UnsafePointer<iovec>?, _ count: Int32, offset: off_t, flags: Int32
) -> Int {
    guard offset >= -1 else { return 0 &- Int(EINVAL) }
    guard offset == -1 else { return 0 &- Int(ESPIPE) }
    guard let flags = transmitFlags(flags) else { return 0 &- Int(EOPNOTSUPP) }
    return transmit(socket, vectors, count, flags: flags)
}

/// The answer of a call that names a position, on a socket: pread(2), pwrite(2) and their vectored forms.
func unseekable(_ offset: off_t) -> Int { failed(offset < 0 ? EINVAL : ESPIPE) }

/// send(2).
@c @implementation
public func xsSend(_ fd: Int32, _ buffer: UnsafeRawPointer?, _ size: Int, _ flags: Int32) -> Int {
    guard let socket = Frontend.find(fd) else { return xsNextSend(fd, buffer, size, flags) }
    return returned(transmit(socket, buffer, size, flags: flags))
}

/// sendto(2).
@c @implementation
public func xsSendto(
    _ fd: Int32, _ buffer: UnsafeRawPointer?, _ size: Int, _ flags: Int32, _ address: UnsafeRawPointer?,
    _ length: socklen_t
) -> Int {
    guard let socket = Frontend.find(fd) else {
        if Frontend.hasBackendNames {
            let refusal = Frontend.unixDestinationRefusal(fd, address, length)
            guard refusal == 0 else { return returned(refusal) }
        }
        return xsNextSendto(fd, buffer, size, flags, address, length)
    }
    let length = address == nil ? 0 : length
    guard length <= maximumName else { return failed(EINVAL) }
    guard isThere(address, Int(length)) else { return failed(EFAULT) }
    return returned(transmit(socket, buffer, size, flags: flags, address: address, length: length))
}

/// sendmsg(2).
@c @implementation
public func xsSendmsg(_ fd: Int32, _ message: UnsafePointer<msghdr>?, _ flags: Int32) -> Int {
    guard let socket = Frontend.find(fd) else {
        if let refusal = unixRefusal(fd, message) { return returned(refusal) }
        return xsNextSendmsg(fd, message, flags)
    }
    return returned(transmit(socket, message, flags: flags))
}

/// sendmmsg(2).
@c @implementation
public func xsSendmmsg(
    _ fd: Int32, _ messages: UnsafeMutablePointer<mmsghdr>?, _ count: UInt32, _ flags: Int32
) -> Int32 {
    guard let socket = Frontend.find(fd) else {
        if let messages, count > 0, let refusal = unixRefusal(fd, &messages[0].msg_hdr) { return returned32(refusal) }
        return xsNextSendmmsg(fd, messages, count, flags)
    }
    return returned32(transmit(socket, messages, count, flags: flags))
}

/// write(2).
@c @implementation
public func xsWrite(_ fd: Int32, _ buffer: UnsafeRawPointer?, _ size: Int) -> Int {
    guard let socket = Frontend.find(fd) else { return xsNextWrite(fd, buffer, size) }
    return returned(transmit(socket.forFiles, buffer, size, flags: 0))
}

/// writev(2).
@c @implementation
public func xsWritev(_ fd: Int32, _ vectors: UnsafePointer<iovec>?, _ count: Int32) -> Int {
    guard let socket = Frontend.find(fd) else { return xsNextWritev(fd, vectors, count) }
    return returned(transmit(socket, vectors, count, flags: 0))
}

/// pwrite(2).
@c @implementation
public func xsPwrite(_ fd: Int32, _ buffer: UnsafeRawPointer?, _ size: Int, _ offset: off_t) -> Int {
    guard Frontend.find(fd) != nil else { return xsNextPwrite(fd, buffer, size, offset) }
    return unseekable(offset)
}

/// pwritev(2).
@c @implementation
public func xsPwritev(_ fd: Int32, _ vectors: UnsafePointer<iovec>?, _ count: Int32, _ offset: off_t) -> Int {
    guard Frontend.find(fd) != nil else { return xsNextPwritev(fd, vectors, count, offset) }
    return unseekable(offset)
}

/// pwritev2(2).
@c @implementation
public func xsPwritev2(
    _ fd: Int32, _ vectors: UnsafePointer<iovec>?, _ count: Int32, _ offset: off_t, _ flags: Int32
) -> Int {
    guard let socket = Frontend.find(fd) else { return xsNextPwritev2(fd, vectors, count, offset, flags) }
    return returned(transmit(socket, vectors, count, offset: offset, flags: flags))
}
