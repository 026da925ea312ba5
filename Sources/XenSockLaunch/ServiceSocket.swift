import Glibc

/// Checks that a service listens on a socket and lets this user in. The connection is closed again.
///
/// - Parameter path: the session socket (docs/PROTOCOL.md, section 3), at most 107 bytes.
public func checkService(at path: String) throws(LaunchError) {
    guard path.utf8.count < socketPathCapacity else {
        throw LaunchError("\(path): a socket's path has at most \(socketPathCapacity - 1) bytes")
    }
    let descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw LaunchError("cannot make a socket: \(describe(errno))") }
    defer { close(descriptor) }
    if withUnixAddress(path, { connect(descriptor, $0, $1) }) == 0 { return }
    switch errno {
    case ENOENT: throw LaunchError("\(path): there is no such socket; is xensockd running?")
    case ECONNREFUSED: throw LaunchError("\(path): nobody listens there; is xensockd running?")
    case EPROTOTYPE: throw LaunchError("\(path) is not a socket of xensockd")
    default: throw LaunchError("cannot connect to \(path): \(describe(errno))")
    }
}

/// The size of `sun_path`, with the final zero (unix(7)).
let socketPathCapacity = 108

/// Calls `body` with the address of a Unix socket, whose path must be shorter than ``socketPathCapacity``.
func withUnixAddress<Result, Failure: Error>(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Failure) -> Result
) throws(Failure) -> Result {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return try withUnsafePointer(to: &address) { pointer throws(Failure) in
        try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic throws(Failure) in
            try body(generic, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}
