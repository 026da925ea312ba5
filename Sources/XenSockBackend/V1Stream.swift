import XenSockRing
import XenSockWire

/// Bytes between the real socket and a ring without flags (docs/PROTOCOL.md, 5.7 and 5.8).
extension V1Socket {
    func receiveTurn() throws(RingViolation) {
        guard readable, inError == 0, let input = mapping?.ring.input else { return }
        let queued = try input.queued(produced: produced, consumed: input.consumer.loadOrdered())
        // With no room the frontend's next event continues: it sends one for everything that it consumes.
        guard queued < input.size else { return }
        let space = input.bytes(at: produced, count: min(input.size - queued, Self.budget))
        let count = kernel.receive(network, into: space)
        if count > 0 {
            produced &+= UInt32(truncatingIfNeeded: count)
            input.producer.storeOrdered(produced)
            if count < space.count, trustsShortReads { readable = false } else { wantsTurn = true }
            return try channel.published(isEmpty: { isInputEmpty })
        }
        switch Int32(truncatingIfNeeded: 0 &- count) {
        case 0: try endInput(0 &- Errno.enotconn)
        case Errno.eagain: readable = false
        case Errno.eintr: wantsTurn = true
        case let error: try breakConnection(error)
        }
    }

    func transmitTurn() throws(RingViolation) {
        guard writable, outError == 0, let output = mapping?.ring.output else { return }
        let queued = try output.queued(produced: output.producer.loadOrdered(), consumed: consumed)
        guard queued > 0 else { return }
        let bytes = output.bytes(at: consumed, count: min(queued, Self.budget))
        let count = kernel.send(network, from: bytes)
        if count > 0 {
            consumed &+= UInt32(truncatingIfNeeded: count)
            output.consumer.storeOrdered(consumed)
            if count < bytes.count { writable = false } else { wantsTurn = true }
            return try channel.consumed(hasRoom: try hasRoom())
        }
        switch Int32(truncatingIfNeeded: 0 &- count) {
        case Errno.eagain, Errno.einprogress: writable = false
        case Errno.eintr, Errno.enobufs, Errno.enomem: wantsTurn = true
        case let error: try failSending(error)
        }
    }

    /// The peer has finished. Bytes first, then the word.
    private func endInput(_ ret: Int32) throws(RingViolation) {
        inError = WireError.toWire(ret, in: dialect)
        mapping?.ring.input.error.storeOrdered(UInt32(bitPattern: inError))
        if outError != 0, ret == 0 &- Errno.enotconn { channel.show(.reset, error: 0) }
        try channel.published(isEmpty: { false })
        channel.endInput()
    }

    /// Nothing more can be sent; what the peer sent before is still read.
    private func failSending(_ error: Int32) throws(RingViolation) {
        outError = WireError.toWire(0 &- error, in: dialect)
        mapping?.ring.output.error.storeOrdered(UInt32(bitPattern: outError))
        channel.show(inError == 0 ? .connected : .reset, error: error == Errno.epipe ? 0 : error)
        try channel.consumed(hasRoom: true)
        readable = true
        trustsShortReads = false
        wantsTurn = true
    }

    /// The connection is dead; all data that came before the error has been read.
    private func breakConnection(_ error: Int32) throws(RingViolation) {
        let wasWritable = outError != 0
        setErrors(0 &- error)
        channel.show(.reset, error: error)
        try channel.published(isEmpty: { false })
        if !wasWritable { try channel.consumed(hasRoom: true) }
        channel.endInput()
    }

    // MARK: After the release

    /// RELEASE, or the end of the frontend. Held requests are answered first; bytes of `out` are taken, and sent as the
    /// peer takes them; nothing stays mapped.
    func release() {
        guard phase != .draining, phase != .gone else { return }
        answerHeld(0 &- Errno.ebadf)
        listener?.abandonAccept(of: self)
        guard phase == .connected else { return finish(abort: false) }
        do {
            if try hasUnread() {
                try sendRest()
                return finish(abort: true)
            }
            if outError == 0, try takeRest() {
                phase = .draining
                lastProgress = kernel.now()
                wantsTurn = true
                unmap()
                channel.close()
                return
            }
        } catch {
            violation = "indexes beyond the ring"
            return finish(abort: true)
        }
        finish(abort: false)
    }

    /// Whether data came that the program never read: then TCP resets, and so does closing here.
    private func hasUnread() throws(RingViolation) -> Bool {
        guard let input = mapping?.ring.input else { return false }
        if try input.queued(produced: produced, consumed: input.consumer.loadOrdered()) > 0 { return true }
        var queued: Int32 = 0
        return kernel.ioctl(network, request: IoctlRequest.inputQueue, value: &queued) == 0 && queued > 0
    }

    /// Before a reset: natively what the program sent is mostly with the peer already.
    private func sendRest() throws(RingViolation) {
        guard outError == 0, let output = mapping?.ring.output else { return }
        var left = try output.queued(produced: output.producer.loadOrdered(), consumed: consumed)
        while left > 0 {
            let count = kernel.send(network, from: output.bytes(at: consumed, count: left))
            guard count > 0 else { return }
            consumed &+= UInt32(truncatingIfNeeded: count)
            left &-= UInt32(truncatingIfNeeded: count)
        }
    }

    /// Copies what stands in `out`. Returns whether anything did.
    private func takeRest() throws(RingViolation) -> Bool {
        guard let output = mapping?.ring.output else { return false }
        let queued = try output.queued(produced: output.producer.loadOrdered(), consumed: consumed)
        guard queued > 0 else { return false }
        let rest = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(queued), alignment: 8)
        let bytes = output.bytes(at: consumed, count: queued)
        rest.copyMemory(from: UnsafeRawBufferPointer(bytes.first))
        if bytes.second.count > 0 {
            UnsafeMutableRawBufferPointer(rebasing: rest[bytes.first.count...])
                .copyMemory(from: UnsafeRawBufferPointer(bytes.second))
        }
        leftover = rest
        return true
    }

    func drainTurn() {
        guard writable, let leftover else { return }
        let bytes = Segments(UnsafeMutableRawBufferPointer(rebasing: leftover[leftoverSent...]))
        let count = kernel.send(network, from: bytes)
        if count > 0 {
            leftoverSent += count
            lastProgress = kernel.now()
            if leftoverSent == leftover.count { return finish(abort: false) }
            wantsTurn = true
            return
        }
        switch Int32(truncatingIfNeeded: 0 &- count) {
        case Errno.eagain: writable = false
        case Errno.eintr, Errno.enobufs, Errno.enomem: wantsTurn = true
        default: finish(abort: false)
        }
    }

    /// A draining socket whose peer takes nothing is given up.
    func checkDrain(now: UInt64) {
        if phase == .draining, now >= lastProgress &+ Self.drainLimit { finish(abort: true) }
    }

    /// Gives everything back.
    func finish(abort: Bool) {
        guard phase != .gone else { return }
        let isOpen = phase != .draining
        closeNetwork(abort: abort)
        unmap()
        phase = .gone
        if isOpen { channel.close() }
    }

    func closeNetwork(abort: Bool) {
        guard network >= 0 else { return }
        if abort { kernel.prepareAbort(network) }
        if isWatched { kernel.epollDelete(epoll, network) }
        isWatched = false
        kernel.close(network)
        network = -1
    }
}
