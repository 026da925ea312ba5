import Glibc

/// A TCP connection whose close(2) waits until its peer has taken what was sent, or for as long as its SO_LINGER says.
///
/// - Returns: both ends, the caller's to close; nil on error.
public func lingeringConnection(seconds linger: Int32) -> (descriptor: Int32, peer: Int32)? {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(listener) }
    // The peer's kernel takes no more than that, and does not find more room later.
    var room: Int32 = 4096
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, 4)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let (descriptor, peer) = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> (Int32, Int32) in
            guard bind(listener, address, length) == 0, listen(listener, 1) == 0,
                getsockname(listener, address, &length) == 0
            else { return (-1, -1) }
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            guard connect(descriptor, address, length) == 0 else { return (-1, -1) }
            return (descriptor, accept(listener, nil, nil))
        }
    }
    guard descriptor >= 0, peer >= 0 else { return nil }
    var value = Glibc.linger(l_onoff: 1, l_linger: linger)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<Glibc.linger>.size))
    let bytes = [UInt8](repeating: 0, count: 1 << 16)
    // What was under way when there was no more room may have arrived since.
    var refusals = 0
    while refusals < 5 {
        refusals = send(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT)) > 0 ? 0 : refusals + 1
        usleep(10_000)
    }
    return (descriptor, peer)
}
