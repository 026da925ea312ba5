import CXenSockSystem
import Glibc
import XenSockWire

/// Names, options, controls: no command carries them, so what is known is answered and the rest refused
/// (docs/PROTOCOL.md, 5.12).
extension PVCallsNetwork {
    private static let timeouts: Set<Int32> = [20, 21]  // SO_RCVTIMEO, SO_SNDTIMEO

    /// The value of an integer option; nil if there is no way to know.
    private func value(_ socket: PVCallsSocket, _ level: Int32, _ name: Int32) -> Int32? {
        if level == Int32(IPPROTO_TCP) { return name == TCP_NODELAY ? 1 : nil }
        guard level == SOL_SOCKET else { return nil }
        switch name {
        case Int32(SO_ERROR): return takeError(socket)
        case Int32(SO_TYPE): return Int32(SOCK_STREAM.rawValue)
        case Int32(SO_DOMAIN): return AF_INET
        case Int32(SO_PROTOCOL): return Int32(IPPROTO_TCP)
        case Int32(SO_ACCEPTCONN): return socket.phase == .listening ? 1 : 0
        case Int32(SO_REUSEADDR): return 1
        case Int32(SO_KEEPALIVE), Int32(SO_BROADCAST), Int32(SO_OOBINLINE), Int32(SO_REUSEPORT): return 0
        default: return nil
        }
    }

    /// SO_ERROR: what connect(2) left, or how a connection ended, which no call then reports.
    private func takeError(_ socket: PVCallsSocket) -> Int32 {
        if socket.error != 0 {
            defer { socket.error = 0 }
            return socket.error
        }
        guard socket.phase == .connected, let ring = socket.ring else { return 0 }
        noteOutputError(socket, ring)
        if socket.outputError != 0, socket.outputError != -EPIPE, !socket.hasReportedOutput {
            socket.hasReportedOutput = true
            return 0 &- socket.outputError
        }
        let inputError = WireError.fromWire(ring.inputError)
        if inputError != 0, inputError != -ENOTCONN, !socket.hasReportedInput {
            socket.hasReportedInput = true
            return 0 &- inputError
        }
        if socket.isLost, !socket.hasReportedInput, (try? ring.unread()) == 0 {
            socket.hasReportedInput = true
            return ECONNRESET
        }
        return 0
    }

    public func getsockopt(
        _ descriptor: Int32, level: Int32, name: Int32, value: UnsafeMutableRawPointer, length: inout UInt32
    ) -> Int32 {
        guard let socket = sockets[descriptor] else { return -EBADF }
        if level == SOL_SOCKET, Self.timeouts.contains(name) {
            let bytes = socket.timeouts[name] ?? [UInt8](repeating: 0, count: 16)
            length = min(length, UInt32(bytes.count))
            bytes.withUnsafeBytes { value.copyMemory(from: $0.baseAddress!, byteCount: Int(length)) }
            return 0
        }
        guard let integer = self.value(socket, level, name) else { return -ENOPROTOOPT }
        length = min(length, 4)
        withUnsafeBytes(of: integer) { value.copyMemory(from: $0.baseAddress!, byteCount: Int(length)) }
        return 0
    }

    /// Succeeds only for what is so anyway, and for what the frontend does itself.
    public func setsockopt(_ descriptor: Int32, level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Int32 {
        guard let socket = sockets[descriptor] else { return -EBADF }
        if level == SOL_SOCKET, Self.timeouts.contains(name) {
            guard value.count >= 16 else { return -EINVAL }
            socket.timeouts[name] = Array(value.prefix(16))
            return 0
        }
        let readOnly: Set<Int32> = [
            Int32(SO_ERROR), Int32(SO_TYPE), Int32(SO_DOMAIN), Int32(SO_PROTOCOL), Int32(SO_ACCEPTCONN),
        ]
        if level == SOL_SOCKET, readOnly.contains(name) { return -ENOPROTOOPT }
        guard let current = self.value(socket, level, name) else { return -ENOPROTOOPT }
        guard value.count >= 4 else { return -EINVAL }
        let wanted: Int32 = value.loadUnaligned(as: Int32.self) == 0 ? 0 : 1
        return wanted == current ? 0 : -ENOPROTOOPT
    }

    public func getsockname(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        guard let socket = sockets[descriptor] else { return -EBADF }
        length = UInt32((socket.local ?? Self.anywhere).copy(to: address, capacity: 128))
        return 0
    }

    public func getpeername(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        guard let socket = sockets[descriptor] else { return -EBADF }
        guard socket.phase == .connected, let peer = socket.peer else { return -ENOTCONN }
        length = UInt32(peer.copy(to: address, capacity: 128))
        return 0
    }

    public func ioctl(_ descriptor: Int32, request: UInt32, value: inout Int32) -> Int32 {
        guard let socket = sockets[descriptor] else { return -EBADF }
        switch request {
        case UInt32(FIONREAD):
            guard socket.phase != .listening else { return -EINVAL }
            let unread = socket.ring.flatMap { try? $0.unread() } ?? 0
            value = Int32(socket.phase == .connected ? unread : 0)
            return 0
        // SIOCOUTQ, SIOCATMARK, SIOCOUTQNSD
        case 0x5411, 0x8905, 0x894b: return -EOPNOTSUPP
        default: return -ENOTTY
        }
    }

    public var shutsDown: Bool { false }

    /// The dialect can only release: a program's end of writing cannot be told.
    public func shutdown(_ descriptor: Int32, how: Int32) -> Int32 {
        guard let socket = sockets[descriptor] else { return -EBADF }
        if socket.isLost { return -ENETDOWN }
        return socket.phase == .connected ? -EOPNOTSUPP : -ENOTCONN
    }
}
