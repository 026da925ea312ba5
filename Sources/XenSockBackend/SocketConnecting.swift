import XenSockRing
import XenSockWire

/// CONNECT and what follows it (docs/PROTOCOL.md, 2.2 and 2.3).
extension BackendSocket {
    /// connect(2). Does not wait.
    ///
    /// - Returns: 0 (connected), -EINPROGRESS (decided later: `networkEvent`), or another negative errno.
    func connect(_ address: UnsafeRawBufferPointer) -> Int32 {
        switch phase {
        case .open, .failed: break
        case .connecting: return 0 &- Errno.ealready
        case .datagram: return connectDatagrams(address)
        case .connected, .listening, .reset: return 0 &- Errno.eisconn
        case .draining, .gone: return 0 &- Errno.ebadf
        }
        guard mapDataRing() else { return 0 &- arena.mappingError(port: port) }
        if let resolver {
            resolver.restart()
            writable = true
            return established()
        }
        var result = kernel.connect(network, address)
        if result == 0 &- Errno.einprogress {
            // On one host a connect is mostly decided when the call returns; asking here saves the program a wait.
            let ready = kernel.poll(network, .output)
            guard ready.isEmpty else {
                // Without these no error is pending.
                let error = ready.isDisjoint(with: [.error, .hangup]) ? 0 : takeNetworkError()
                if error == 0 { return established() }
                // Refused at once, but after the call began: a program that does not wait learns it by SO_ERROR.
                guarded { () throws(RingViolation) in try fail(error) }
                return 0 &- Errno.einprogress
            }
            phase = .connecting
            status.setState(.connecting)
            result = watchNetwork(Self.streamEvents)
            guard result == 0 else { return refuse(result) }
            return 0 &- Errno.einprogress
        }
        return result == 0 ? established() : refuse(result)
    }

    /// The connect failed before the answer: the answer says so, and the socket is as it was.
    private func refuse(_ result: Int32) -> Int32 {
        phase = .open
        status.setState(.open)
        // A frontend that made the placeholder not writable before it asked gets it back. CONNECTED stays clear: the
        // next connect would take it for its own.
        guarded { () throws(RingViolation) in settle(try outRing.consume(0)) }
        return result
    }

    /// Makes the real socket ready for another connect: the kernel still takes it for connecting, and would answer the
    /// next one with ECONNABORTED. A bound address stays.
    private func disconnect() {
        let unspecified: UInt64 = 0
        _ = withUnsafeBytes(of: (unspecified, unspecified)) { kernel.connect(network, $0) }
    }

    /// connect(2) to AF_UNSPEC: the connection, or the connect under way, is aborted, and the socket may connect again.
    ///
    /// - Returns: as `connect`; 0 does not mean connected here.
    func disconnect(_ address: UnsafeRawBufferPointer) -> Int32 {
        switch phase {
        case .open, .failed:
            guard mapDataRing() else { return 0 &- arena.mappingError(port: port) }
            return refuse(kernel.connect(network, address))
        case .connecting, .connected:
            // A placeholder that was shut down cannot show another connection.
            guard !placeholderShut, !endOfFile, !outClosed, !isRelayed else { return 0 &- Errno.eisconn }
            let result = kernel.connect(network, address)
            guard result == 0 else { return result }
            deferred = []
            (readable, writable) = (false, false)
            trustsShortReads = true
            guarded { () throws(RingViolation) in try showFailure(takeNetworkError()) }
            return 0
        case .datagram: return connectDatagrams(address)
        case .listening, .reset: return 0 &- Errno.eisconn
        case .draining, .gone: return 0 &- Errno.ebadf
        }
    }

    /// shutdown(2) of a connect under way aborts it, in whatever direction.
    func abortConnect(how: Int32) -> Int32 {
        let result = kernel.shutdown(network, how: how)
        guard result == 0 else { return result }
        let error = takeNetworkError()
        guarded { () throws(RingViolation) in try fail(error) }
        return 0
    }

    /// The connection stands, before the answer.
    private func established() -> Int32 {
        let result = network < 0 ? 0 : watchNetwork(Self.streamEvents)
        guard result == 0 else { return refuse(result) }
        guarded { () throws(RingViolation) in try becomeConnected() }
        return phase == .connected ? 0 : 0 &- Errno.eio
    }

    private func becomeConnected() throws(RingViolation) {
        phase = .connected
        writable = true
        // Seen before the connection is: nobody publishes in the ring then.
        if isRelayWanted { status.setRelayed() }
        status.setState(.connected)
        settle(try outRing.decideConnect())
        if isRelayWanted { try beginRelay(isHeld: false) }
        // IDLE does not stand yet: the service owes `out` a look.
        wantsTurn = true
    }

    /// An asynchronous connect may be decided.
    func decideConnect(_ events: UInt32) throws(RingViolation) {
        guard events & (EpollEvents.output | EpollEvents.error | EpollEvents.hangup) != 0 else { return }
        let error = takeNetworkError()
        if error == 0 {
            // Data may have come with the same event, and its edge is spent.
            readable = true
            return try becomeConnected()
        }
        try fail(error)
    }

    /// The connect under way failed.
    private func fail(_ error: Int32) throws(RingViolation) {
        disconnect()
        try showFailure(error)
    }

    private func showFailure(_ error: Int32) throws(RingViolation) {
        phase = .failed
        status.setError(error)
        status.setState(.failedConnect)
        if try inRing.arm() { sendToken() }
        settle(try outRing.decideConnect())
    }

    /// Takes over a connection that `listener` accepted: connected from the start.
    func adopt(from listener: BackendSocket) -> Int32 {
        bufferLimits = listener.bufferLimits
        guard mapDataRing() else { return 0 &- arena.mappingError(port: port) }
        if listener.hasSetLinger { inheritLinger() }
        lowWater = listener.lowWater
        isUrgentInline = listener.isUrgentInline
        return established()
    }
}

extension BackendSocket {
    /// A connection inherits SO_LINGER from its listener, as that was when the connection came.
    private func inheritLinger() {
        var value: UInt64 = 0
        var length: UInt32 = 8
        let result = kernel.getsockopt(
            network, level: OptionNumber.solSocket, name: OptionNumber.soLinger, value: &value, length: &length)
        if result == 0 { noteLinger(value) }
    }
}

/// LISTEN and ACCEPT.
extension BackendSocket {
    func listen(backlog: Int32) -> Int32 {
        switch phase {
        case .open, .listening, .failed: break
        case .draining, .gone: return 0 &- Errno.ebadf
        case .datagram: return 0 &- Errno.eopnotsupp
        case .connecting, .connected, .reset: return 0 &- Errno.einval
        }
        guard network >= 0 else { return 0 &- Errno.eopnotsupp }
        let result = kernel.listen(network, backlog: backlog)
        guard result == 0 else { return result }
        let isNew = phase != .listening
        if isNew { inRing = InRingBack(indexes: indexes, data: indexes, size: 0) }
        phase = .listening
        status.setState(.listening)
        return isNew ? watchNetwork(EpollEvents.input) : 0
    }

    /// A connection may wait. Looking first keeps a token from standing for one that an ACCEPT has taken meanwhile.
    func announceArrival() throws(RingViolation) {
        guard !endOfFile, kernel.poll(network, .input).contains(.input) else { return }
        try publish(1)
    }

    /// What `accept` would report if it found nothing; nil if a connection may wait.
    func arrivalsIfNoneWaits() -> UInt32? {
        guard phase == .listening else { return nil }
        let arrivals = inRing.arrivals
        return kernel.poll(network, .input).contains(.input) ? nil : arrivals
    }

    /// accept4(2), not blocking, with the two facts that let the frontend clear its tokens.
    ///
    /// - Parameter address: room for 128 bytes.
    /// - Returns: the real socket of the connection, or a negative errno. `arrivals` was read before the look that
    ///   `empty` reports.
    func accept(address: UnsafeMutableRawPointer, length: inout UInt32)
        -> (result: Int32, empty: Bool, arrivals: UInt32)
    {
        guard phase == .listening else { return (0 &- Errno.einval, true, 0) }
        let arrivals = inRing.arrivals
        var result: Int32
        repeat {
            result = kernel.accept(network, address: address, length: &length)
        } while result == 0 &- Errno.eintr
        if result == 0 &- Errno.eagain { return (result, true, arrivals) }
        return (result, !kernel.poll(network, .input).contains(.input), arrivals)
    }
}
