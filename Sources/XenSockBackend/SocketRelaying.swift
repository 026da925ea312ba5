import XenSockRing
import XenSockWire

/// What a relayed socket has in place of its ring (docs/PROTOCOL.md, 2.6): the ring's memory as two queues of the
/// service's own, and what is known about the placeholder.
final class Relay {
    /// From the network to the program. Begins with what was unread in `in`.
    var inbound: ByteStage
    /// From the program to the network. Begins with what waited in `out`, and counts on from there.
    var outbound: ByteStage
    /// The kernel may have bytes in the placeholder, or room; cleared by a short count or EAGAIN, set by an edge.
    var isReadable = true
    var isWritable = true
    /// The end of the program's bytes was announced: a short count does not mean that there is nothing more to say.
    var isEndAnnounced = false
    /// The program writes no more, and everything was taken.
    var isEnded = false
    /// The program takes no more: its end is shut for reading.
    var isDeaf = false
    /// The end of the stream was shown: the service's end is shut for writing.
    var isShown: Bool
    /// The program is gone, or has nothing more to read or write.
    var isOver = false
    /// The service's own shutdown makes an edge as the program's close does; the next one is it.
    var awaitsOwnEvent = false
    /// The error behind the last byte of the network; 0 for an orderly end.
    var error: Int32 = 0
    /// Bytes of fillers that were announced while the socket was connecting, and have not come yet.
    var fillerBytes = 0

    init(inbound: ByteStage, outbound: ByteStage, isShown: Bool) {
        self.inbound = inbound
        self.outbound = outbound
        self.isShown = isShown
    }
}

/// A socket whose placeholder carries the stream's own bytes, for programs that the library is not loaded into.
extension BackendSocket {
    /// SO_SNDBUF asked for at the service's end, in bytes; the kernel doubles it.
    static var relayBuffer: Int32 { 106_503 }

    /// RELAY.
    ///
    /// - Returns: 0, also if it takes effect only when the connection stands; or a negative errno.
    func startRelay() -> Int32 {
        guard !isRelayed else { return 0 }
        guard type == SocketType.stream, network >= 0 else { return 0 &- Errno.eopnotsupp }
        switch phase {
        case .open, .connecting, .failed:
            isRelayWanted = true
            return 0
        case .connected, .reset:
            guard mapping != nil else { return 0 &- Errno.einval }
            guarded { () throws(RingViolation) in try beginRelay(isHeld: true) }
            return violation == nil ? 0 : 0 &- Errno.eio
        case .listening, .datagram:
            return 0 &- Errno.einval
        case .draining, .gone:
            return 0 &- Errno.ebadf
        }
    }

    /// - Parameter isHeld: whoever asked holds both locks and took the tokens away, so nothing is on its way.
    func beginRelay(isHeld: Bool) throws(RingViolation) {
        if let port = arena.xen?.port(self.port) { return try beginRelay(at: port, isHeld: isHeld) }
        guard let mapping, let layout else { return }
        let unread = try inRing.unread()
        let waiting = try outRing.waiting()
        let relay = Relay(
            inbound: ByteStage(
                data: mapping + layout.inOffset, size: inRing.size, consumed: inRing.produced &- unread,
                produced: inRing.produced),
            outbound: ByteStage(
                data: mapping + layout.outOffset, size: outRing.size, consumed: outRing.consumed,
                produced: outRing.consumed &+ waiting),
            isShown: placeholderShut)
        if isHeld {
            var count = 0
            while count < Self.maximumFillers, kernel.receiveFiller(placeholder) > 0 { count += 1 }
        } else {
            relay.fillerBytes = (fillerDebt + (outRing.isOwed ? 1 : 0)) * Self.fillerSize
        }
        fillerDebt = 0
        watchesFiller = false
        self.relay = relay
        status.setRelayed()
        let size = Self.relayBuffer
        _ = withUnsafeBytes(of: size) {
            kernel.setsockopt(placeholder, level: OptionNumber.solSocket, name: OptionNumber.soSendBuffer, value: $0)
        }
        // With its own end shut the service cannot show what is unread.
        if relay.isShown { relay.inbound.clear() }
        // Both directions of the placeholder are shut: the program's close is the next edge, and a new watch would make one.
        if phase == .reset { return }
        let events = EpollEvents.input | EpollEvents.output | EpollEvents.readHangup | EpollEvents.edge
        _ = kernel.epollModify(epoll, placeholder, events: events, data: placeholderData)
        wantsTurn = true
    }

    static var fillerSize: Int { 256 }

    /// Where the stream to the network stands.
    var sentPosition: UInt32 { relay?.outbound.consumed ?? outRing.consumed }

    /// Where the bytes end that the program has written so far.
    func writtenPosition(_ relay: Relay) -> UInt32 {
        relay.outbound.produced &+ UInt32(max(0, Int(unreadInPlaceholder()) - relay.fillerBytes))
    }

    private func unreadInPlaceholder() -> Int32 {
        var count: Int32 = 0
        guard placeholder >= 0, kernel.ioctl(placeholder, request: IoctlRequest.inputQueue, value: &count) == 0 else {
            return 0
        }
        return max(0, count)
    }

    /// The bytes that lie between the program and the kernel's queue of which `request` asks.
    func staged(_ relay: Relay, _ request: UInt32) -> Int32 {
        switch request {
        case IoctlRequest.inputQueue: Int32(relay.inbound.count)
        case IoctlRequest.outputQueue, IoctlRequest.outputQueueUnsent:
            Int32(relay.outbound.count) &+ unreadInPlaceholder()
        default: 0
        }
    }

    /// SHUTDOWN. A frontend of ours shuts the placeholder down instead, which every program can.
    ///
    /// - Parameter position: where the bytes end that the program has written, if it is the agent who knows.
    func shutdownRelayed(how: UInt32, at position: UInt32 = 0) -> Int32 {
        if how != UInt32(ShutdownHow.write) {
            let result = kernel.shutdown(network, how: ShutdownHow.read)
            guard result == 0 else { return result }
            (readable, trustsShortReads, wantsTurn) = (true, false, true)
        }
        return how == UInt32(ShutdownHow.read) || outClosed ? 0 : perform(.shutdownWrite, at: position)
    }

    // MARK: Events

    /// Something happened at the placeholder.
    func relayEvent(_ relay: Relay, _ events: UInt32) {
        let gone = EpollEvents.hangup | EpollEvents.error
        if phase == .reset {
            // What is written now stays unread, which gives the program ECONNRESET when the service's end is closed.
            if relay.awaitsOwnEvent {
                relay.awaitsOwnEvent = false
            } else if events & (gone | EpollEvents.input) != 0 {
                finish(abort: true)
            }
            return
        }
        if events & EpollEvents.input != 0 { relay.isReadable = true }
        if events & EpollEvents.output != 0 { relay.isWritable = true }
        if events & (gone | EpollEvents.readHangup) != 0 { (relay.isReadable, relay.isEndAnnounced) = (true, true) }
        wantsTurn = true
        // The kernel says so of an end that was closed with bytes unread: TCP resets then, and so does this.
        if events & EpollEvents.error != 0 {
            sendRest(relay)
            return finish(abort: true)
        }
        if events & EpollEvents.hangup != 0 { endRelay(relay) }
    }

    /// Before a reset: natively what the program wrote is mostly with the peer already. The program's end is closed, so
    /// this comes to an end.
    func sendRest(_ relay: Relay) {
        while relay.fillerBytes > 0 {
            let count = kernel.receiveFiller(placeholder)
            guard count > 0 else { break }
            relay.fillerBytes = max(0, relay.fillerBytes - count)
        }
        while !outClosed, deferred.isEmpty, relay.fillerBytes == 0 {
            let space = relay.outbound.space(limit: Self.budget)
            let taken = space.count > 0 ? kernel.receiveRelayed(placeholder, into: space) : 0
            if taken > 0 { relay.outbound.produce(taken) }
            guard !relay.outbound.isEmpty else { return }
            let count = kernel.send(network, from: relay.outbound.bytes(limit: Self.budget))
            guard count > 0 else { return }
            relay.outbound.consume(count)
        }
    }

    /// HUP: the last copy of the program's end is closed, or both directions are shut. Either way nobody reads any more,
    /// and what was written is in the placeholder.
    func endRelay(_ relay: Relay) {
        guard !relay.isOver else { return }
        relay.isOver = true
        if lingerSeconds == 0 { return finish(abort: true) }
        if outClosed { return finishRelay(relay) }
        phase = .draining
        lastProgress = kernel.now()
        wantsTurn = true
    }

    /// Everything that the program wrote is with the kernel. Bytes that the service holds and nobody read make TCP reset,
    /// as those do that the kernel holds.
    func finishRelay(_ relay: Relay) {
        finish(abort: !relay.inbound.isEmpty)
    }

    /// The peer reset a connection whose end had come already.
    func failReading(_ relay: Relay, _ error: Int32) {
        if relay.error == 0 { relay.error = error }
        if relay.isShown { return reset(relay) }
        wantsTurn = true
    }

    /// Shows a reset behind the last byte. The library finds the error in the status line; other programs find an end.
    func reset(_ relay: Relay) {
        if relay.error != 0 { status.setError(relay.error) }
        endOfFile = true
        outClosed = true
        deferred = []
        // Closing over bytes that nobody took gives the program ECONNRESET, whatever it is.
        if unreadInPlaceholder() > 0 { return finish(abort: true) }
        phase = .reset
        status.setState(.reset)
        shutPlaceholder(ShutdownHow.write)
        if kernel.poll(placeholder, .readHangup).contains(.hangup) { return finish(abort: true) }
        guard status.isEndWanted, !references.isEmpty else { return }
        // Somebody waits for HUP, which then stands whatever the program does. Its close is another edge; if that comes
        // together with the edge of this shutdown it is not seen, and the time limit gives the port back.
        relay.isOver = true
        relay.awaitsOwnEvent = true
        lastProgress = kernel.now()
        shutPlaceholder(ShutdownHow.read)
    }

    /// The holder of the send lock died. A filler that it announced is there, or will never come.
    func settleDeadSender(_ relay: Relay) {
        if relay.fillerBytes > 0 { _ = kernel.receiveFiller(placeholder) }
        relay.fillerBytes = 0
        wantsTurn = true
    }
}
