import CXenSockSystem
import Glibc
import XenSockWire

/// Finds out, without waiting, whether a service that was silent answers again.
struct UpstreamProbe {
    enum Finding {
        case silent
        /// It answers, or is gone: to open a session will not be waited for.
        case decided
    }

    private let path: String
    /// A connection whose HELLO is not answered yet; -1 without one. Owned.
    private var connection: Int32 = -1

    init(path: String) { self.path = path }

    /// Looks once. To be called again while it is silent.
    mutating func look() -> Finding {
        if connection < 0 {
            guard open() else { return .decided }
            return .silent
        }
        var entry = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 0) > 0 else { return .silent }
        forget()
        return .decided
    }

    mutating func forget() {
        if connection >= 0 { close(connection) }
        connection = -1
    }

    /// - Returns: false if nobody listens there.
    private mutating func open() -> Bool {
        let type = Int32(SOCK_SEQPACKET.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { return true }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            // Its backlog is full of those that wait.
            let isSilent = errno == EAGAIN
            close(descriptor)
            return isSilent
        }
        let hello = [SessionFrame.Kind.hello.rawValue, ArenaHeader.currentLayoutVersion, Arena.portGranularity]
        _ = hello.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        connection = descriptor
        return true
    }
}
