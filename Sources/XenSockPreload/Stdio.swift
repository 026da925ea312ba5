import CXenSockPreload
import XenSockFrontend

/// fdopen(3). glibc's stream reads and writes its descriptor where no library can stand in between, so a redirected
/// socket is relayed first. One that cannot be relayed (of an older dialect, or not a stream) gets a stream of
/// fopencookie(3): fileno(3) of that one fails with EBADF.
@c @implementation
public func xsFdopen(_ fd: Int32, _ mode: UnsafePointer<CChar>?) -> UnsafeMutablePointer<FILE>? {
    guard let socket = Frontend.find(fd), !socket.isListening, Frontend.relay(socket) != 0 else {
        return xsNextFdopen(fd, mode)
    }
    // The cookie is the descriptor itself: nothing to allocate or release.
    return fopencookie(UnsafeMutableRawPointer(bitPattern: Int(fd) + 1), mode, streamFunctions())
}

private func descriptor(_ cookie: UnsafeMutableRawPointer?) -> Int32 {
    Int32(truncatingIfNeeded: Int(bitPattern: cookie) - 1)
}

private func streamFunctions() -> cookie_io_functions_t {
    cookie_io_functions_t(
        read: { cookie, buffer, size in xsRead(descriptor(cookie), buffer, size) },
        write: { cookie, buffer, size in
            // A short count is an error to the stream, and 0 is how it is told of one.
            var written = 0
            while let buffer, written < size {
                let result = xsWrite(descriptor(cookie), buffer + written, size - written)
                guard result > 0 else { break }
                written += result
            }
            return written
        },
        seek: { _, _, _ in Int32(truncatingIfNeeded: failed(ESPIPE)) },
        close: { cookie in xsClose(descriptor(cookie)) })
}
