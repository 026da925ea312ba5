import XenSockRing
import XenSockWire

/// Moves a relayed socket's bytes: from its network to the placeholder, and back.
extension BackendSocket {
    func relayTurn(_ relay: Relay) {
        if phase == .connected { relayInward(relay) }
        if phase == .connected || phase == .draining { relayOutward(relay) }
    }

    private func relayInward(_ relay: Relay) {
        if readable, !endOfFile { receive(relay) }
        if relay.isWritable, !relay.isDeaf, !relay.inbound.isEmpty {
            let count = kernel.sendRelayed(placeholder, from: relay.inbound.bytes(limit: Self.budget))
            if count > 0 {
                relay.inbound.consume(count)
                wantsTurn = true
            } else {
                switch Int32(truncatingIfNeeded: 0 &- count) {
                case Errno.eagain: relay.isWritable = false
                case Errno.eintr, Errno.enobufs, Errno.enomem: wantsTurn = true
                // Shut for reading, or closed; the latter is announced.
                default: relay.isDeaf = true
                }
            }
        }
        guard endOfFile, relay.inbound.isEmpty, !relay.isShown else { return }
        if relay.error != 0 || isBroken { return reset(relay) }
        relay.isShown = true
        shutPlaceholder(ShutdownHow.write)
        if kernel.poll(placeholder, .readHangup).contains(.hangup) { endRelay(relay) }
    }

    private func receive(_ relay: Relay) {
        let space = relay.inbound.space(limit: Self.budget)
        guard space.count > 0 else { return }
        let count = kernel.receive(network, into: space)
        if count > 0 {
            relay.inbound.produce(count)
            if count < space.count, trustsShortReads {
                readable = false
            } else {
                wantsTurn = true
            }
        } else if count == 0 {
            endOfFile = true
        } else {
            switch Int32(truncatingIfNeeded: 0 &- count) {
            case Errno.eagain: readable = false
            case Errno.eintr: wantsTurn = true
            case let error:
                relay.error = error
                endOfFile = true
            }
        }
    }

    private func relayOutward(_ relay: Relay) {
        if !outClosed, relay.isReadable, !relay.isEnded { take(relay) }
        guard phase != .gone else { return }
        if writable, !outClosed {
            guard applyDeferred(), phase != .gone else { return }
            if !outClosed, !relay.outbound.isEmpty { transmit(relay) }
            guard phase == .connected || phase == .draining else { return }
        }
        if outClosed {
            if phase == .draining { finishRelay(relay) }
        } else if relay.isEnded, relay.outbound.isEmpty, deferred.isEmpty {
            if phase == .draining { return finishRelay(relay) }
            outClosed = true
            _ = kernel.shutdown(network, how: ShutdownHow.write)
        }
    }

    /// Takes bytes from the placeholder.
    private func take(_ relay: Relay) {
        while relay.fillerBytes > 0 {
            let count = kernel.receiveFiller(placeholder)
            guard count > 0 else { break }
            relay.fillerBytes = max(0, relay.fillerBytes - count)
        }
        let space = relay.outbound.space(limit: Self.budget)
        guard relay.fillerBytes == 0, space.count > 0 else { return }
        let count = kernel.receiveRelayed(placeholder, into: space)
        if count > 0 {
            relay.outbound.produce(count)
            if count < space.count, !relay.isEndAnnounced {
                relay.isReadable = false
            } else {
                wantsTurn = true
            }
        } else if count == 0 {
            relay.isEnded = true
        } else {
            switch Int32(truncatingIfNeeded: 0 &- count) {
            case Errno.eagain: relay.isReadable = false
            case Errno.eintr: wantsTurn = true
            // Closed with bytes unread.
            default:
                sendRest(relay)
                finish(abort: true)
            }
        }
    }

    /// Sends to the network, up to where the next request applies.
    private func transmit(_ relay: Relay) {
        var limit = Self.budget
        if let next = deferred.first { limit = min(limit, next.position &- relay.outbound.consumed) }
        let bytes = relay.outbound.bytes(limit: limit)
        let count = kernel.send(network, from: bytes)
        if count > 0 {
            relay.outbound.consume(count)
            if phase == .draining { lastProgress = kernel.now() }
            if count < bytes.count {
                writable = false
            } else if !relay.outbound.isEmpty || !deferred.isEmpty || relay.isReadable {
                wantsTurn = true
            }
        } else {
            switch Int32(truncatingIfNeeded: 0 &- count) {
            case Errno.eagain, Errno.einprogress: writable = false
            case Errno.eintr, Errno.enobufs, Errno.enomem: wantsTurn = true
            case let error: failSending(relay, error)
            }
        }
    }

    /// Nothing more can be sent. What the peer sent before is still read; its end is then the end of the socket.
    private func failSending(_ relay: Relay, _ error: Int32) {
        if phase == .draining { return finish(abort: false) }
        if error != Errno.epipe { status.setError(error) }
        outClosed = true
        deferred = []
        isBroken = true
        relay.outbound.clear()
        shutPlaceholder(ShutdownHow.read)
        (readable, trustsShortReads, wantsTurn) = (true, false, true)
        if relay.isShown { reset(relay) }
    }
}
