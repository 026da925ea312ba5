import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// The socket API for one process. Every function returns what the system call of its name returns: a value of at least
/// 0, or a negative errno.
///
/// Nothing here allocates, except name resolution; everything else may be called from signal handlers.
public enum Frontend {
    /// The socket behind a descriptor; nil if it is not ours. One array read.
    @inline(__always)
    public static func find(_ fd: Int32) -> SocketHandle? { Descriptors.find(fd) }

    /// Whether socket(2) with these arguments is ours: every Internet socket is, so that none reaches the kernel's network.
    public static func redirects(domain: Int32, type: Int32, protocol: Int32) -> Bool {
        domain == AF_INET || domain == AF_INET6
    }

    /// socket(2).
    public static func socket(domain: Int32, type: Int32, protocol: Int32) -> Int {
        let flags = type & ~0xf
        let kind = type & 0xf
        if flags & ~Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue) != 0 { return -Int(EINVAL) }
        guard kind == Int32(SOCK_STREAM.rawValue) else {
            return datagramSocket(domain: domain, kind: kind, flags: flags, protocol: `protocol`)
        }
        if dialect != .xensock2 { return v1Socket(domain: domain, flags: flags, protocol: `protocol`) }
        return Birth.open(flags: flags) { state, mask, port, id in
            Posting.socket(
                state, mask, port, id, domain: UInt32(bitPattern: domain), type: UInt32(bitPattern: kind),
                protocol: UInt32(bitPattern: `protocol`))
        }
    }

    /// bind(2).
    public static func bind(_ handle: SocketHandle, _ address: UnsafeRawPointer?, _ length: UInt32) -> Int {
        let address = programAddress(address, length)
        guard let address = address.value else { return address.error }
        if handle.isV1 { return v1Bind(handle, address) }
        if handle.isUnix {
            let strange = strangeName(handle, address)
            if strange != 0 { return strange }
        }
        let result = command(handle, .bind(id: handle.entry.id, address: address)).ret
        if result == 0 { handle.status.set(StatusLine.Flag.bound, true) }
        return Int(result)
    }

    /// Whether the program's memory can be read, as far as that is known (`UserMemory`).
    @inline(__always)
    public static func isReadable(_ start: UnsafeRawPointer?, _ size: Int) -> Bool {
        UserMemory.isAccessible(start, size, writing: false)
    }

    /// A socket address in the program's memory, or a negative errno.
    static func programAddress(_ bytes: UnsafeRawPointer?, _ length: UInt32) -> (value: SocketAddress?, error: Int) {
        if length > UInt32(SocketAddress.capacity) { return (nil, -Int(EINVAL)) }
        guard UserMemory.isAccessible(bytes, Int(length), writing: false) else { return (nil, -Int(EFAULT)) }
        guard let bytes else { return (nil, -Int(EINVAL)) }
        return (SocketAddress(bytes: bytes, length: Int(length)), -Int(EINVAL))
    }

    /// listen(2).
    public static func listen(_ handle: SocketHandle, backlog: Int32) -> Int {
        if handle.isV1 { return v1Listen(handle, backlog: backlog) }
        let result = command(handle, .listen(id: handle.entry.id, backlog: backlog)).ret
        if result != 0 { return Int(result) }
        handle.status.set(StatusLine.Flag.listening, true)
        _ = handle.socket.obstruct()
        return 0
    }

    /// shutdown(2).
    public static func shutdown(_ handle: SocketHandle, how: Int32) -> Int {
        guard how >= 0, how <= 2 else { return -Int(EINVAL) }
        if handle.isV1 { return v1Shutdown(handle, how: how) }
        if handle.isDatagram { return datagramShutdown(handle, how: how) }
        if handle.isRelayed { return shutdownRelayed(handle, how: how) }
        let socket = handle.socket
        let result = command(
            handle,
            .shutdown(id: handle.entry.id, how: UInt32(how), outProducer: socket.output.produced)
        ).ret
        if result != 0 { return Int(result) }
        if how != Int32(SHUT_WR) { handle.status.set(StatusLine.Flag.readShut, true) }
        if how != Int32(SHUT_RD) {
            handle.status.set(StatusLine.Flag.writeShut, true)
            _ = Kernel.shutdown(handle.fd, Int32(SHUT_WR))
        }
        return 0
    }

    /// recv(2) and its family.
    ///
    /// - Parameter message: takes name, control and flags of recvmsg(2); its vectors are not looked at.
    public static func receive(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32,
        message: UnsafeMutablePointer<msghdr>?
    ) -> Int {
        if handle.isDatagram {
            if flags & Int32(MSG_ERRQUEUE) != 0 {
                return receiveErrorMessage(handle, vectors, count, flags: flags, message: message)
            }
            let result = datagramReceive(handle, vectors, count, flags: flags, message: message)
            guard result == StreamSocket<LocalDomain>.isGoneNow else { return result }
            return receiveElsewhere(handle, vectors, count, flags: flags, message: message)
        }
        if flags & Int32(MSG_OOB) != 0 {
            return Urgent.receive(handle, vectors, count, flags: flags, message: message)
        }
        var result: Int
        if handle.isRelayed {
            result = receiveRelayed(handle, vectors, count, flags: flags)
        } else {
            result =
                handle.isV1
                ? handle.v1.receive(vectors, count, flags: flags) : handle.socket.receive(vectors, count, flags: flags)
            if result == StreamSocket<LocalDomain>.isRelayedNow {
                result = receiveRelayed(handle, vectors, count, flags: flags)
            } else if result == StreamSocket<LocalDomain>.isGoneNow {
                return receiveElsewhere(handle, vectors, count, flags: flags, message: message)
            }
        }
        if result >= 0, let message { complete(handle, message, flags: flags) }
        return result
    }

    /// send(2) and its family. Raises SIGPIPE on a stream socket unless MSG_NOSIGNAL says otherwise.
    ///
    /// - Parameter control: control messages as `msg_control` has them; datagram sockets send them.
    public static func send(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32,
        address: UnsafeRawPointer?, length: UInt32,
        control: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) -> Int {
        if handle.isDatagram {
            let result = datagramSend(
                handle, vectors, count, flags: flags, address: address, length: length, control: control)
            guard result == StreamSocket<LocalDomain>.isGoneNow else { return result }
            return sendElsewhere(
                handle, vectors, count, flags: flags, address: address, length: length, control: control)
        }
        // What the kernel answers with net.ipv4.tcp_fastopen at 0: programs then connect first.
        if flags & 0x2000_0000 /* MSG_FASTOPEN */ != 0 { return -Int(EOPNOTSUPP) }
        var result: Int
        if flags & Int32(MSG_OOB) != 0 {
            result = Urgent.send(handle, vectors, count, flags: flags)
        } else if handle.isV1 {
            result = handle.v1.send(vectors, count, flags: flags)
        } else if handle.isRelayed {
            result = sendRelayed(handle, vectors, count, flags: flags)
        } else {
            result = handle.socket.send(vectors, count, flags: flags)
            if result == StreamSocket<LocalDomain>.isRelayedNow {
                result = sendRelayed(handle, vectors, count, flags: flags)
            } else if result == StreamSocket<LocalDomain>.isGoneNow {
                return sendElsewhere(
                    handle, vectors, count, flags: flags, address: address, length: length, control: control)
            } else if result > 0, handle.isRelayed {
                // Another thread had it relayed while this one waited for room.
                result &+= max(0, sendRelayed(handle, vectors, count, skip: result, flags: flags))
            }
        }
        if result == -Int(EPIPE), flags & Int32(MSG_NOSIGNAL) == 0 { Signals.raiseBrokenPipe() }
        return result
    }

    /// getsockname(2), or getpeername(2) if `peer`.
    public static func getName(
        _ handle: SocketHandle, peer: Bool, _ address: UnsafeMutableRawPointer?,
        _ length: UnsafeMutablePointer<socklen_t>?
    ) -> Int {
        if handle.isV1 { return v1Name(handle, peer: peer, address, length) }
        let known = KnownNames(handle)
        if let name = known?.name(peer: peer), handle.status.mayName(name) { return deliver(name, address, length) }
        let now = known?.now
        let response = command(
            handle, peer ? .getpeername(id: handle.entry.id) : .getsockname(id: handle.entry.id))
        if response.ret != 0 { return Int(response.ret) }
        guard let name = response.address, handle.status.mayName(name) else { return -Int(EIO) }
        if let now { known?.store(name, peer: peer, now: now) }
        return deliver(name, address, length)
    }

    /// Stores a name where the program wants it, as the kernel's move_addr_to_user: cut to its room, told whole.
    ///
    /// - Returns: 0 or a negative errno.
    @inline(never)
    static func deliver(
        _ name: SocketAddress, _ address: UnsafeMutableRawPointer?, _ length: UnsafeMutablePointer<socklen_t>?
    ) -> Int {
        guard let length, UserMemory.isWritable(length) else { return -Int(EFAULT) }
        let room = Int(Int32(bitPattern: length.pointee))
        if room < 0 { return -Int(EINVAL) }
        guard UserMemory.isAccessible(address, min(room, name.length), writing: true) else { return -Int(EFAULT) }
        length.pointee = socklen_t(address.map { name.copy(to: $0, capacity: room) } ?? name.length)
        return 0
    }

    /// close(2) of any descriptor.
    public static func close(_ fd: Int32) -> Int { Descriptors.close(fd) }

    /// close_range(2).
    public static func closeRange(first: UInt32, last: UInt32, flags: UInt32) -> Int {
        Descriptors.closeRange(first, last, flags)
    }

    /// Whether a descriptor is the library's own.
    public static func isPrivate(_ fd: Int32) -> Bool { Descriptors.isPrivate(fd) }

    /// Makes room for a descriptor number that the program is about to take by dup2(2) or dup3(2): moves what is the
    /// library's own, lets go of a socket that will be closed.
    ///
    /// - Returns: the socket that stood there; hand it to `replaced` when the kernel has closed it, or to `kept`. Until
    ///   then signals are blocked.
    public static func makeWay(_ fd: Int32) -> Replacement? {
        Descriptors.makeWay(fd)
        guard !Session.isBorrowed, let handle = Descriptors.find(fd) else { return nil }
        return Replacement(handle: handle, mark: Leaving.begin(handle))
    }

    /// A socket in whose place another descriptor is put.
    public struct Replacement {
        let handle: SocketHandle
        let mark: Leaving.Mark
    }

    /// The kernel closed the descriptor of a socket by putting another in its place.
    public static func replaced(_ replacement: Replacement) {
        Kernel.restoreSignals(replacement.mark.mask)
        Descriptors.released(replacement.handle)
    }

    /// The kernel did not: the socket stands where it stood.
    public static func kept(_ replacement: Replacement) {
        Leaving.end(replacement.handle, replacement.mark, kept: true)
    }

    /// The kernel made `to` a duplicate of a descriptor.
    ///
    /// - Parameter handle: what that was before; nil: no socket.
    public static func duplicated(_ handle: SocketHandle?, to: Int32) {
        let entry = handle?.entry ?? TableEntry.foreign
        if entry == .foreign, ProcessState.region == nil { return }
        Descriptors.set(to, entry)
        // A vfork(2) child cannot record what it made, and is about to execute a program.
        if let handle { relayIfStandard(handle, as: Session.isBorrowed ? 0 : to) }
    }

    /// A descriptor came from another process: what it is must be found out.
    public static func forget(_ fd: Int32) { Descriptors.set(fd, .unknown) }

    /// Runs a request on a socket; one that this session does not know yet is attached first.
    ///
    /// - Parameter mask: the program's signal mask, if the caller has blocked signals.
    static func command(
        _ handle: SocketHandle, _ request: Request, input: UnsafeRawBufferPointer? = nil,
        output: UnsafeMutableRawBufferPointer? = nil, mask: UInt64? = nil
    ) -> Response {
        let response = Commands.exchange(request, input: input, output: output, mask: mask)
        guard response.ret == -EBADF, attach(handle, mask: mask) else { return response }
        return Commands.exchange(request, input: input, output: output, mask: mask)
    }

    /// Makes a socket known to this session. Returns whether the service took it.
    static func attach(_ handle: SocketHandle, mask: UInt64? = nil) -> Bool {
        let attachment = Commands.attach(handle.fd, id: handle.entry.id, withArena: false, mask: mask)
        Frames.drop(attachment.memory, attachment.doorbell)
        return attachment.error == 0
    }
}
