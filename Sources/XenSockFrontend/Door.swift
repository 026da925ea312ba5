import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// Ways to the service.
enum Door {
    /// The descriptor of the newest session of this process or of the one it was forked from; -1 before the first. Not
    /// wiped by fork: a child opens its own session through it, also after chroot, setuid or a lock-in.
    nonisolated(unsafe) static var last: Int32 = -1

    /// Connects to the service, through the inherited session if there is one.
    ///
    /// - Returns: a connected descriptor, close-on-exec, its sends bounded (`Patience.limitSending`); or a negative errno.
    static func connect(_ patience: inout Patience) -> Int {
        if last >= 0 {
            let inherited = last
            last = -1
            let result = throughInherited(inherited, &patience)
            if result >= 0 { return result }
        }
        let process = xs_get_process_state()
        var result = connect(path: &process.pointee.socket_path.0, &patience)
        if result < 0, process.pointee.user_socket_path.0 != 0 {
            let second = connect(path: &process.pointee.user_socket_path.0, &patience)
            if second >= 0 || second != -Int(ENOENT) { result = second }
        }
        // The path may be out of reach by now: another user, another root.
        if result < 0, process.pointee.lifeline >= 0 {
            let third = through(process.pointee.lifeline, &patience)
            if third >= 0 { result = third }
        }
        return result
    }

    /// Hands the service one end of a new pair over the session that was inherited, and closes that.
    private static func throughInherited(_ inherited: Int32, _ patience: inout Patience) -> Int {
        let result = through(inherited, &patience)
        if result >= 0 { _ = Kernel.close(inherited) }
        return result
    }

    /// Hands the service one end of a new pair over a socket that it serves, and returns the other.
    private static func through(_ door: Int32, _ patience: inout Patience) -> Int {
        // The number may have been closed and reused behind our back: a session is a connected SOCK_SEQPACKET socket.
        guard Kernel.integerOption(door, Int32(SOL_SOCKET), Int32(SO_TYPE)) == Int(SOCK_SEQPACKET.rawValue)
        else { return -Int(EBADF) }
        let type = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        let pair = Kernel.socketPair(type: type)
        if pair.result < 0 { return pair.result }
        let sent = Frames.send(door, .door, 0, pair.second, -1, &patience)
        _ = Kernel.close(pair.second)
        if sent < 0 {
            _ = Kernel.close(pair.first)
            return sent
        }
        Patience.limitSending(pair.first)
        return Int(pair.first)
    }

    private static func connect(path: UnsafePointer<CChar>, _ patience: inout Patience) -> Int {
        if path.pointee == 0 { return -Int(ENOENT) }
        var address = sockaddr_un()
        address.sun_family = UInt16(AF_UNIX)
        let capacity = 107
        var length = 0
        withUnsafeMutablePointer(to: &address.sun_path.0) { destination in
            while length < capacity, path[length] != 0 {
                destination[length] = path[length]
                length &+= 1
            }
        }
        let fd = Kernel.socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if fd < 0 { return fd }
        // A backlog that nobody takes from blocks connect(2) as a full buffer blocks send(2).
        Patience.limitSending(Int32(fd))
        let result = patience.repeated {
            withUnsafePointer(to: &address) { Kernel.connect(Int32(fd), $0, length &+ 3) }
        }
        if result < 0 {
            _ = Kernel.close(Int32(fd))
            return result
        }
        return fd
    }
}
