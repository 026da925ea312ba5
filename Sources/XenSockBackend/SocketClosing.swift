import XenSockRing
import XenSockWire

/// The end of a socket: the hang-up of the placeholder, bytes left behind, the port given back.
extension BackendSocket {
    /// Something happened at the service's end of the placeholder.
    func placeholderEvent(_ events: UInt32) {
        guard placeholder >= 0 else { return }
        if let relay { return relayEvent(relay, events) }
        if events & EpollEvents.input != 0 {
            guarded { () throws(RingViolation) in try fillerEvent() }
        }
        if isHangup(events) { hangUp() }
    }

    /// Looks now, as RELEASE demands. After a hang-up the real socket is closed unless bytes are left to send.
    func lookForHangup() {
        guard placeholder >= 0 else { return }
        let events = UInt32(UInt16(bitPattern: kernel.poll(placeholder, .readHangup).rawValue))
        if let relay {
            relay.awaitsOwnEvent = false
            return relayEvent(relay, events)
        }
        if isHangup(events) { hangUp() }
    }

    /// Whether the last copy of the program's end is closed.
    ///
    /// A read-shut alone is not that. And once the service has shut its own end, HUP stands whatever the program does;
    /// but then a byte is left in the placeholder (`publishEndOfFile`, `violate`): it keeps the queue not empty while
    /// the program's end lives, and its loss at the close shows as ERR.
    private func isHangup(_ events: UInt32) -> Bool {
        if events & EpollEvents.error != 0 { return true }
        guard events & EpollEvents.hangup != 0 else { return false }
        guard placeholderShut else { return true }
        var unread: Int32 = 0
        return kernel.ioctl(placeholder, request: IoctlRequest.outputQueue, value: &unread) < 0 || unread == 0
    }

    /// The program's end is gone.
    func hangUp() {
        guard placeholder >= 0 else { return }
        // The frontend may have kept a copy of our end, which would keep the watch alive.
        kernel.epollDelete(epoll, placeholder)
        kernel.closePlaceholder(placeholder)
        placeholder = -1
        if phase == .datagram { return hangUpDatagrams() }
        guard phase == .connected, network >= 0 else { return finish(abort: false) }
        do {
            if try hasUnread() || lingerSeconds == 0 || isClosedOverUnread {
                try sendRest()
                return finish(abort: true)
            }
            if let lingerSeconds, lingerSeconds > 0 {
                lingerEnd = kernel.now() &+ UInt64(lingerSeconds) &* 1_000_000_000
            }
            if outClosed, lingerEnd == nil { return finish(abort: false) }
            let waiting = outClosed ? 0 : try outRing.waiting()
            if waiting == 0, deferred.isEmpty, lingerEnd == nil { return finish(abort: false) }
            phase = .draining
            // Who closed with SO_LINGER learns by this that it was the last reference.
            status.setState(.free)
            drainEnd = outRing.consumed &+ waiting
            lastProgress = kernel.now()
            wantsTurn = true
        } catch {
            violation = "indexes beyond the ring"
            finish(abort: true)
        }
    }

    /// The kernel has all bytes of a draining socket. With SO_LINGER the end is when the peer has them, too.
    func finishDraining() {
        guard let lingerEnd, network >= 0, kernel.now() < lingerEnd else { return finish(abort: false) }
        if !isAwaitingPeer {
            isAwaitingPeer = true
            _ = kernel.shutdown(network, how: ShutdownHow.write)
        }
        var unacknowledged: Int32 = 0
        let result = kernel.ioctl(network, request: IoctlRequest.outputQueue, value: &unacknowledged)
        // Else the acknowledgement of the end is an event.
        if result < 0 || unacknowledged == 0 { finish(abort: false) }
    }

    /// Whether data came that the program never read: then TCP resets, and so does closing here.
    private func hasUnread() throws(RingViolation) -> Bool {
        if try inRing.unread() > 0 { return true }
        return kernel.hasUnread(network)
    }

    /// Whether the socket is given up at a time limit: it drains, or a relayed one was reset.
    var isTimed: Bool {
        phase == .draining || phase == .reset && relay?.isOver == true
            || phase != .gone && agentRelay?.isFinishing == true
    }

    /// Before a reset: natively what the program sent is mostly with the peer already. What a copy of the ring publishes
    /// meanwhile is not sent.
    private func sendRest() throws(RingViolation) {
        let end = outRing.consumed &+ (try outRing.waiting())
        while !outClosed, deferred.isEmpty, outRing.consumed != end {
            let count = kernel.send(network, from: outRing.bytes(end &- outRing.consumed, limit: Self.budget))
            guard count > 0 else { return }
            _ = try outRing.consume(UInt32(truncatingIfNeeded: count))
        }
    }

    /// How often another service is asked whether the peer has everything, in nanoseconds.
    private static var acknowledgementPeriod: UInt64 { 20_000_000 }

    /// A draining socket whose peer takes nothing is given up.
    ///
    /// - Returns: when to look again, in nanoseconds of `SocketKernel.now`; nil when nothing is left to wait for.
    func drainDeadline(now: UInt64) -> UInt64? {
        guard isTimed else { return nil }
        if isAwaitingPeer, var end = lingerEnd {
            // When nobody is left who could wait for it, this is a drain like any other.
            if references.isEmpty { end = min(end, lastProgress &+ Self.drainLimit) }
            guard now < end else {
                finish(abort: false)
                return nil
            }
            if kernel.tellsOfAcknowledgements(network) { return end }
            finishDraining()
            return phase == .gone ? nil : min(end, now &+ Self.acknowledgementPeriod)
        }
        let deadline = lastProgress &+ Self.drainLimit
        if now < deadline {
            guard lingerEnd != nil, !kernel.tellsOfAcknowledgements(network) else { return deadline }
            return min(deadline, now &+ Self.acknowledgementPeriod)
        }
        finish(abort: true)
        return nil
    }

    /// Gives everything back: the real socket, then the ring and its words, and last the port.
    func finish(abort: Bool) {
        guard phase != .gone else { return }
        closeNetwork(abort: abort)
        if placeholder >= 0 {
            kernel.epollDelete(epoll, placeholder)
            kernel.closePlaceholder(placeholder)
            placeholder = -1
        }
        releaseDataRing()
        deferred = []
        relay = nil
        for offset in [InProducer.offset, InConsumer.offset, OutProducer.offset, OutConsumer.offset] where !leavesWords
        {
            SharedWord64(indexes + offset).store(0)
        }
        phase = .gone
        arena.releasePort(port)
        if arena.xen != nil { forgetMemory() }
        status.free(nextGeneration: arena.nextGeneration(port))
        arena.liveSockets -= 1
    }

    func closeNetwork(abort: Bool) {
        guard network >= 0 else { return }
        if abort {
            kernel.prepareAbort(network)
        } else if let lingerSeconds, lingerSeconds != 0 {
            // close(2) would wait, although the descriptor does not block.
            let off: (Int32, Int32) = (0, 0)
            _ = withUnsafeBytes(of: off) {
                kernel.setsockopt(network, level: OptionNumber.solSocket, name: OptionNumber.soLinger, value: $0)
            }
        }
        // Nobody else has a copy of this descriptor, so closing ends its watch.
        isWatched = false
        kernel.close(network)
        network = -1
    }
}
