import CXenSockSystem
import Glibc
import XenSockWire

/// The calls that sessions, arenas and the reactor make, beside those of the sockets (`SocketKernel`). Results are the
/// kernel's own: negative errno values for errors.
extension LinuxKernel {
    @inline(__always)
    private func call(_ number: Int32, _ a: Int, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0)
        -> Int
    {
        xs_syscall(Int(number), a, b, c, d, e, f)
    }

    func epollCreate() -> Int32 { Int32(truncatingIfNeeded: call(SYS_epoll_create1, Int(EPOLL_CLOEXEC))) }

    /// - Parameter timeout: milliseconds; -1 waits for ever.
    func epollWait(_ epoll: Int32, _ events: UnsafeMutableBufferPointer<epoll_event>, timeout: Int32) -> Int {
        let pointer = Int(bitPattern: events.baseAddress)
        return call(SYS_epoll_pwait, Int(epoll), pointer, events.count, Int(timeout), 0, 8)
    }

    func eventDescriptor() -> Int32 {
        Int32(truncatingIfNeeded: call(SYS_eventfd2, 0, Int(O_NONBLOCK | O_CLOEXEC)))
    }

    func signal(eventDescriptor: Int32) {
        let one: UInt64 = 1
        _ = withUnsafeBytes(of: one) { call(SYS_write, Int(eventDescriptor), Int(bitPattern: $0.baseAddress), 8) }
    }

    /// A memfd of `size` bytes of zeros that can neither shrink nor grow (docs/PROTOCOL.md, 3.2).
    func sealedMemory(size: Int) -> Int32 {
        let allowSealing = 2
        let closeOnExec = 1
        let name: StaticString = "xensock"
        let descriptor = name.withUTF8Buffer {
            call(SYS_memfd_create, Int(bitPattern: $0.baseAddress), allowSealing | closeOnExec)
        }
        guard descriptor >= 0 else { return Int32(truncatingIfNeeded: descriptor) }
        let seals = Int(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
        var result = call(SYS_ftruncate, descriptor, size)
        if result == 0 { result = call(SYS_fcntl, descriptor, Int(F_ADD_SEALS), seals) }
        guard result == 0 else {
            close(Int32(truncatingIfNeeded: descriptor))
            return Int32(truncatingIfNeeded: result)
        }
        return Int32(truncatingIfNeeded: descriptor)
    }

    /// A listening SOCK_SEQPACKET socket at `path`. A socket that nobody listens on any more is replaced.
    ///
    /// - Parameter mode: the permissions of the socket in the file system.
    func listen(path: String, mode: UInt32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = UInt16(AF_UNIX)
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            return 0 &- ENAMETOOLONG
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = socket(domain: AF_UNIX, type: Int32(SOCK_SEQPACKET.rawValue), protocolNumber: 0)
        guard descriptor >= 0 else { return descriptor }
        return withUnsafeBytes(of: address) { address in
            var result = bind(descriptor, address)
            if result == 0 &- EADDRINUSE, connect(descriptor, address) == 0 &- ECONNREFUSED {
                _ = path.withCString { call(SYS_unlinkat, Int(AT_FDCWD), Int(bitPattern: $0), 0) }
                result = bind(descriptor, address)
            }
            if result == 0 {
                let value = path.withCString {
                    call(SYS_fchmodat, Int(AT_FDCWD), Int(bitPattern: $0), Int(mode))
                }
                result = Int32(truncatingIfNeeded: value)
            }
            if result == 0 { result = listen(descriptor, backlog: 1024) }
            if result == 0 { return descriptor }
            close(descriptor)
            return result
        }
    }

    func unlink(path: String) {
        _ = path.withCString { call(SYS_unlinkat, Int(AT_FDCWD), Int(bitPattern: $0), 0) }
    }

    func acceptSession(_ listener: Int32) -> Int32 {
        let flags = Int(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        return Int32(truncatingIfNeeded: call(SYS_accept4, Int(listener), 0, 0, flags))
    }

    /// SO_PEERCRED; nil if `descriptor` is no connected AF_UNIX socket.
    func credentials(_ descriptor: Int32) -> PeerCredentials? {
        var value: (Int32, UInt32, UInt32) = (0, 0, 0)
        var length: UInt32 = 12
        let result = withUnsafeMutableBytes(of: &value) { bytes in
            bytes.baseAddress.map {
                getsockopt(
                    descriptor, level: OptionNumber.solSocket, name: OptionNumber.soPeerCredentials, value: $0,
                    length: &length)
            }
        }
        guard result == 0, length == 12 else { return nil }
        return PeerCredentials(processID: value.0, userID: value.1, groupID: value.2)
    }

    /// A pidfd of the process that opened the session, or a negative errno: SO_PEERPIDFD where the kernel has it, which
    /// cannot mean another process, else pidfd_open.
    func processDescriptor(_ descriptor: Int32, processID: Int32) -> Int32 {
        let exact = integerOption(descriptor, OptionNumber.soPeerPidfd)
        if let exact { return exact }
        return Int32(truncatingIfNeeded: call(SYS_pidfd_open, Int(processID), 0))
    }

    /// An option of four bytes at SOL_SOCKET; nil on error.
    func integerOption(_ descriptor: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var length: UInt32 = 4
        let result = getsockopt(descriptor, level: OptionNumber.solSocket, name: name, value: &value, length: &length)
        return result == 0 && length == 4 ? value : nil
    }

    /// SO_COOKIE; nil on error.
    func cookie(_ descriptor: Int32) -> UInt64? {
        var value: UInt64 = 0
        var length: UInt32 = 8
        let result = getsockopt(
            descriptor, level: OptionNumber.solSocket, name: OptionNumber.soCookie, value: &value, length: &length)
        return result == 0 && length == 8 ? value : nil
    }

    /// Whether `descriptor` is an AF_UNIX socket of `type`.
    func isUnixSocket(_ descriptor: Int32, type: UInt32) -> Bool {
        integerOption(descriptor, OptionNumber.soDomain) == AF_UNIX
            && integerOption(descriptor, OptionNumber.soType) == Int32(type)
    }

    var effectiveUserID: UInt32 { UInt32(truncatingIfNeeded: call(SYS_geteuid, 0)) }
}
