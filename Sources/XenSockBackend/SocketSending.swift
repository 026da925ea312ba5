import XenSockRing
import XenSockWire

/// From the program to the network: `out`, fillers, and requests that wait for their place in the stream
/// (docs/PROTOCOL.md, 2.2 and 2.3).
extension BackendSocket {
    func transmitTurn() throws(RingViolation) {
        guard !outClosed else {
            if phase == .draining { finishDraining() }
            return
        }
        guard writable else { return }
        guard applyDeferred(), phase != .gone else { return }
        guard !outClosed else { return try transmitTurn() }
        var waiting = try outRing.waiting()
        if phase == .draining {
            let left = drainEnd &- outRing.consumed
            waiting = left < waiting ? left : waiting
        }
        if waiting == 0 {
            if phase == .draining { return finishDraining() }
            if try !outRing.idle() { wantsTurn = true }
            return
        }
        if let next = deferred.first {
            let distance = next.position &- outRing.consumed
            waiting = distance < waiting ? distance : waiting
        }
        let bytes = outRing.bytes(waiting, limit: Self.budget)
        let more = outRing.isMoreComing(behind: UInt32(truncatingIfNeeded: bytes.count))
        let count = more ? kernel.sendHeld(network, from: bytes) : kernel.send(network, from: bytes)
        if count > 0 {
            settle(try outRing.consume(UInt32(truncatingIfNeeded: count)))
            if isTimed { lastProgress = kernel.now() }
            if count < bytes.count {
                writable = false
            } else {
                // Mostly `out` is empty now; asking for the next doorbell here saves a turn.
                if deferred.isEmpty, phase != .draining, try outRing.idle() { return }
                wantsTurn = true
            }
        } else {
            switch Int32(truncatingIfNeeded: 0 &- count) {
            case Errno.eagain, Errno.einprogress: writable = false
            case Errno.eintr, Errno.enobufs, Errno.enomem: wantsTurn = true
            case let error: try failSending(error)
            }
        }
    }

    /// Nothing more can be sent. What the peer sent before is still read; its end is then the end of the socket.
    func failSending(_ error: Int32) throws(RingViolation) {
        if phase == .draining { return finish(abort: false) }
        // EPIPE needs no word: that is what a writer gets from BROKEN alone.
        if error != Errno.epipe { status.setError(error) }
        outClosed = true
        deferred = []
        isBroken = true
        settle(try outRing.breakDown())
        if endOfFile { return try finishReading() }
        readable = true
        trustsShortReads = false
        wantsTurn = true
    }

    /// Does to the placeholder what a change of the consumer word asks for.
    func settle(_ drain: OutRingBack.Drain) {
        guard placeholder >= 0 else { return }
        switch drain {
        case .nothing:
            break
        case .receiveFiller:
            // It may be missing when a signal handler's copy turned OWE into FULL while the interrupted one has yet to
            // send: taken when it comes, else the program's end would stay not writable.
            if kernel.receiveFiller(placeholder) < 0 {
                fillerDebt += 1
                watchFiller(true)
            }
        case .owesFiller:
            watchFiller(true)
        }
    }

    /// A filler may have come.
    func fillerEvent() throws(RingViolation) {
        guard watchesFiller else { return }
        while fillerDebt > 0, kernel.receiveFiller(placeholder) > 0 { fillerDebt -= 1 }
        if fillerDebt == 0, outRing.isOwed, kernel.poll(placeholder, .input).contains(.input) {
            if try outRing.settleOwed(), kernel.receiveFiller(placeholder) < 0 { fillerDebt += 1 }
        }
        if fillerDebt == 0, !outRing.isOwed { watchFiller(false) }
    }

    /// The holder of the send lock died; nobody sends until the lock is free. A filler that it announced is there or
    /// will never come, and a FULL that it set just before `out` drained would never be cleared.
    func settleDeadSender() {
        guard placeholder >= 0 else { return }
        if let relay { return settleDeadSender(relay) }
        if agentRelay != nil { return settleDeadSenderAtAgent() }
        guarded { () throws(RingViolation) in
            if outRing.isFillerUnsettled {
                // A send buffer of the kernel's floor holds a few; whoever enlarged it could feed this for ever.
                guard kernel.receiveFillers(placeholder, limit: Self.maximumFillers) < Self.maximumFillers else {
                    return violate("fillers without end")
                }
                fillerDebt = 0
                try outRing.forgetFillers()
                watchFiller(false)
            } else if phase == .connected || phase == .datagram, mapping != nil {
                settle(try outRing.consume(0))
            }
        }
        wantsTurn = true
    }

    private func watchFiller(_ wanted: Bool) {
        guard watchesFiller != wanted else { return }
        watchesFiller = wanted
        let events = EpollEvents.readHangup | EpollEvents.edge | (wanted ? EpollEvents.input : 0)
        _ = kernel.epollModify(epoll, placeholder, events: events, data: placeholderData)
        // An agent that saw nothing of a time without the watch has said already what is there, and says it once.
        if wanted, arena.xen != nil { (looksForFiller, wantsTurn) = (true, true) }
    }

    /// Performs the requests whose place is reached.
    ///
    /// - Returns: false if one must wait for the real socket.
    func applyDeferred() -> Bool {
        while let next = deferred.first, Int32(bitPattern: next.position &- sentPosition) <= 0 {
            guard perform(next.action) != 0 &- Errno.eagain else {
                writable = false
                return false
            }
            guard !deferred.isEmpty else { return true }
            deferred.removeFirst()
        }
        return true
    }

    /// Performs a request at `position` of the stream: now if that is reached, else when it is.
    ///
    /// - Returns: 0 or a negative errno.
    func perform(_ action: DeferredRequest.Action, at position: UInt32) -> Int32 {
        guard phase == .connected, !outClosed, mapping != nil else { return perform(action) }
        let position = relay.map { writtenPosition($0) } ?? position
        let distance = Int32(bitPattern: position &- sentPosition)
        if distance <= 0, deferred.isEmpty {
            let result = perform(action)
            guard result == 0 &- Errno.eagain else { return result }
        } else if distance > 0, !isRelayed {
            guard let waiting = try? outRing.waiting(), UInt32(distance) <= waiting else { return 0 &- Errno.einval }
        }
        guard deferred.count < Self.maximumDeferred else { return 0 &- Errno.enobufs }
        // Two threads' snapshots may come in either order; none goes before one that was accepted earlier.
        var place = position
        if let last = deferred.last, Int32(bitPattern: place &- last.position) < 0 { place = last.position }
        deferred.append(DeferredRequest(position: place, action: action))
        wantsTurn = true
        return 0
    }

    /// Performs a request on the real socket now.
    private func perform(_ action: DeferredRequest.Action) -> Int32 {
        guard network >= 0 else { return 0 &- Errno.enotconn }
        switch action {
        case .shutdownWrite:
            outClosed = true
            return kernel.shutdown(network, how: ShutdownHow.write)
        case .urgent(let byte):
            return Int32(truncatingIfNeeded: min(0, kernel.sendUrgent(network, byte: byte)))
        case .option(let level, let name, let value, let length):
            let result = withUnsafeBytes(of: value) {
                kernel.setsockopt(
                    network, level: level, name: name, value: UnsafeRawBufferPointer(rebasing: $0[0..<length]))
            }
            if result == 0, level == OptionNumber.solSocket, name == OptionNumber.soLinger { noteLinger(value) }
            return result
        }
    }

    /// The value of an option that was set and waits for its place in the stream: for the program it is set already.
    func pendingOption(level: Int32, name: Int32) -> (value: UInt64, length: Int)? {
        for request in deferred.reversed() {
            guard case .option(level, name, let value, let length) = request.action else { continue }
            guard level == OptionNumber.ipprotoTCP else { return (value, length) }
            // A switch reads back as 0 or 1.
            return (UInt32(truncatingIfNeeded: value) == 0 ? 0 : 1, length)
        }
        return nil
    }

    /// Remembers what the kernel will do at close(2). `value` is a `struct linger`.
    func noteLinger(_ value: UInt64) {
        hasSetLinger = true
        let isOn = UInt32(truncatingIfNeeded: value) != 0
        lingerSeconds = isOn ? Int32(truncatingIfNeeded: value >> 32) : nil
    }
}

/// A request that takes effect at a place in the stream.
struct DeferredRequest {
    enum Action {
        case shutdownWrite
        case urgent(UInt8)
        /// The value is the first `length` bytes (4 or 8).
        case option(level: Int32, name: Int32, value: UInt64, length: Int)
    }

    /// The index of `out` at which it is due.
    let position: UInt32
    let action: Action
}
