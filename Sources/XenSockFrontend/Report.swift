import CXenSockSystem
import XenSockPlatform

/// What the library says on stderr: at most one line of a kind a process, none with XENSOCK_QUIET=1.
enum Report {
    /// The service cannot be reached.
    static func unreachable(_ error: Int) {
        let process = xs_get_process_state()
        if process.pointee.quiet != 0 || process.pointee.reported & 1 != 0 { return }
        process.pointee.reported |= 1
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

    /// A socket goes to a program that cannot use it.
    static func useless(_ handle: SocketHandle, in program: UnsafePointer<CChar>) {
        say(2) { line in
            line.append("xensock: ")
            line.append(program)
            line.append(" cannot load the library, and so cannot use descriptor ")
            line.append(Int(handle.fd))
            if handle.isListening {
                line.append(", a listening socket\n")
            } else {
                line.append(": only stream sockets of the dialect xensock2 can be handed to such a program\n")
            }
        }
    }

    /// Bytes that had come could not be handed on with their socket.
    static func lost(_ count: Int, fd: Int32) {
        say(4) { line in
            line.append("xensock: ")
            line.append(count)
            line.append(" bytes that had come on descriptor ")
            line.append(Int(fd))
            line.append(" are lost: their end was being watched by epoll when it became stdio's or another program's\n")
        }
    }

    /// XENSOCK_UNIX does not fit.
    static func tooManyNames() {
        say(8) { $0.append("xensock: XENSOCK_UNIX is longer than 1024 bytes and is not followed\n") }
    }

    /// A datagram or sequenced-packet socket was given a name of the backend domain.
    static func onlyStreams() {
        say(16) {
            $0.append("xensock: of the AF_UNIX sockets named in XENSOCK_UNIX only those of SOCK_STREAM work\n")
        }
    }

    /// A socket was given names on both sides.
    static func localName() {
        say(32) {
            $0.append("xensock: an AF_UNIX socket cannot have one name in XENSOCK_UNIX and one that is not\n")
        }
    }

    /// Descriptors or credentials were to go to the backend domain.
    static func noAncillaryData() {
        say(64) {
            $0.append(
                "xensock: descriptors and credentials do not pass through AF_UNIX sockets named in XENSOCK_UNIX\n")
        }
    }

    /// Says a line once in this process.
    ///
    /// - Parameter kind: a bit of `reported`.
    private static func say(_ kind: UInt32, _ compose: (inout Line) -> Void) {
        let process = xs_get_process_state()
        if process.pointee.quiet != 0 || process.pointee.reported & kind != 0 { return }
        process.pointee.reported |= kind
        withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { buffer in
            var line = Line(buffer)
            compose(&line)
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

        mutating func append(_ number: Int) {
            var divisor = 1
            while number / divisor >= 10 { divisor &*= 10 }
            while divisor > 0 {
                var digit = UInt8(truncatingIfNeeded: 0x30 &+ number / divisor % 10)
                if length < buffer.count { memcpy(buffer.baseAddress! + length, &digit, 1) }
                length = min(length &+ 1, buffer.count)
                divisor /= 10
            }
        }

        mutating func append(_ text: UnsafePointer<CChar>) {
            let size = min(strnlen(text, 107), buffer.count &- length)
            memcpy(buffer.baseAddress! + length, text, size)
            length &+= size
        }
    }
}
