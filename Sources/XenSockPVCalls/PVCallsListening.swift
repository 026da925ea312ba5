import Glibc
import XenSockRing
import XenSockWire

/// bind(2), listen(2), accept(2). A listener has one ACCEPT held in the backend, with a ring for the connection that
/// comes; never a POLL beside it, which Linux's backend would refuse.
extension PVCallsNetwork {
    public func bind(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
        let socket: PVCallsSocket
        let connection: any PVCallsConnection
        switch usable(descriptor) {
        case .success(let found): (socket, connection) = found
        case .failure(let error): return error.ret
        }
        let address: SocketAddress
        switch inet(bytes) {
        case .success(let found): address = found
        case .failure(let error): return error.ret
        }
        if socket.late == .bind(address) { return awaitLateAnswer(socket) }
        // Bound by an answer that came too late for the call.
        if socket.phase == .bound, socket.hasLateAnswer, socket.local == address {
            socket.hasLateAnswer = false
            return 0
        }
        guard socket.phase == .open || socket.phase == .failed, socket.local == nil, socket.late == nil else {
            return -EINVAL
        }
        if address == Self.anywhere {
            // No more than what connect(2) does anyway; listen(2) will tell the backend.
            socket.local = address
            return 0
        }
        return sendBind(socket, address, connection)
    }

    private func sendBind(_ socket: PVCallsSocket, _ address: SocketAddress, _ connection: any PVCallsConnection)
        -> Int32
    {
        guard !isStalled || commands.isIdle else { return -ETIMEDOUT }
        socket.late = .bind(address)
        commands.post(.bind, .bind(id: SocketID(socket.id), address: address), socket, connection)
        return awaitLateAnswer(socket)
    }

    /// Waits for the answer to BIND or LISTEN, which may be that of an earlier call.
    ///
    /// - Returns: 0 or a negative errno: -ETIMEDOUT leaves the socket as it is, and a repeated call finds the answer.
    private func awaitLateAnswer(_ socket: PVCallsSocket) -> Int32 {
        guard waitForAnswer({ socket.late == nil }) else { return socket.isLost ? -ENETDOWN : -ETIMEDOUT }
        if socket.isLost { return -ENETDOWN }
        socket.hasLateAnswer = false
        let error = socket.refusal
        socket.refusal = 0
        return 0 &- error
    }

    func decideBind(_ socket: PVCallsSocket, _ ret: Int32) {
        guard case .bind(let address) = socket.late else { return }
        socket.late = nil
        socket.refusal = 0 &- ret
        guard ret == 0 else { return }
        socket.local = address
        if socket.phase != .closing { socket.phase = .bound }
        socket.hasLateAnswer = true
    }

    public func listen(_ descriptor: Int32, backlog: Int32) -> Int32 {
        if let socket = sockets[descriptor], socket.isWaiting, socket.phase == .listening {
            socket.backlog = backlog
            return 0
        }
        let socket: PVCallsSocket
        let connection: any PVCallsConnection
        switch usable(descriptor) {
        case .success(let found): (socket, connection) = found
        case .failure(let error): return error.ret
        }
        switch socket.phase {
        case .listening where socket.hasLateAnswer:
            socket.hasLateAnswer = false
            return 0
        case .open where socket.local != nil, .bound, .listening: break
        default: return -EINVAL
        }
        if socket.late == .listen { return awaitLateAnswer(socket) }
        guard socket.late == nil else { return -ETIMEDOUT }
        if socket.phase != .listening {
            // A held ACCEPT has its slot for itself, and the backend may never give it back.
            let taken = sockets.values.count { $0.listener != nil } + commands.count(.lost)
            guard taken < PVCallsCommands.slots - PVCallsCommands.reservedSlots else {
                reportShortage(
                    "\(taken) of the command ring's 32 slots are taken by listeners, open ones and ones that the"
                        + " backend never answered")
                return -ENOBUFS
            }
        }
        if socket.phase == .open, let local = socket.local {
            let result = sendBind(socket, local, connection)
            guard result == 0 else { return result }
        }
        guard !isStalled || commands.isIdle else { return -ETIMEDOUT }
        if socket.phase == .bound {
            // Before LISTEN: with no pages for a connection there is no use in it.
            let offered = makeSocket()
            let result = makeRing(offered, connection)
            guard result == 0 else { return result }
            socket.listener = PVCallsSocket.Listener()
            socket.listener?.offered = offered
        }
        socket.late = .listen
        socket.backlog = backlog
        commands.post(.listen, .listen(id: SocketID(socket.id), backlog: backlog), socket, connection)
        return awaitLateAnswer(socket)
    }

    func decideListen(_ socket: PVCallsSocket, _ ret: Int32) {
        guard socket.late == .listen else { return }
        socket.late = nil
        socket.refusal = 0 &- ret
        if ret != 0 {
            guard socket.phase == .bound else { return }
            socket.listener?.offered?.ring?.close(connection)
            socket.listener = nil
        } else if socket.phase == .bound {
            socket.phase = .listening
            socket.hasLateAnswer = true
            offer(socket)
        }
    }

    // MARK: Accepting

    /// Sends the next ACCEPT of a listener, if none is held, and there is room and time for it.
    func offer(_ socket: PVCallsSocket) {
        guard let connection, socket.phase == .listening, !socket.isLost, !socket.isWaiting,
            let listener = socket.listener, listener.failure == 0, listener.arrivals.count < Self.acceptedAhead
        else { return }
        if let offered = listener.offered, offered.awaitedBy != nil { return }
        if let resumes = listener.resumes {
            guard clock() >= resumes else { return schedule(resumes) }
            listener.resumes = nil
        }
        let offered = listener.offered ?? makeSocket()
        if offered.ring == nil {
            guard makeRing(offered, connection) == 0 else { return resume(listener, after: 100_000_000) }
        }
        guard let ring = offered.ring else { return }
        listener.offered = offered
        offered.awaitedBy = socket
        commands.post(
            .accept,
            .accept(
                id: SocketID(socket.id), newID: SocketID(offered.id),
                ring: .indexesPage(GrantReference(ring.reference)), eventChannel: EventChannelPort(ring.port)), offered,
            connection)
    }

    private func resume(_ listener: PVCallsSocket.Listener, after nanoseconds: UInt64) {
        let time = clock() &+ nanoseconds
        listener.resumes = time
        schedule(time)
    }

    /// An ACCEPT was answered. `offered` is the connection that it was for.
    func decideAccept(_ offered: PVCallsSocket, _ ret: Int32) {
        let socket = offered.awaitedBy
        offered.awaitedBy = nil
        guard let socket, let listener = socket.listener, listener.offered === offered else { return release(offered) }
        if ret == 0 {
            listener.offered = nil
            offered.phase = .connected
            offered.local = socket.local
            offered.peer = Self.anywhere
            if socket.phase == .closing { return release(offered) }
            listener.arrivals.append(offered)
            signal(socket)
            return offer(socket)
        }
        // The ring was not used: the next ACCEPT offers it again, for another id.
        let next = makeSocket()
        give(offered.ring, to: next)
        offered.ring = nil
        listener.offered = next
        guard socket.phase == .listening else { return }
        switch 0 &- ret {
        // Linux's backend says so for a moment after it has answered the one before.
        case EINTR, EAGAIN: resume(listener, after: 2_000_000)
        case EINVAL, EBADF, EFAULT, EOPNOTSUPP, EIO:
            listener.failure = 0 &- ret
            signal(socket)
        case let error:
            socket.error = error
            signal(socket)
            resume(listener, after: 100_000_000)
        }
    }

    public func accept(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        guard let socket = sockets[descriptor] else { return -EBADF }
        guard let listener = socket.listener, socket.phase == .listening else { return -EINVAL }
        if let arrival = listener.arrivals.first {
            let result = open(arrival)
            guard result >= 0 else { return result }
            listener.arrivals.removeFirst()
            // What has come meanwhile is no edge any more.
            signal(arrival)
            length = UInt32(Self.anywhere.copy(to: address, capacity: 128))
            offer(socket)
            return result
        }
        if listener.failure != 0 { return 0 &- listener.failure }
        let error = socket.error
        socket.error = 0
        return error != 0 ? 0 &- error : -EAGAIN
    }
}
