import CXenSockSystem
import Glibc
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Moves a relayed stream's bytes between the ring, whose frontend it is, and the agent's end of the placeholder
/// (docs/PROTOCOL.md, 2.6 and 3.7).
///
/// What the program and the backend write to the ring is read once and bounded by what the agent granted: whatever they
/// write, it harms this socket only. No call waits, and a turn moves a bounded number of bytes.
final class DockRelay {
    /// The value of the line's hang-up to write, and to close the agent's end with; nil while it goes on.
    private(set) var outcome: UInt32?
    /// There may be work: call `turn`.
    private(set) var wantsTurn = true
    /// In the dock's list of those with work.
    var isQueued = false

    private let input: InRingFront
    private let output: OutRingFront
    private let line: UnsafeMutableRawPointer
    private let status: UnsafeMutableRawPointer
    /// Tells the backend to look at the port.
    private let ring: () -> Void

    /// Bytes of fillers that were announced before the program's first byte, and have not come yet.
    private var fillerBytes: Int
    /// The kernel may have bytes in the placeholder, or room; cleared by EAGAIN, set by an edge.
    private var isReadable = true
    private var isWritable = true
    /// The program writes no more, and everything was taken.
    private var isEnded = false
    /// The backend takes no more, which the program's end shows.
    private var isStopped = false
    /// The program takes no more: its end is shut for reading.
    private var isDeaf = false
    /// The end of the stream was shown: the agent's end is shut for writing.
    private var isShown: Bool
    /// The program is gone, or has nothing more to read or write; and it left bytes unread.
    private var isOver = false
    private var isAborted = false
    /// The connection was reset, which was shown.
    private var isReset: Bool
    /// The agent's own shutdown makes an edge as the program's close does; the next one is it.
    private var awaitsOwnEvent = false
    private var isFinishingTold = false

    /// Bytes moved at most in one direction in one turn.
    private static let budget: UInt32 = 128 * 1024
    /// How often what a program left behind is looked at, at most, before its connection is reset.
    private static let lastLooks = 4
    /// SO_SNDBUF asked for at the agent's end, in bytes.
    private static let sendBuffer: Int32 = 106_503

    /// - Parameters:
    ///   - pages: the indexes page and the ring behind it, as the port's socket uses them. Not owned.
    ///   - line, status: the port's lines. Not owned.
    ///   - fillers: how many fillers are still to come, ahead of the stream.
    ///   - isShown: whether the agent's end is shut for writing already: what is unread cannot be shown.
    ///   - ring: see above.
    init(
        pages: UnsafeMutableRawPointer, layout: DataRingLayout, line: UnsafeMutableRawPointer,
        status: UnsafeMutableRawPointer, descriptor: Int32, fillers: UInt32, isShown: Bool, ring: @escaping () -> Void
    ) {
        let data = pages + 4096
        input = InRingFront(
            indexes: pages, data: data + layout.inOffset, size: UInt32(truncatingIfNeeded: layout.inSize))
        output = OutRingFront(
            indexes: pages, data: data + layout.outOffset, size: UInt32(truncatingIfNeeded: layout.outSize))
        self.line = line
        self.status = status
        self.ring = ring
        fillerBytes = Int(fillers) * DockPlaceholder.fillerSize
        self.isShown = isShown
        isReset = isShown && Self.isReset(status)
        var size = Self.sendBuffer
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, 4)
    }

    /// What the poller is to tell of.
    static let events =
        EPOLLIN.rawValue | EPOLLOUT.rawValue | UInt32(XS_POLLRDHUP) | EPOLLET.rawValue

    private static func isReset(_ status: UnsafeMutableRawPointer) -> Bool {
        SharedWord32(status + StatusLine.state).loadOrdered() == StatusLine.State.reset.rawValue
    }

    /// Somebody wants to know that the connection ended who is woken by nothing else (docs/PROTOCOL.md, 2.2, EOF).
    private var isEndWanted: Bool {
        let flags = StatusLine.Flag.endWanted | StatusLine.Flag.edgeTriggered
        return SharedWord32(status + StatusLine.flags).loadOrdered() & flags != 0
    }

    /// The urgent byte that the backend announced.
    var urgentByte: UInt8 { UInt8(truncatingIfNeeded: SharedWord64(status + StatusLine.urgent).loadOrdered()) }

    // MARK: Events

    /// The backend rang: it moved an index, or says that something ended.
    func rung() { wantsTurn = true }

    /// Something happened at the agent's end.
    func event(_ events: UInt32) {
        let gone = EPOLLHUP.rawValue | EPOLLERR.rawValue
        if isReset {
            // What is written now stays unread, which gives the program ECONNRESET when this end is closed.
            if awaitsOwnEvent {
                awaitsOwnEvent = false
            } else if events & (gone | EPOLLIN.rawValue) != 0 {
                outcome = PlaceholderLine.Hangup.closed
            }
            return
        }
        if events & (gone | EPOLLIN.rawValue | UInt32(XS_POLLRDHUP)) != 0 { isReadable = true }
        if events & EPOLLOUT.rawValue != 0 { isWritable = true }
        if events & EPOLLERR.rawValue != 0 { isAborted = true }
        if events & gone != 0 { isOver = true }
        wantsTurn = true
    }

    /// Looks for the hang-up now.
    func look(_ descriptor: Int32) {
        awaitsOwnEvent = false
        let events = Self.poll(descriptor)
        if events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { event(events) }
        turn(descriptor)
    }

    /// Says where the program's bytes end.
    func measure(_ descriptor: Int32) {
        let unread = max(0, Self.unread(descriptor) - fillerBytes)
        let written = output.produced &+ UInt32(truncatingIfNeeded: unread)
        SharedWord32(line + PlaceholderLine.written).storeOrdered(written)
    }

    /// Whoever announced a filler died: it is there, or will never come.
    func purge(_ descriptor: Int32) {
        if fillerBytes > 0 { skipFillers(descriptor) }
        fillerBytes = 0
        wantsTurn = true
    }

    /// The backend is gone: hands over what had come, and has the library find why there is no more.
    func lose(_ descriptor: Int32) {
        guard !isReset, outcome == nil, !isOver else { return }
        turn(descriptor)
        SharedWord32(status + StatusLine.error).storeOrdered(UInt32(ECONNRESET))
        SharedWord32(status + StatusLine.state).storeOrdered(StatusLine.State.reset.rawValue)
    }

    private static func poll(_ descriptor: Int32) -> UInt32 {
        var entry = pollfd(fd: descriptor, events: Int16(XS_POLLRDHUP), revents: 0)
        return Glibc.poll(&entry, 1, 0) > 0 ? UInt32(UInt16(bitPattern: entry.revents)) : 0
    }

    private static func unread(_ descriptor: Int32) -> Int {
        var count: Int32 = 0
        return ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(max(0, count)) : 0
    }

    // MARK: Turns

    /// Moves bytes, a bounded number in each direction.
    func turn(_ descriptor: Int32) {
        wantsTurn = false
        guard outcome == nil, !isReset else { return }
        do throws(RingViolation) {
            if !isOver { try moveIn(descriptor) }
            if isAborted { return try abandon(descriptor) }
            if outcome == nil, !isReset { try moveOut(descriptor) }
        } catch {
            outcome = PlaceholderLine.Hangup.reset
        }
        if isOver, outcome == nil, !isFinishingTold {
            isFinishingTold = true
            tell(PlaceholderLine.hangup, PlaceholderLine.Hangup.finishing)
        }
    }

    /// Whether the line says, or may say, that there is no more to come than what stands in the placeholder.
    var isFinishing: Bool { isFinishingTold || isReset && awaitsOwnEvent }

    /// Whether the connection was reset, and that shown.
    var wasReset: Bool { isReset }

    private func tell(_ offset: Int, _ value: UInt32) {
        SharedWord32(line + offset).storeOrdered(value)
        ring()
    }

    // MARK: From the ring to the program

    private func moveIn(_ descriptor: Int32) throws(RingViolation) {
        let view = try input.view()
        if view.producer.has(InProducer.unsettled) {
            // Left by whoever asked, to keep tokens away.
            _ = input.settle(view.producer, tokens: 0)
            wantsTurn = true
        }
        if view.count > 0 { return try pass(view, descriptor) }
        if view.endOfFile { return showEnd(descriptor) }
        // The tokens are counts of the line here: there is no byte to receive.
        if view.producer.tokens > 0, !input.disarm(view) { wantsTurn = true }
    }

    private func pass(_ view: InRingFront.View, _ descriptor: Int32) throws(RingViolation) {
        if isShown { return try consume(view, view.count) }
        guard isWritable, !isDeaf else { return }
        let count = Self.send(descriptor, input.bytes(view, limit: Self.budget))
        if count > 0 { return try consume(view, UInt32(truncatingIfNeeded: count)) }
        switch errno {
        case EAGAIN: isWritable = false
        case EINTR, ENOBUFS, ENOMEM: wantsTurn = true
        // Shut for reading, or closed; the latter is announced.
        default: isDeaf = true
        }
    }

    private func consume(_ view: InRingFront.View, _ count: UInt32) throws(RingViolation) {
        // Nobody else is to take any.
        guard case .done(let isStalled) = try input.consume(view, count) else { throw RingViolation() }
        if isStalled { ring() }
        wantsTurn = true
    }

    /// Everything was handed over, and there is no more.
    private func showEnd(_ descriptor: Int32) {
        if Self.isReset(status) { return showReset(descriptor) }
        guard !isShown else { return }
        isShown = true
        shutdown(descriptor, Int32(SHUT_WR))
        let events = Self.poll(descriptor)
        if events & EPOLLHUP.rawValue != 0 { event(events) }
    }

    /// The library finds the error in the status line; other programs find an end.
    private func showReset(_ descriptor: Int32) {
        isReset = true
        // Closing over bytes that nobody took gives the program ECONNRESET, whatever it is.
        if Self.unread(descriptor) > 0 { return outcome = PlaceholderLine.Hangup.closed }
        isShown = true
        shutdown(descriptor, Int32(SHUT_WR))
        if Self.poll(descriptor) & EPOLLHUP.rawValue != 0 { return outcome = PlaceholderLine.Hangup.closed }
        guard isEndWanted else { return }
        // Somebody waits for HUP, which then stands whatever the program does. Its close is another edge; if that comes
        // together with the edge of this shutdown it is not seen, and the backend's time limit gives the port back.
        awaitsOwnEvent = true
        shutdown(descriptor, Int32(SHUT_RD))
        tell(PlaceholderLine.hangup, PlaceholderLine.Hangup.finishing)
    }

    // MARK: From the program to the ring

    private func moveOut(_ descriptor: Int32) throws(RingViolation) {
        if isEnded {
            if isOver { outcome = PlaceholderLine.Hangup.closed }
            return
        }
        let view = try output.view()
        if view.isBroken { return stop(descriptor) }
        guard isReadable else { return }
        if fillerBytes > 0 { skipFillers(descriptor) }
        guard fillerBytes == 0 else { return isReadable = false }
        let space = output.free(view, limit: Self.budget)
        guard space.count > 0 else {
            if !output.awaitDrain(view.consumer) { wantsTurn = true }
            return
        }
        let count = Self.receive(descriptor, space)
        guard count <= 0 else { return try publish(view, UInt32(truncatingIfNeeded: count)) }
        if count == 0 { return end(descriptor) }
        switch errno {
        case EAGAIN: isReadable = false
        case EINTR, ENOBUFS, ENOMEM: wantsTurn = true
        // Closed with bytes unread.
        default: outcome = PlaceholderLine.Hangup.reset
        }
    }

    private func publish(_ view: OutRingFront.View, _ count: UInt32) throws(RingViolation) {
        // Nobody else is to publish any.
        guard case .done(let isIdle) = try output.publish(view, count) else { throw RingViolation() }
        if isIdle { ring() }
        wantsTurn = true
    }

    /// The program's end is closed, or shut for writing.
    private func end(_ descriptor: Int32) {
        isEnded = true
        let events = Self.poll(descriptor)
        if events & EPOLLERR.rawValue != 0 { return outcome = PlaceholderLine.Hangup.reset }
        if isOver || events & EPOLLHUP.rawValue != 0 { return outcome = PlaceholderLine.Hangup.closed }
        tell(PlaceholderLine.ended, 1)
    }

    /// The backend takes no more: the program's next write fails.
    private func stop(_ descriptor: Int32) {
        if isOver { return outcome = PlaceholderLine.Hangup.closed }
        guard !isStopped else { return }
        isStopped = true
        shutdown(descriptor, Int32(SHUT_RD))
        let events = Self.poll(descriptor)
        if events & EPOLLHUP.rawValue != 0 { outcome = PlaceholderLine.Hangup.closed }
    }

    /// Before a reset: natively what the program wrote is mostly with the peer already.
    private func abandon(_ descriptor: Int32) throws(RingViolation) {
        isReadable = true
        for _ in 0..<Self.lastLooks where outcome == nil && isReadable { try moveOut(descriptor) }
        outcome = PlaceholderLine.Hangup.reset
    }

    private func skipFillers(_ descriptor: Int32) {
        withUnsafeTemporaryAllocation(byteCount: DockPlaceholder.fillerSize, alignment: 1) { bytes in
            while fillerBytes > 0 {
                var vector = iovec(iov_base: bytes.baseAddress, iov_len: min(fillerBytes, bytes.count))
                let count = StrangeDescriptors.receive(descriptor, &vector, 1)
                guard count > 0 else { return }
                fillerBytes -= count
            }
        }
    }

    // MARK: System calls

    private static func send(_ descriptor: Int32, _ bytes: Segments) -> Int {
        message(bytes) { sendmsg(descriptor, &$0, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) }
    }

    private static func receive(_ descriptor: Int32, _ space: Segments) -> Int {
        let result = message(space) { StrangeDescriptors.receive(descriptor, $0.msg_iov, $0.msg_iovlen) }
        if result < 0 { errno = Int32(truncatingIfNeeded: -result) }
        return result
    }

    private static func message(_ bytes: Segments, _ body: (inout msghdr) -> Int) -> Int {
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { vectors in
            vectors[0] = iovec(iov_base: bytes.first.baseAddress, iov_len: bytes.first.count)
            vectors[1] = iovec(iov_base: bytes.second.baseAddress, iov_len: bytes.second.count)
            var header = msghdr()
            header.msg_iov = vectors.baseAddress
            header.msg_iovlen = 2
            return body(&header)
        }
    }
}
