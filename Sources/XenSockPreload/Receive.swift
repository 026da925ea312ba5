import CXenSockPreload
import XenSockFrontend

/// One buffer from a redirected socket, with the sender's address if `address` is given. Returns the kernel's value.
func receive(
    _ socket: SocketHandle, _ buffer: UnsafeMutableRawPointer?, _ size: Int, flags: Int32,
    address: UnsafeMutableRawPointer? = nil, length: UnsafeMutablePointer<socklen_t>? = nil
) -> Int {
    xs_cancellation_point()
    let bounded = UInt(bitPattern: size) > UInt(maximumTransfer) ? maximumTransfer : size
    var vector = iovec(iov_base: buffer, iov_len: bounded)
    return withUnsafePointer(to: &vector) { vectors in
        guard let address else { return Frontend.receive(socket, vectors, 1, flags: flags, message: nil) }
        guard let length, Frontend.isReadable(length, 4) else { return 0 &- Int(EFAULT) }
        guard length.pointee <= socklen_t(Int32.max) else { return 0 &- Int(EINVAL) }
        var message = msghdr()
        message.msg_name = address
        message.msg_namelen = length.pointee
        let result = withUnsafeMutablePointer(to: &message) {
            Frontend.receive(socket, vectors, 1, flags: flags, message: $0)
        }
        if result >= 0 { length.pointee = message.msg_namelen }
        return result
    }
}

/// recv(2) of no bytes from a stream, which waits until there are some. Unlike read(2), which returns at once.
private func awaitBytes(_ socket: SocketHandle, flags: Int32) -> Int {
    var byte: UInt8 = 0
    let result = receive(socket, &byte, 1, flags: flags & ~Int32(MSG_TRUNC | MSG_WAITALL) | Int32(MSG_PEEK))
    return min(result, 0)
}

/// The vectors of readv(2) from a redirected socket. Returns the kernel's value.
func receive(_ socket: SocketHandle, _ vectors: UnsafePointer<iovec>?, _ count: Int32, flags: Int32) -> Int {
    xs_cancellation_point()
    let size = total(vectors, count)
    guard size > 0, let vectors else { return size }
    return Frontend.receive(socket.forFiles, vectors, Int(count), flags: flags, message: nil)
}

/// recvmsg(2) from a redirected socket. Returns the kernel's value.
func receive(_ socket: SocketHandle, _ message: UnsafeMutablePointer<msghdr>?, flags: Int32) -> Int {
    guard let message, Frontend.isReadable(message, MemoryLayout<msghdr>.size) else { return 0 &- Int(EFAULT) }
    xs_cancellation_point()
    if message.pointee.msg_name != nil, message.pointee.msg_namelen > socklen_t(Int32.max) { return 0 &- Int(EINVAL) }
    let count = message.pointee.msg_iovlen
    guard count >= 0, count <= maximumVectors else { return 0 &- Int(EMSGSIZE) }
    let size = total(message.pointee.msg_iov, Int32(truncatingIfNeeded: count))
    guard size >= 0 else { return size }
    guard count > 0, let vectors = message.pointee.msg_iov else {
        var none = iovec(iov_base: nil, iov_len: 0)
        return withUnsafePointer(to: &none) { Frontend.receive(socket, $0, 1, flags: flags, message: message) }
    }
    return Frontend.receive(socket, vectors, count, flags: flags, message: message)
}

/// recvmmsg(2) from a redirected socket. As in the kernel, `timeout` is looked at after each message only. Returns the
/// kernel's value.
func receive(
    _ socket: SocketHandle, _ messages: UnsafeMutablePointer<mmsghdr>?, _ count: UInt32, flags: Int32,
    timeout: UnsafeMutablePointer<timespec>?
) -> Int {
    guard let messages else { return count == 0 ? 0 : 0 &- Int(EFAULT) }
    if let timeout, timeout.pointee.tv_sec < 0 || !(0..<1_000_000_000).contains(timeout.pointee.tv_nsec) {
        return 0 &- Int(EINVAL)
    }
    let end = timeout.map { monotonic() &+ nanoseconds($0.pointee) } ?? 0
    var flags = flags
    if flags & Int32(MSG_ERRQUEUE) == 0 {
        // Unlike recvmsg(2), even where data waits.
        let error = Frontend.pendingError(socket)
        if error < 0 { return error }
    }
    let oneIsEnough = flags & Int32(MSG_WAITFORONE) != 0
    flags &= ~Int32(MSG_WAITFORONE)
    var received = 0
    while received < Int(count) {
        let result = withUnsafeMutablePointer(to: &messages[received].msg_hdr) { receive(socket, $0, flags: flags) }
        if result < 0 {
            if received > 0 { Frontend.keepError(socket, result) }
            return received > 0 ? received : result
        }
        messages[received].msg_len = UInt32(truncatingIfNeeded: result)
        received += 1
        if oneIsEnough { flags |= Int32(MSG_DONTWAIT) }
        if let timeout {
            let left = max(0, end &- monotonic())
            timeout.pointee = timespec(tv_sec: left / 1_000_000_000, tv_nsec: left % 1_000_000_000)
            if left == 0 { break }
        }
        // Out-of-band data ends the call, as in the kernel.
        if messages[received - 1].msg_hdr.msg_flags & Int32(MSG_OOB) != 0 { break }
    }
    return received
}

private func monotonic() -> Int {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return nanoseconds(now)
}

/// Bounded to a century, which is for ever.
private func nanoseconds(_ time: timespec) -> Int { min(time.tv_sec, 3_153_600_000) &* 1_000_000_000 &+ time.tv_nsec }

/// preadv2(2) from a redirected socket, which has no position. Returns the kernel's value.
func receive(
    _ socket: SocketHandle, _ vectors: UnsafePointer<iovec>?, _ count: Int32, offset: off_t, flags: Int32
) -> Int {
    guard offset >= -1 else { return 0 &- Int(EINVAL) }
    guard offset == -1 else { return 0 &- Int(ESPIPE) }
    guard flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND) == 0 else {
        return 0 &- Int(EOPNOTSUPP)
    }
    return receive(socket, vectors, count, flags: flags & RWF_NOWAIT != 0 ? Int32(MSG_DONTWAIT) : 0)
}

/// Descriptors that arrived by SCM_RIGHTS may be sockets of the backend's, and have new numbers in any case.
func noteArrivals(_ message: UnsafePointer<msghdr>) {
    guard let control = UnsafeRawPointer(message.pointee.msg_control) else { return }
    let end = message.pointee.msg_controllen
    let header = MemoryLayout<cmsghdr>.size
    var offset = 0
    while offset + header <= end {
        let entry = control.load(fromByteOffset: offset, as: cmsghdr.self)
        guard entry.cmsg_len >= header, entry.cmsg_len <= end - offset else { return }
        if entry.cmsg_level == SOL_SOCKET, entry.cmsg_type == Int32(SCM_RIGHTS) {
            for at in stride(from: offset + header, through: offset + entry.cmsg_len - 4, by: 4) {
                Frontend.forget(control.load(fromByteOffset: at, as: Int32.self))
            }
        }
        offset += (entry.cmsg_len + 7) & ~7
    }
}

/// As for one message, for the first `count` of recvmmsg(2).
func noteArrivals(_ messages: UnsafePointer<mmsghdr>?, _ count: Int) {
    guard let messages, count > 0 else { return }
    for index in 0..<count {
        var message = messages[index].msg_hdr
        withUnsafePointer(to: &message) { noteArrivals($0) }
    }
}

/// recv(2).
@c @implementation
public func xsRecv(_ fd: Int32, _ buffer: UnsafeMutableRawPointer?, _ size: Int, _ flags: Int32) -> Int {
    guard let socket = Frontend.find(fd) else { return xsNextRecv(fd, buffer, size, flags) }
    if size == 0, !socket.isDatagram { return returned(awaitBytes(socket, flags: flags)) }
    return returned(receive(socket, buffer, size, flags: flags))
}

/// recvfrom(2).
@c @implementation
public func xsRecvfrom(
    _ fd: Int32, _ buffer: UnsafeMutableRawPointer?, _ size: Int, _ flags: Int32, _ address: UnsafeMutableRawPointer?,
    _ length: UnsafeMutablePointer<socklen_t>?
) -> Int {
    guard let socket = Frontend.find(fd) else { return xsNextRecvfrom(fd, buffer, size, flags, address, length) }
    return returned(receive(socket, buffer, size, flags: flags, address: address, length: length))
}

/// recvmsg(2).
@c @implementation
public func xsRecvmsg(_ fd: Int32, _ message: UnsafeMutablePointer<msghdr>?, _ flags: Int32) -> Int {
    if let socket = Frontend.find(fd) { return returned(receive(socket, message, flags: flags)) }
    let result = xsNextRecvmsg(fd, message, flags)
    if result >= 0, let message { noteArrivals(message) }
    return result
}

/// recvmmsg(2).
@c @implementation
public func xsRecvmmsg(
    _ fd: Int32, _ messages: UnsafeMutablePointer<mmsghdr>?, _ count: UInt32, _ flags: Int32,
    _ timeout: UnsafeMutablePointer<timespec>?
) -> Int32 {
    if let socket = Frontend.find(fd) {
        return returned32(receive(socket, messages, count, flags: flags, timeout: timeout))
    }
    let result = xsNextRecvmmsg(fd, messages, count, flags, timeout)
    noteArrivals(messages, Int(result))
    return result
}

/// read(2).
@c @implementation
public func xsRead(_ fd: Int32, _ buffer: UnsafeMutableRawPointer?, _ size: Int) -> Int {
    guard let socket = Frontend.find(fd) else { return xsNextRead(fd, buffer, size) }
    // Unlike recv(2), a read of nothing does not wait.
    if size == 0 { return 0 }
    return returned(receive(socket.forFiles, buffer, size, flags: 0))
}

/// readv(2).
@c @implementation
public func xsReadv(_ fd: Int32, _ vectors: UnsafePointer<iovec>?, _ count: Int32) -> Int {
    guard let socket = Frontend.find(fd) else { return xsNextReadv(fd, vectors, count) }
    return returned(receive(socket, vectors, count, flags: 0))
}

/// pread(2).
@c @implementation
public func xsPread(_ fd: Int32, _ buffer: UnsafeMutableRawPointer?, _ size: Int, _ offset: off_t) -> Int {
    guard Frontend.find(fd) != nil else { return xsNextPread(fd, buffer, size, offset) }
    return unseekable(offset)
}

/// preadv(2).
@c @implementation
public func xsPreadv(_ fd: Int32, _ vectors: UnsafePointer<iovec>?, _ count: Int32, _ offset: off_t) -> Int {
    guard Frontend.find(fd) != nil else { return xsNextPreadv(fd, vectors, count, offset) }
    return unseekable(offset)
}

/// preadv2(2).
@c @implementation
public func xsPreadv2(
    _ fd: Int32, _ vectors: UnsafePointer<iovec>?, _ count: Int32, _ offset: off_t, _ flags: Int32
) -> Int {
    guard let socket = Frontend.find(fd) else { return xsNextPreadv2(fd, vectors, count, offset, flags) }
    return returned(receive(socket, vectors, count, offset: offset, flags: flags))
}
