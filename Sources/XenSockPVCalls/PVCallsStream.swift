import CXenSockSystem
import Glibc
import XenSockRing
import XenSockWire

/// Bytes, and what poll(2) sees of a socket (docs/PROTOCOL.md, 5.7 and 5.8).
extension PVCallsNetwork {
    public func receive(_ descriptor: Int32, into segments: Segments) -> Int {
        guard let socket = sockets[descriptor] else { return -Int(EBADF) }
        guard socket.phase == .connected, let ring = socket.ring else { return -Int(ENOTCONN) }
        do {
            if socket.isViolated { throw RingViolation() }
            var result = try ring.receive(into: segments)
            if result.count == 0, segments.count > 0 {
                let error = ring.inputError
                if error == 0 { return try endOfLost(socket) }
                // What came before the error is found by looking again behind it.
                result = try ring.receive(into: segments)
                if result.count == 0 { return endOfInput(socket, WireError.fromWire(error)) }
            }
            switch result.notice {
            case .none: break
            case .now: connection?.notify(ring.port)
            case .later:
                socket.owesNotice = true
                tellLater(socket)
            }
            return result.count
        } catch {
            return violated(socket)
        }
    }

    /// Nothing is there, and the backend has not said that nothing will come.
    private func endOfLost(_ socket: PVCallsSocket) throws(RingViolation) -> Int {
        guard socket.isLost else { return -Int(EAGAIN) }
        return endOfInput(socket, -ECONNRESET)
    }

    private func endOfInput(_ socket: PVCallsSocket, _ error: Int32) -> Int {
        guard error != -ENOTCONN, !socket.hasReportedInput else { return 0 }
        socket.hasReportedInput = true
        return Int(error)
    }

    public func send(_ descriptor: Int32, from segments: Segments) -> Int {
        guard let socket = sockets[descriptor] else { return -Int(EBADF) }
        guard socket.phase == .connected, let ring = socket.ring else { return -Int(ENOTCONN) }
        do {
            if socket.isViolated { throw RingViolation() }
            noteOutputError(socket, ring)
            if socket.isLost || socket.outputError != 0 {
                guard !socket.hasReportedOutput else { return -Int(EPIPE) }
                socket.hasReportedOutput = true
                return Int(socket.outputError != 0 ? socket.outputError : -ECONNRESET)
            }
            let (count, mustTell) = try ring.send(segments)
            if mustTell {
                socket.owesNotice = false
                connection?.notify(ring.port)
            } else if count > 0 {
                tellLater(socket)
            }
            if count < segments.count { socket.wantsRoom = true }
            return count > 0 || segments.count == 0 ? count : -Int(EAGAIN)
        } catch {
            return violated(socket)
        }
    }

    private func violated(_ socket: PVCallsSocket) -> Int {
        if !socket.isViolated {
            socket.isViolated = true
            log.error("socket \(socket.id): the backend wrote an index beyond the ring")
        }
        return -Int(EIO)
    }

    public func sendUrgent(_ descriptor: Int32, byte: UInt8) -> Int { -Int(EOPNOTSUPP) }

    public func receiveUrgent(_ descriptor: Int32) -> Int { -Int(EINVAL) }

    public func receiveMessage(_ descriptor: Int32, _ message: UnsafeMutablePointer<msghdr>, flags: Int32) -> Int {
        -Int(EOPNOTSUPP)
    }

    public func sendMessage(_ descriptor: Int32, _ message: UnsafeMutablePointer<msghdr>, flags: Int32) -> Int {
        -Int(EOPNOTSUPP)
    }

    public func hasUnread(_ descriptor: Int32) -> Bool {
        guard let ring = sockets[descriptor]?.ring, let unread = try? ring.unread() else { return false }
        return unread > 0
    }

    // MARK: Readiness

    /// POLLRDHUP, which Glibc's module lacks.
    private static let readHangup: Int32 = 0x2000

    /// What poll(2) shows of a socket: the bits of poll.h, which are epoll's too.
    private func events(_ socket: PVCallsSocket) -> Int32 {
        var shown: Int32 = 0
        switch socket.phase {
        case .open, .bound, .failed:
            shown = POLLOUT | POLLHUP
            if socket.error != 0 { shown |= POLLIN | Self.readHangup | POLLERR }
        case .connecting, .closing:
            break
        case .listening:
            guard let listener = socket.listener else { break }
            if !listener.arrivals.isEmpty || listener.failure != 0 || socket.error != 0 { shown = POLLIN }
            if listener.failure != 0 { shown |= POLLERR | POLLHUP }
        case .connected:
            guard let ring = socket.ring else { break }
            noteOutputError(socket, ring)
            guard !socket.isViolated, let unread = try? ring.unread(), let room = try? ring.room() else {
                return POLLIN | POLLOUT | Self.readHangup | POLLERR | POLLHUP
            }
            let inputError = ring.inputError
            if unread > 0 { shown |= POLLIN }
            if inputError != 0 { shown |= POLLIN | Self.readHangup }
            if inputError != 0, inputError != -ENOTCONN { shown |= POLLERR }
            if room > 0 { shown |= POLLOUT }
            if socket.outputError != 0 { shown |= POLLOUT | POLLERR }
            if inputError != 0, socket.outputError != 0 { shown |= POLLHUP }
        }
        if socket.isLost { shown |= POLLIN | POLLOUT | Self.readHangup | POLLERR | POLLHUP }
        return shown
    }

    public func poll(_ descriptor: Int32, events asked: Int16) -> Int16 {
        guard let socket = sockets[descriptor] else { return Int16(POLLERR | POLLHUP) }
        return Int16(truncatingIfNeeded: events(socket) & (Int32(asked) | POLLERR | POLLHUP))
    }

    public func completed(_ descriptor: Int32, events reported: UInt32) -> UInt32 {
        guard let socket = sockets[descriptor] else { return reported }
        guard reported != 0 || socket.isLost else { return 0 }
        return UInt32(bitPattern: events(socket))
    }
}
