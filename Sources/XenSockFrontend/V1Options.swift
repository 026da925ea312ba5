import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Names, options and controls in `draft1` and `pvcalls1`, which have no commands for them (docs/PROTOCOL.md, 5.12): the
/// frontend answers what it knows, and refuses the rest.
extension Frontend {
    static func v1Name(
        _ handle: SocketHandle, peer: Bool, _ address: UnsafeMutableRawPointer?,
        _ length: UnsafeMutablePointer<socklen_t>?
    ) -> Int {
        if peer {
            switch handle.status.state {
            case .connected: break
            default: return -Int(ENOTCONN)
            }
        }
        let names = V1Names(handle)
        return deliver(peer ? names.peer : names.local, address, length)
    }

    /// The value of an integer option; nil if there is no way to know.
    private static func v1Value(_ handle: SocketHandle, _ level: Int32, _ name: Int32) -> Int32? {
        if level == Int32(IPPROTO_TCP) { return name == TCP_NODELAY ? 1 : nil }
        guard level == SOL_SOCKET else { return nil }
        switch name {
        case SO_ERROR: return Int32(truncatingIfNeeded: handle.status.takeError())
        case Int32(SO_TYPE): return Int32(SOCK_STREAM.rawValue)
        case Int32(SO_DOMAIN): return AF_INET
        case Int32(SO_PROTOCOL): return Int32(IPPROTO_TCP)
        case Int32(SO_ACCEPTCONN): return handle.status.has(StatusLine.Flag.listening) ? 1 : 0
        // Both are always so in the backend.
        case Int32(SO_REUSEADDR): return 1
        case Int32(SO_KEEPALIVE), Int32(SO_BROADCAST), Int32(SO_OOBINLINE), Int32(SO_REUSEPORT): return 0
        default: return nil
        }
    }

    static func v1GetOption(
        _ handle: SocketHandle, level: Int32, name: Int32, _ value: UnsafeMutableRawPointer,
        _ length: UnsafeMutablePointer<socklen_t>
    ) -> Int {
        guard var integer = v1Value(handle, level, name) else { return -Int(ENOPROTOOPT) }
        let size = min(Int(length.pointee), 4)
        memcpy(value, &integer, size)
        length.pointee = socklen_t(size)
        return 0
    }

    /// Succeeds only for what is so anyway.
    static func v1SetOption(
        _ handle: SocketHandle, level: Int32, name: Int32, _ value: UnsafeRawPointer?, length: UInt32
    ) -> Int {
        if level == SOL_SOCKET, name == SO_ERROR { return -Int(ENOPROTOOPT) }
        guard let current = v1Value(handle, level, name) else { return -Int(ENOPROTOOPT) }
        guard let value else { return -Int(EFAULT) }
        if length < 4 { return -Int(EINVAL) }
        switch (level, name) {
        case (SOL_SOCKET, Int32(SO_TYPE)), (SOL_SOCKET, Int32(SO_DOMAIN)), (SOL_SOCKET, Int32(SO_PROTOCOL)),
            (SOL_SOCKET, Int32(SO_ACCEPTCONN)):
            return -Int(ENOPROTOOPT)
        default:
            let wanted: Int32 = value.loadUnaligned(as: Int32.self) == 0 ? 0 : 1
            return wanted == current ? 0 : -Int(ENOPROTOOPT)
        }
    }

    /// The end of reading is the frontend's own affair; the end of writing no request can tell.
    static func v1Shutdown(_ handle: SocketHandle, how: Int32) -> Int {
        switch handle.status.state {
        case .connected: break
        default: return -Int(ENOTCONN)
        }
        return -Int(EOPNOTSUPP)
    }
}
