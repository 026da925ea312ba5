import CXenSockPreload
import XenSockFrontend

// glibc reads and writes in threads of its own, by calls that no library sees. So the socket is relayed first: its bytes
// are in the kernel then.

/// Makes a descriptor fit for operations of glibc's. False, with errno set, for a socket that cannot be relayed.
private func prepare(_ block: UnsafeMutablePointer<aiocb>?) -> Bool {
    guard let block, let socket = Frontend.find(block.pointee.aio_fildes) else { return true }
    return returned(Frontend.relay(socket)) == 0
}

/// aio_read(3). EOPNOTSUPP for a redirected socket that is no stream.
@c @implementation
public func xsAioRead(_ block: UnsafeMutablePointer<aiocb>?) -> Int32 {
    prepare(block) ? xsNextAioRead(block) : -1
}

/// aio_write(3), likewise.
@c @implementation
public func xsAioWrite(_ block: UnsafeMutablePointer<aiocb>?) -> Int32 {
    prepare(block) ? xsNextAioWrite(block) : -1
}

/// lio_listio(3), likewise: nothing of the list is begun then.
@c @implementation
public func xsLioListio(
    _ mode: Int32, _ list: UnsafePointer<UnsafeMutablePointer<aiocb>?>?, _ count: Int32,
    _ event: UnsafeMutablePointer<sigevent>?
) -> Int32 {
    if let list, count > 0 {
        for index in 0..<Int(count) {
            guard prepare(list[index]) else { return -1 }
        }
    }
    return xsNextLioListio(mode, list, count, event)
}
