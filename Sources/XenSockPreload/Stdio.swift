import CXenSockPreload
import XenSockFrontend

/// fdopen(3). A stream on a redirected socket is one of fopencookie(3), because glibc's own reads and writes its
/// descriptor where no library can stand in between. Two things follow: fileno(3) of the stream fails with EBADF, and
/// its child processes inherit the descriptor as usual but not the stream's buffer rules.
@c @implementation
public func xsFdopen(_ fd: Int32, _ mode: UnsafePointer<CChar>?) -> UnsafeMutablePointer<FILE>? {
    guard Frontend.find(fd) != nil else { return xsNextFdopen(fd, mode) }
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
