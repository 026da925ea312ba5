import CXenSockSystem
import XenSockPlatform

/// What the library says on stderr: at most one line a process, none with XENSOCK_QUIET=1.
enum Report {
    /// The service cannot be reached.
    static func unreachable(_ error: Int) {
        let process = xs_get_process_state()
        if process.pointee.quiet != 0 || process.pointee.reported != 0 { return }
        process.pointee.reported = 1
        withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { buffer in
            var line = Line(buffer)
            line.append("xensock: no service at ")
            line.append(&process.pointee.socket_path.0)
            line.append(" (")
            line.append(reason(error))
            line.append("): this program's Internet sockets fail with ENETDOWN; start xensockd or set XENSOCK_SOCKET\n")
            _ = Kernel.write(2, buffer.baseAddress!, line.length)
        }
    }

    private static func reason(_ error: Int) -> StaticString {
        switch Int32(error) {
        case ENOENT: "No such file or directory"
        case ECONNREFUSED: "Connection refused"
        case EACCES, EPERM: "this user may not open a session: see allow_users in the service's policy"
        case EAGAIN: "this user has too many sessions"
        case ETIMEDOUT: "it does not answer"
        case EINVAL: "XENSOCK_DIALECT names no dialect"
        case EPROTO: "it speaks another protocol"
        case ENOMEM: "Cannot allocate memory"
        case EMFILE, ENFILE: "Too many open files"
        default: "it closed the session"
        }
    }

    private struct Line {
        let buffer: UnsafeMutableRawBufferPointer
        var length = 0

        init(_ buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

        mutating func append(_ text: StaticString) {
            let size = min(text.utf8CodeUnitCount, buffer.count &- length)
            memcpy(buffer.baseAddress! + length, text.utf8Start, size)
            length &+= size
        }

        mutating func append(_ text: UnsafePointer<CChar>) {
            let size = min(strnlen(text, 107), buffer.count &- length)
            memcpy(buffer.baseAddress! + length, text, size)
            length &+= size
        }
    }
}
