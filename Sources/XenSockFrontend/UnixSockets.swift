import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// AF_UNIX. Such sockets are the kernel's, of the frontend's own domain, but for the names in XENSOCK_UNIX, which are the
/// backend domain's.
///
/// Which it is shows only when a name is given: by then the program has a descriptor of the kernel's. So connect(2) and
/// bind(2) make a socket in the backend domain, have it do what is asked, and only when that succeeded put it in the
/// place of the kernel's. A call that fails changes nothing, and local names cost a comparison.
extension Frontend {
    /// Whether any names are the backend domain's.
    @inline(__always)
    public static var hasBackendNames: Bool { xs_get_process_state().pointee.unix_length != 0 }

    /// Remembers XENSOCK_UNIX: patterns (`UnixName`) with colons between them.
    static func keepBackendNames(_ list: UnsafePointer<CChar>) {
        let length = strlen(list)
        let process = xs_get_process_state()
        guard length <= MemoryLayout.size(ofValue: process.pointee.unix_names) else { return Report.tooManyNames() }
        memcpy(&process.pointee.unix_names.0, list, length)
        process.pointee.unix_length = UInt32(length)
    }

    /// Whether the name in a socket address is the backend domain's.
    public static func isBackendName(_ address: UnsafeRawPointer?, _ length: UInt32) -> Bool {
        guard hasBackendNames, length > 3, length <= UInt32(UnixName.capacity),
            UserMemory.isAccessible(address, Int(length), writing: false), let address
        else { return false }
        return withUnsafeTemporaryAllocation(byteCount: UnixName.capacity, alignment: 8) { text in
            let bytes = UnsafeRawBufferPointer(start: address, count: Int(length))
            let size = UnixName.text(of: bytes, into: text)
            guard size > 0 else { return false }
            let process = xs_get_process_state()
            return withUnsafePointer(to: &process.pointee.unix_names.0) {
                UnixName.matches(
                    UnsafeRawBufferPointer(rebasing: text[0..<size]),
                    anyOf: UnsafeRawBufferPointer(start: $0, count: Int(process.pointee.unix_length)))
            }
        }
    }

    /// connect(2) of a kernel's socket to a name of the backend domain; nil if the call is the kernel's.
    public static func connectUnix(_ fd: Int32, _ address: UnsafeRawPointer?, _ length: UInt32) -> Int? {
        guard isBackendName(address, length), let type = unixType(fd) else { return nil }
        guard type == Int(SOCK_STREAM.rawValue) else { return refuseType() }
        if hasName(fd, SYS_getpeername) { return -Int(EISCONN) }
        if hasName(fd, SYS_getsockname) {
            Report.localName()
            return -Int(EOPNOTSUPP)
        }
        return replace(fd) { connect($0, address, length) }
    }

    /// bind(2) of a kernel's socket to a name of the backend domain; nil if the call is the kernel's.
    public static func bindUnix(_ fd: Int32, _ address: UnsafeRawPointer?, _ length: UInt32) -> Int? {
        guard isBackendName(address, length), let type = unixType(fd) else { return nil }
        guard type == Int(SOCK_STREAM.rawValue) else { return refuseType() }
        if hasName(fd, SYS_getpeername) || hasName(fd, SYS_getsockname) { return -Int(EINVAL) }
        return replace(fd) { bind($0, address, length) }
    }

    /// Whether a datagram to this address, on a kernel's socket, would be for the backend domain, which takes none:
    /// -ESOCKTNOSUPPORT, otherwise 0.
    public static func unixDestinationRefusal(_ fd: Int32, _ address: UnsafeRawPointer?, _ length: UInt32) -> Int {
        guard address != nil, isBackendName(address, length), let type = unixType(fd) else { return 0 }
        return type == Int(SOCK_STREAM.rawValue) ? 0 : refuseType()
    }

    /// The kernel is about to be asked for a watch of a descriptor that is not ours, and may become so.
    public static func noteWatch(
        epoll: Int32, operation: Int32, fd: Int32, event: UnsafeMutablePointer<epoll_event>?
    ) {
        let isEnd = operation == Int32(EPOLL_CTL_DEL)
        if let event, !isEnd, !UserMemory.isReadable(event) { return }
        Watches.note(set: epoll, fd: fd, isEnd ? nil : event)
    }

    /// What a socket of ours says to a name that is not the backend domain's: a negative errno, or 0.
    static func strangeName(_ handle: SocketHandle, _ address: SocketAddress) -> Int {
        guard address.length >= 2, address.family == SocketAddress.unix else { return -Int(EINVAL) }
        // Without a list the socket was made for others, who know what they ask.
        guard hasBackendNames, !address.withUnsafeBytes({ isBackendName($0.baseAddress, UInt32($0.count)) }) else {
            return 0
        }
        Report.localName()
        return -Int(EOPNOTSUPP)
    }

    /// connect(2) of a socket that is ours. Where the listener's queue is full a blocking one waits, which the service
    /// does not.
    static func connectUnix(_ handle: SocketHandle, to address: SocketAddress) -> Int {
        let strange = strangeName(handle, address)
        if strange != 0 { return strange }
        let limit = Int(truncatingIfNeeded: handle.status.sendTimeout.load())
        let end = limit == 0 ? Int.max : Kernel.now() &+ limit
        var pause = 1_000_000
        while true {
            let result = connect(handle, to: address)
            guard result == -Int(EAGAIN), !handle.status.isNonBlocking else { return result }
            let left = end &- Kernel.now()
            if left <= 0 { return result }
            var time = timespec(tv_sec: 0, tv_nsec: min(left, pause))
            let interrupted = withUnsafeMutablePointer(to: &time) {
                Kernel.call(Int(SYS_nanosleep), Int(bitPattern: $0), 0)
            }
            if interrupted < 0 { return interrupted }
            pause = min(pause &* 2, 20_000_000)
        }
    }

    // MARK: The kernel's socket

    /// SO_TYPE of an AF_UNIX socket; nil for anything else, of which the kernel knows what to say.
    private static func unixType(_ fd: Int32) -> Int? {
        guard !isPrivate(fd), Kernel.integerOption(fd, Int32(SOL_SOCKET), Int32(SO_DOMAIN)) == Int(AF_UNIX) else {
            return nil
        }
        return Kernel.integerOption(fd, Int32(SOL_SOCKET), Int32(SO_TYPE))
    }

    private static func hasName(_ fd: Int32, _ call: Int32) -> Bool {
        var name = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafeMutablePointer(to: &name) { name in
            withUnsafeMutablePointer(to: &length) {
                Kernel.call(Int(call), Int(fd), Int(bitPattern: name), Int(bitPattern: $0))
            }
        }
        // A peer may be without a name, and is one all the same.
        return result == 0 && (call == SYS_getpeername || length > 2)
    }

    private static func refuseType() -> Int {
        Report.onlyStreams()
        return -Int(ESOCKTNOSUPPORT)
    }

    /// Puts a socket of the backend domain in the place of the kernel's, if `call` succeeds on it.
    private static func replace(_ fd: Int32, _ call: (SocketHandle) -> Int) -> Int {
        if Session.isBorrowed { return -Int(EOPNOTSUPP) }
        let flags = Kernel.fileControl(fd, Int32(F_GETFL), 0)
        let descriptorFlags = Kernel.fileControl(fd, Int32(F_GETFD), 0)
        guard flags >= 0, descriptorFlags >= 0 else { return -Int(EBADF) }
        let nonBlocking = flags & Int(O_NONBLOCK) != 0 ? Int32(SOCK_NONBLOCK.rawValue) : 0
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue) | nonBlocking
        let made = socket(domain: Int32(AF_UNIX), type: type, protocol: 0)
        guard made >= 0 else { return made }
        let new = Int32(truncatingIfNeeded: made)
        guard let handle = find(new) else {
            _ = close(new)
            return -Int(ENETDOWN)
        }
        var result = UnixOptions.carry(from: fd, to: handle)
        if result == 0 { result = call(handle) }
        if result == 0 {
            let watch = Watches.take(fd)
            let closeOnExec = descriptorFlags & Int(FD_CLOEXEC) != 0 ? Int(O_CLOEXEC) : 0
            result = min(0, Kernel.call(Int(SYS_dup3), Int(new), Int(fd), closeOnExec))
            if result == 0 {
                duplicated(handle, to: fd)
                UnixOptions.carryOwner(flags, to: fd)
            }
            if var watch {
                _ = epollControl(epoll: watch.set, operation: Int32(EPOLL_CTL_ADD), fd: fd, event: &watch.event)
                _ = Watches.control(watch.set, Int32(EPOLL_CTL_ADD), fd, &watch.event)
            }
        }
        _ = close(new)
        return result
    }
}

/// What a program has set on the kernel's socket before it gave a name.
private enum UnixOptions {
    /// - Returns: 0; -EOPNOTSUPP for what the backend domain's socket cannot have.
    static func carry(from fd: Int32, to handle: SocketHandle) -> Int {
        // SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD: ancillary data does not cross.
        if option(fd, 16) > 0 || option(fd, 34) > 0 || option(fd, 76) > 0 {
            Report.noAncillaryData()
            return -Int(EOPNOTSUPP)
        }
        // SO_REUSEADDR, SO_KEEPALIVE, SO_REUSEPORT, SO_RCVLOWAT, where they are not as the kernel makes them.
        carry(2, unless: 0, from: fd, to: handle)
        carry(9, unless: 0, from: fd, to: handle)
        carry(15, unless: 0, from: fd, to: handle)
        carry(18, unless: 1, from: fd, to: handle)
        // SO_BUF_LOCK tells which sizes are the program's own. The kernel doubles them.
        let locked = max(0, option(fd, 72))
        if locked & 1 != 0 { set(handle, Int32(SO_SNDBUF), option(fd, Int32(SO_SNDBUF)) / 2) }
        if locked & 2 != 0 { set(handle, Int32(SO_RCVBUF), option(fd, Int32(SO_RCVBUF)) / 2) }
        carryTime(Int32(SO_RCVTIMEO), from: fd, to: handle)
        carryTime(Int32(SO_SNDTIMEO), from: fd, to: handle)
        let owner = Kernel.fileControl(fd, getOwner, 0)
        if owner != 0 {
            _ = Kernel.fileControl(handle.fd, setOwner, owner)
            _ = Kernel.fileControl(handle.fd, setSignal, Kernel.fileControl(fd, getSignal, 0))
        }
        return 0
    }

    /// O_ASYNC, once the descriptor is the one that the program waits on.
    static func carryOwner(_ flags: Int, to fd: Int32) {
        guard flags & Int(O_ASYNC) != 0, let handle = Frontend.find(fd) else { return }
        let now = Kernel.fileControl(fd, Int32(F_GETFL), 0)
        _ = Frontend.fileControl(handle, command: Int32(F_SETFL), argument: now | Int(O_ASYNC))
    }

    private static func carry(_ name: Int32, unless fresh: Int, from fd: Int32, to handle: SocketHandle) {
        let value = option(fd, name)
        if value >= 0, value != fresh { set(handle, name, value) }
    }

    private static func carryTime(_ name: Int32, from fd: Int32, to handle: SocketHandle) {
        var time = timeval()
        var length = socklen_t(MemoryLayout<timeval>.size)
        let result = withUnsafeMutablePointer(to: &time) { time in
            withUnsafeMutablePointer(to: &length) {
                Kernel.call(
                    Int(SYS_getsockopt), Int(fd), Int(SOL_SOCKET), Int(name), Int(bitPattern: time), Int(bitPattern: $0)
                )
            }
        }
        guard result == 0, time.tv_sec != 0 || time.tv_usec != 0 else { return }
        _ = Frontend.setOption(handle, level: Int32(SOL_SOCKET), name: name, &time, length: length)
    }

    private static func option(_ fd: Int32, _ name: Int32) -> Int {
        Kernel.integerOption(fd, Int32(SOL_SOCKET), name)
    }

    private static func set(_ handle: SocketHandle, _ name: Int32, _ value: Int) {
        var value = Int32(truncatingIfNeeded: value)
        _ = Frontend.setOption(handle, level: Int32(SOL_SOCKET), name: name, &value, length: 4)
    }

    // F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG.
    private static var setOwner: Int32 { 8 }
    private static var getOwner: Int32 { 9 }
    private static var setSignal: Int32 { 10 }
    private static var getSignal: Int32 { 11 }
}
