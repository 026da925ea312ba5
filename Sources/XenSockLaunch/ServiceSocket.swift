import Glibc

/// Checks that a service listens on a socket and lets this user in. The connection is closed again.
///
/// - Parameter path: the session socket (docs/PROTOCOL.md, section 3), at most 107 bytes.
public func checkService(at path: String) throws(LaunchError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let capacity = MemoryLayout.size(ofValue: address.sun_path)
    guard path.utf8.count < capacity else {
        throw LaunchError("\(path): a socket's path has at most \(capacity - 1) bytes")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw LaunchError("cannot make a socket: \(describe(errno))") }
    defer { close(descriptor) }
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    if result == 0 { return }
    switch errno {
    case ENOENT: throw LaunchError("\(path): there is no such socket; is xensockd running?")
    case ECONNREFUSED: throw LaunchError("\(path): nobody listens there; is xensockd running?")
    case EPROTOTYPE: throw LaunchError("\(path) is not a socket of xensockd")
    default: throw LaunchError("cannot connect to \(path): \(describe(errno))")
    }
}
