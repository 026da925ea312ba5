import CXenSockPreload
import XenSockFrontend

/// The most that one call moves: the kernel's MAX_RW_COUNT.
let maximumTransfer = 0x7fff_f000

/// The most vectors that one call takes: the kernel's UIO_MAXIOV.
let maximumVectors = 1024

/// The kernel's room for an address, sizeof(struct sockaddr_storage).
let maximumName: socklen_t = 128

/// C's convention from the kernel's: a negative errno value becomes -1 with errno set. Success leaves errno alone.
@inline(__always)
func returned(_ result: Int) -> Int {
    guard result < 0 else { return result }
    xs_set_errno(Int32(truncatingIfNeeded: 0 &- result))
    return -1
}

/// As `returned`, for the calls whose result is an int.
@inline(__always)
func returned32(_ result: Int) -> Int32 { Int32(truncatingIfNeeded: returned(result)) }

/// -1 with errno set to `code`.
@inline(__always)
func failed(_ code: Int32) -> Int { returned(0 &- Int(code)) }

/// The bytes of `vectors`, or a negative errno value as readv(2) and writev(2) give it.
func total(_ vectors: UnsafePointer<iovec>?, _ count: Int32) -> Int {
    guard count >= 0, count <= maximumVectors else { return 0 &- Int(EINVAL) }
    if count == 0 { return 0 }
    guard let vectors, Frontend.isReadable(vectors, Int(count) * MemoryLayout<iovec>.size) else {
        return 0 &- Int(EFAULT)
    }
    var total = 0
    for index in 0..<Int(count) {
        guard vectors[index].iov_len >= 0 else { return 0 &- Int(EINVAL) }
        total = min(total &+ min(vectors[index].iov_len, maximumTransfer), maximumTransfer)
    }
    return total
}

/// Whether the C parts of the library are to treat `fd` as a socket of the backend's.
@c @implementation
public func xsIsRedirected(_ fd: Int32) -> Bool { Frontend.find(fd) != nil }
