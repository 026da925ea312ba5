import CXenSockPreload
import XenSockFrontend

/// sendfile(2). To a redirected socket: reads the file in pieces of 64 KiB and sends them; its position, or `offset`,
/// moves by what was sent, also if that is less than what was asked for. From a redirected socket: EINVAL, as from
/// every socket unless it goes to a pipe; then the socket is relayed, and the kernel does it.
@c @implementation
public func xsSendfile(_ out: Int32, _ in: Int32, _ offset: UnsafeMutablePointer<off_t>?, _ count: Int) -> Int {
    if let socket = Frontend.find(`in`) {
        guard offset == nil else { return failed(ESPIPE) }
        guard isPipe(out), Frontend.relay(socket) == 0 else { return failed(EINVAL) }
        return xsNextSendfile(out, `in`, offset, count)
    }
    guard let socket = Frontend.find(out) else { return xsNextSendfile(out, `in`, offset, count) }
    return returned(send(file: `in`, to: socket, offset, count))
}

/// As sendfile(2) to a redirected socket. Returns the kernel's value.
func send(file: Int32, to socket: SocketHandle, _ offset: UnsafeMutablePointer<off_t>?, _ count: Int) -> Int {
    guard count >= 0 else { return 0 &- Int(EINVAL) }
    let start = offset?.pointee ?? xs_syscall(Int(SYS_lseek), Int(file), 0, Int(SEEK_CUR), 0, 0, 0)
    guard start >= 0 else { return start == 0 &- Int(EBADF) && offset == nil ? start : 0 &- Int(EINVAL) }
    var transfer = FileTransfer(
        file: file, socket: socket, start: start, count: min(count, maximumTransfer), sent: 0, error: 0)
    withUnsafeMutablePointer(to: &transfer) { transfer in
        _ = xsWithTransferBuffer(
            { context, buffer, size in
                guard let context, let buffer else { return 0 }
                context.assumingMemoryBound(to: FileTransfer.self).pointee.run(buffer, size)
                return 0
            }, transfer)
    }
    if transfer.sent > 0 {
        if let offset {
            offset.pointee = start &+ transfer.sent
        } else {
            _ = xs_syscall(Int(SYS_lseek), Int(file), start &+ transfer.sent, Int(SEEK_SET), 0, 0, 0)
        }
        return transfer.sent
    }
    // What cannot be read at a position is no file to send.
    let isNoFile = transfer.error == 0 &- Int(EISDIR) || offset == nil && transfer.error == 0 &- Int(ESPIPE)
    return isNoFile ? 0 &- Int(EINVAL) : transfer.error
}

private struct FileTransfer {
    let file: Int32
    let socket: SocketHandle
    let start: Int
    let count: Int
    var sent: Int
    var error: Int

    mutating func run(_ buffer: UnsafeMutableRawPointer, _ size: Int) {
        let end = Int(attributes(file).st_size)
        while sent < count {
            let wanted = min(size, count &- sent)
            let read = xs_syscall(
                Int(SYS_pread64), Int(file), Int(bitPattern: buffer), wanted, start &+ sent, 0, 0)
            guard read > 0 else {
                error = read
                return
            }
            // More follows unless this is the last piece: the backend need not push what is not full yet.
            let place = start &+ sent &+ read
            let flags = read == wanted && sent &+ read < count && place < end ? Int32(MSG_MORE) : 0
            let result = transmit(socket.forFiles, buffer, read, flags: flags)
            guard result >= 0 else {
                error = result
                return
            }
            sent &+= result
            if result < read { return }
        }
    }
}

/// fstat(2); zeros if it fails.
private func attributes(_ fd: Int32) -> stat {
    var attributes = stat()
    let result = withUnsafeMutablePointer(to: &attributes) {
        xs_syscall(Int(SYS_fstat), Int(fd), Int(bitPattern: $0), 0, 0, 0, 0)
    }
    return result == 0 ? attributes : stat()
}

private func isPipe(_ fd: Int32) -> Bool { attributes(fd).st_mode & 0o170000 == 0o010000 }

/// splice(2). A redirected socket is relayed first, so that its bytes are in the kernel; one that cannot be gives EINVAL,
/// as files do that do not support it: programs then read and write.
@c @implementation
public func xsSplice(
    _ in: Int32, _ inOffset: UnsafeMutablePointer<off_t>?, _ out: Int32, _ outOffset: UnsafeMutablePointer<off_t>?,
    _ count: Int, _ flags: UInt32
) -> Int {
    if let socket = Frontend.find(`in`) {
        guard isPipe(out), Frontend.relay(socket) == 0 else { return failed(EINVAL) }
    }
    if let socket = Frontend.find(out) {
        guard isPipe(`in`), Frontend.relay(socket) == 0 else { return failed(EINVAL) }
    }
    return xsNextSplice(`in`, inOffset, out, outOffset, count, flags)
}

/// tee(2). EINVAL for a socket, which is no pipe.
@c @implementation
public func xsTee(_ in: Int32, _ out: Int32, _ count: Int, _ flags: UInt32) -> Int {
    guard Frontend.find(`in`) == nil, Frontend.find(out) == nil else { return failed(EINVAL) }
    return xsNextTee(`in`, out, count, flags)
}

/// vmsplice(2). EBADF for a socket, which is no pipe.
@c @implementation
public func xsVmsplice(_ fd: Int32, _ vectors: UnsafePointer<iovec>?, _ count: Int, _ flags: UInt32) -> Int {
    guard Frontend.find(fd) == nil else { return failed(EBADF) }
    return xsNextVmsplice(fd, vectors, count, flags)
}

/// copy_file_range(2). EINVAL for a socket, which is no regular file.
@c @implementation
public func xsCopyFileRange(
    _ in: Int32, _ inOffset: UnsafeMutablePointer<off_t>?, _ out: Int32, _ outOffset: UnsafeMutablePointer<off_t>?,
    _ count: Int, _ flags: UInt32
) -> Int {
    guard Frontend.find(`in`) == nil, Frontend.find(out) == nil else { return failed(EINVAL) }
    return xsNextCopyFileRange(`in`, inOffset, out, outOffset, count, flags)
}
