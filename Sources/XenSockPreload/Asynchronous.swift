import CXenSockPreload
import XenSockFrontend

// POSIX asynchronous I/O: threads inside of libc read and write where no library can stand in between, so a redirected
// socket is relayed first.

/// `aio_fildes`, the first word of a `struct aiocb`.
private func relay(_ request: UnsafeMutableRawPointer?) {
    guard let fd = request?.load(as: Int32.self), let socket = Frontend.find(fd), !socket.isListening else { return }
    _ = Frontend.relay(socket)
}

/// aio_read(3).
@c @implementation
public func xsAioRead(_ request: UnsafeMutableRawPointer?) -> Int32 {
    relay(request)
    return xsNextAioRead(request)
}

/// aio_write(3).
@c @implementation
public func xsAioWrite(_ request: UnsafeMutableRawPointer?) -> Int32 {
    relay(request)
    return xsNextAioWrite(request)
}

/// lio_listio(3).
@c @implementation
public func xsLioListio(
    _ mode: Int32, _ list: UnsafePointer<UnsafeMutableRawPointer?>?, _ count: Int32, _ event: UnsafeMutableRawPointer?
) -> Int32 {
    if let list, count > 0 {
        for index in 0..<Int(count) { relay(list[index]) }
    }
    return xsNextLioListio(mode, list, count, event)
}
