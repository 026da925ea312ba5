import XenSockRing
import XenSockWire

/// The commands of `draft1` and `pvcalls1` on one socket (docs/PROTOCOL.md, 5.4). Results are what to answer: 0 or a
/// negative errno; nil for a request that is held.
extension V1Socket {
    /// SOCKET; also what CONNECT and BIND do first.
    func open() -> Int32 {
        guard network < 0 else { return 0 }
        let result = kernel.socket(
            domain: Int32(SocketDomain.inet), type: Int32(SocketType.stream), protocolNumber: 0)
        if result >= 0 { network = result }
        return min(0, result)
    }

    /// CONNECT: held until it is decided.
    ///
    /// - Parameter address: allowed by the policy.
    func connect(
        _ address: UnsafeRawBufferPointer, _ ring: RingReference, _ pages: Draft1Pages, _ event: EventChannelPort,
        _ held: Held
    ) -> Int32? {
        switch phase {
        case .open, .bound, .failed: break
        case .connecting: return 0 &- Errno.ealready
        case .connected, .listening, .broken: return 0 &- Errno.eisconn
        case .draining, .gone: return 0 &- Errno.ebadf
        }
        guard let mapping = channel.map(ring, pages, event) else { return refuse(Errno.einval) }
        self.mapping = mapping
        let opened = open()
        guard opened == 0 else { return refuse(0 &- opened) }
        let result = kernel.connect(network, address)
        if result == 0 { return established() }
        guard result == 0 &- Errno.einprogress else { return refuse(0 &- result) }
        guard kernel.poll(network, .output).isEmpty else {
            // On one host a connect is mostly decided when the call returns.
            let error = takeNetworkError()
            return error == 0 ? established() : refuse(error)
        }
        let watched = watchNetwork(Self.streamEvents)
        guard watched == 0 else { return refuse(0 &- watched) }
        phase = .connecting
        channel.show(.connecting, error: 0)
        connectRequest = held
        return nil
    }

    /// The connect failed: nothing stays mapped, and the real socket may connect again.
    func refuse(_ error: Int32) -> Int32 {
        if phase == .connecting || network >= 0 { disconnect() }
        unmap()
        phase = .failed
        channel.show(.failedConnect, error: error)
        guarded { () throws(RingViolation) in
            try channel.published(isEmpty: { false })
            try channel.consumed(hasRoom: true)
        }
        return 0 &- error
    }

    /// The kernel still takes the socket for connecting, and would answer the next connect with ECONNABORTED. A bound
    /// address stays.
    private func disconnect() {
        let unspecified: UInt64 = 0
        _ = withUnsafeBytes(of: (unspecified, unspecified)) { kernel.connect(network, $0) }
    }

    private func established() -> Int32 {
        let result = watchNetwork(Self.streamEvents)
        guard result == 0 else { return refuse(0 &- result) }
        // No command can ask for it, and bytes that wait for more come together in the ring.
        setOption(OptionNumber.ipprotoTCP, OptionNumber.tcpNoDelay, 1)
        phase = .connected
        readable = true
        writable = true
        wantsTurn = true
        channel.show(.connected, error: 0)
        guarded { () throws(RingViolation) in try channel.consumed(hasRoom: true) }
        return phase == .connected ? 0 : 0 &- Errno.eio
    }

    /// An asynchronous connect may be decided.
    func decideConnect(_ events: UInt32) throws(RingViolation) {
        guard events & (EpollEvents.output | EpollEvents.error | EpollEvents.hangup) != 0 else { return }
        let error = takeNetworkError()
        let ret = error == 0 ? established() : refuse(error)
        guard let request = connectRequest else { return }
        connectRequest = nil
        answer(request, ret)
    }

    /// BIND. Its failure is remembered for LISTEN.
    func bind(_ address: UnsafeRawBufferPointer) -> Int32 {
        switch phase {
        case .open, .bound, .failed: break
        case .draining, .gone: return 0 &- Errno.ebadf
        case .connecting, .connected, .listening, .broken: return 0 &- Errno.einval
        }
        var result = open()
        if result == 0 {
            // No command can ask for it either; a server that is started again needs its port.
            setOption(OptionNumber.solSocket, OptionNumber.soReuseAddress, 1)
            result = kernel.bind(network, address)
        }
        return noteBind(result)
    }

    func noteBind(_ result: Int32) -> Int32 {
        if phase != .bound { bindError = result }
        if result == 0 { phase = .bound }
        return result
    }

    /// LISTEN.
    func listen(backlog: Int32) -> Int32 {
        switch phase {
        case .bound, .listening: break
        case .open, .failed: return bindError != 0 ? bindError : 0 &- Errno.einval
        case .draining, .gone: return 0 &- Errno.ebadf
        case .connecting, .connected, .broken: return 0 &- Errno.einval
        }
        let result = kernel.listen(network, backlog: backlog)
        guard result == 0, phase == .bound else { return result }
        let watched = watchNetwork(EpollEvents.input)
        guard watched == 0 else { return watched }
        phase = .listening
        channel.show(.listening, error: 0)
        return 0
    }

    /// ACCEPT: held until a connection is there.
    ///
    /// - Parameter socket: what the connection becomes; a socket that is nothing yet.
    func accept(
        into socket: V1Socket, _ ring: RingReference, _ pages: Draft1Pages, _ event: EventChannelPort, _ held: Held
    ) -> Int32? {
        guard phase == .listening else { return 0 &- Errno.einval }
        guard acceptRequest == nil else { return 0 &- Errno.eintr }
        guard socket !== self, socket.phase == .open, socket.network < 0, socket.listener == nil else {
            return 0 &- Errno.eexist
        }
        guard let mapping = socket.channel.map(ring, pages, event) else { return 0 &- Errno.einval }
        socket.listener = self
        let request = HeldAccept(held: held, socket: socket, mapping: mapping)
        acceptRequest = request
        return tryAccept(request)
    }

    /// - Returns: the answer, or nil while nobody waits.
    private func tryAccept(_ request: HeldAccept) -> Int32? {
        let result = withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { address in
            var result: Int32
            repeat {
                var length: UInt32 = 128
                result = kernel.accept(network, address: address.baseAddress!, length: &length)
            } while result == 0 &- Errno.eintr
            return result
        }
        if result == 0 &- Errno.eagain { return nil }
        acceptRequest = nil
        request.socket.listener = nil
        guard result >= 0 else {
            request.mapping.unmap()
            return result
        }
        return request.socket.adopt(result, request.mapping)
    }

    private func adopt(_ connection: Int32, _ mapping: V1Mapping) -> Int32 {
        self.mapping = mapping
        network = connection
        return established()
    }

    /// POLL: held until a connection waits.
    func poll(_ held: Held) -> Int32? {
        guard phase == .listening else { return 0 &- Errno.einval }
        guard pollRequest == nil else { return 0 &- Errno.eintr }
        if kernel.poll(network, .input).contains(.input) {
            guarded { () throws(RingViolation) in try channel.announceArrival() }
            return 0
        }
        pollRequest = held
        return nil
    }

    /// A connection may wait: the held ACCEPT takes it, and POLL is told of another.
    func serveArrivals() throws(RingViolation) {
        if let request = acceptRequest, let ret = tryAccept(request) { answer(request.held, ret) }
        guard let request = pollRequest, kernel.poll(network, .input).contains(.input) else { return }
        pollRequest = nil
        answer(request, 0)
        try channel.announceArrival()
    }

    /// The socket that a held ACCEPT would have made is gone.
    func abandonAccept(of socket: V1Socket) {
        guard let request = acceptRequest, request.socket === socket else { return }
        acceptRequest = nil
        socket.listener = nil
        request.mapping.unmap()
        answer(request.held, 0 &- Errno.ebadf)
    }

    /// Answers what is held; nothing of this socket is answered later.
    func answerHeld(_ ret: Int32) {
        if let request = pollRequest { answer(request, ret) }
        if let request = acceptRequest {
            request.socket.listener = nil
            request.mapping.unmap()
            answer(request.held, ret)
        }
        if let request = connectRequest { answer(request, ret) }
        pollRequest = nil
        acceptRequest = nil
        connectRequest = nil
    }

    /// A session ended: what it asked for will not be answered.
    ///
    /// - Parameter knew: whether the socket had a name there. Then its process may have been about to send a listener's
    ///   next POLL.
    func forget(session: UInt32, knew: Bool) {
        if connectRequest?.session == session { connectRequest = nil }
        if let request = acceptRequest, request.held.session == session {
            acceptRequest = nil
            request.socket.listener = nil
            request.mapping.unmap()
        }
        let isLost = pollRequest?.session == session
        if isLost { pollRequest = nil }
        if isLost || knew, phase == .listening, pollRequest == nil {
            guarded { () throws(RingViolation) in try channel.losePoll() }
        }
    }
}
