import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Demotion (docs/PROTOCOL.md, 2.6): from then on the placeholder itself carries a stream's bytes, for programs and parts
/// of libc that this library cannot stand in front of.
extension Frontend {
    /// Makes a socket usable by whoever has its descriptor and not this library. A socket whose connect is not decided
    /// becomes so when it is.
    ///
    /// - Parameter mask: the program's signal mask, if the caller has blocked signals.
    /// - Returns: 0; -EOPNOTSUPP for what cannot be relayed; another negative errno, and the socket is as before.
    @discardableResult
    public static func relay(_ handle: SocketHandle, mask: UInt64? = nil) -> Int {
        if handle.isRelayed { return 0 }
        guard handle.canBeRelayed else { return -Int(EOPNOTSUPP) }
        switch handle.status.state {
        case .free: return -Int(EBADF)
        case .listening: return -Int(EINVAL)
        case .open, .connecting, .failedConnect:
            return Int(command(handle, .relay(id: handle.entry.id), mask: mask).ret)
        case .connected, .reset: return relayConnected(handle, mask)
        }
    }

    private static func relayConnected(_ handle: SocketHandle, _ blocked: UInt64?) -> Int {
        // A handler that received or sent on this socket meanwhile would find what is half done.
        let now = Kernel.blockSignals()
        defer { Kernel.restoreSignals(now) }
        let mask = blocked ?? now
        let socket = handle.socket
        let (receiving, sending) = (handle.status.receiveLock, handle.status.sendLock)
        let reader = receiving.acquire(socket.tag, placeholder: socket.placeholder, mask: mask)
        let writer = sending.acquireSecond(socket.tag, placeholder: socket.placeholder, mask: mask)
        defer {
            sending.release(writer)
            receiving.release(reader)
        }
        // Called by a handler that interrupted a copy of its own thread.
        if reader.isReentered || writer.isReentered { return -Int(EDEADLK) }
        if socket.isGone { return -Int(EBADF) }
        if handle.isRelayed { return 0 }
        guard socket.freezeTokens() else { return -Int(EIO) }
        let result = Int(command(handle, .relay(id: handle.entry.id), mask: mask).ret)
        guard result == 0 else {
            socket.settleTokens(socket.input)
            return result
        }
        LocalDomain.widen(handle.fd)
        if handle.status.lowWater > 1 {
            LocalDomain.set(handle.fd, 18 /* SO_RCVLOWAT */, Int32(bitPattern: handle.status.lowWater))
        }
        if handle.status.has(StatusLine.Flag.urgentInline) { LocalDomain.set(handle.fd, Int32(SO_OOBINLINE), 1) }
        let lost = socket.unreachable
        if lost > 0 { Report.lost(lost, fd: handle.fd) }
        return 0
    }

    /// Descriptors 0, 1 and 2 are used by stdio, which calls no function of this library.
    static func relayIfStandard(_ handle: SocketHandle, as fd: Int32, mask: UInt64? = nil) {
        if fd >= 0, fd <= 2 { relay(handle, mask: mask) }
    }

    /// A connection that a program finds on descriptor 0, 1 or 2 when it starts.
    static func relayInheritedStandards() {
        var fd: Int32 = 0
        while fd <= 2 {
            let isOurs =
                Kernel.integerOption(fd, Int32(SOL_SOCKET), Int32(SO_SNDBUF)) == LocalDomain.placeholderBuffer
            if isOurs, let handle = find(fd) { relay(handle) }
            fd &+= 1
        }
    }

    // MARK: Calls on a relayed socket

    /// recvmsg(2) of the placeholder, as the socket's own.
    static func receiveRelayed(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32
    ) -> Int {
        if flags & Int32(MSG_ERRQUEUE) != 0 { return -Int(EAGAIN) }
        guard let cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        if cursor.total == 0 { return 0 }
        let result =
            flags & Int32(MSG_TRUNC) != 0
            ? discardRelayed(handle, cursor.total, flags)
            : xs_wait_message(handle.fd, UnsafeMutablePointer(mutating: vectors), count, flags, 0)
        if result != 0 { return result }
        return -handle.status.takeReceiveError()
    }

    /// MSG_TRUNC on a TCP socket throws the bytes away; AF_UNIX does not know that.
    private static func discardRelayed(_ handle: SocketHandle, _ total: Int, _ flags: Int32) -> Int {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: min(total, buffer.count))
            return xs_wait_message(handle.fd, &vector, 1, flags & ~Int32(MSG_TRUNC), 0)
        }
    }

    /// sendmsg(2) of the placeholder, as the socket's own. SIGPIPE is the caller's.
    ///
    /// - Parameter skip: bytes of the vectors that are sent already.
    static func sendRelayed(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, skip: Int = 0, flags: Int32
    ) -> Int {
        if case .reset = handle.status.state {
            let error = handle.status.takeError()
            return error != 0 ? -error : -Int(EPIPE)
        }
        let flags = flags & ~Int32(MSG_OOB) | Int32(MSG_NOSIGNAL)
        let result: Int
        if skip == 0 {
            result = xs_wait_message(handle.fd, UnsafeMutablePointer(mutating: vectors), count, flags, 1)
        } else {
            result = sendRest(handle, vectors, count, skip, flags)
        }
        guard result == -Int(EPIPE) else { return result }
        let error = handle.status.takeError()
        return error != 0 ? -error : result
    }

    /// The vectors behind the first `skip` bytes, one by one.
    private static func sendRest(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, _ skip: Int, _ flags: Int32
    ) -> Int {
        var sent = 0
        var skip = skip
        var index = 0
        while index < count {
            var vector = vectors[index]
            index &+= 1
            let skipped = min(skip, Int(vector.iov_len))
            skip &-= skipped
            vector.iov_len -= skipped
            if vector.iov_len == 0 { continue }
            vector.iov_base = vector.iov_base.map { $0 + skipped }
            let result = xs_wait_message(handle.fd, &vector, 1, flags, 1)
            if result < 0 { return sent > 0 ? sent : result }
            sent &+= result
            if result < Int(vector.iov_len) { break }
        }
        return sent
    }

    /// shutdown(2) of a relayed socket: the service sees it behind the bytes that were written before.
    static func shutdownRelayed(_ handle: SocketHandle, how: Int32) -> Int {
        let result = Kernel.shutdown(handle.fd, how)
        if result < 0 { return result }
        if how != Int32(SHUT_WR) { handle.status.set(StatusLine.Flag.readShut, true) }
        if how != Int32(SHUT_RD) { handle.status.set(StatusLine.Flag.writeShut, true) }
        return 0
    }
}

extension SocketHandle {
    /// Whether the placeholder carries the bytes.
    @inline(__always)
    public var isRelayed: Bool { status.has(StatusLine.Flag.relayed) }

    /// Whether it is a stream, of a dialect that knows RELAY.
    var canBeRelayed: Bool { !isV1 && status.type == UInt32(SOCK_STREAM.rawValue) }

    var isReset: Bool {
        if case .reset = status.state { return true }
        return false
    }

    public var isListening: Bool {
        if case .listening = status.state { return true }
        return false
    }
}

extension StreamSocket {
    /// What `receive` and `send` return when they find the socket relayed: the call is to be made on the placeholder.
    static var isRelayedNow: Int { Int.min }

    /// Takes all tokens away, and keeps the backend from sending more until somebody settles them or the socket is
    /// relayed. Called with the receive lock held.
    ///
    /// - Returns: false if the backend does not keep the word still, or sends tokens for ever.
    func freezeTokens() -> Bool {
        let ring = input
        var tries = 0
        while tries < Self.fruitlessLimit {
            let value = ring.producerValue()
            if value.has(InProducer.unsettled) {
                settleTokens(ring)
            } else if ring.freeze(value) {
                eat(value.tokens)
                // Those that came after an earlier `eat` had given up.
                while tries < Self.fruitlessLimit, domain.receiveTokens(placeholder, 255) > 0 { tries &+= 1 }
                if tries < Self.fruitlessLimit { return true }
                settleTokens(ring)
            }
            tries &+= 1
        }
        return false
    }

    /// Bytes that came and cannot be relayed: the placeholder shows the end of the stream already, because somebody
    /// watched for that.
    var unreachable: Int {
        guard let view = try? input.view(), view.count > 0, view.endOfFile, domain.isHungUp(placeholder),
            domain.countTokens(placeholder) <= 0
        else { return 0 }
        return Int(view.count)
    }
}
