import XenSockRing
import XenSockWire

/// From the network to the program: `in`, tokens, end of file (docs/PROTOCOL.md, 2.2).
extension BackendSocket {
    func receiveTurn() throws(RingViolation) {
        if endOfFile, !placeholderShut, status.isEndWanted { shutPlaceholder(ShutdownHow.write) }
        guard !endOfFile || isReadShut && phase == .connected else { return }
        if lowWater > 1, !endOfFile { try showFull() }
        if urgent != nil, try !passMark() { return }
        guard readable else { return }
        let space = try inRing.free(limit: Self.budget)
        if space.count == 0 {
            // The frontend rings when half of the ring is free; if it consumed just now, it will not.
            if try !inRing.stall() { wantsTurn = true }
            return
        }
        let count = kernel.receive(network, into: space)
        if count > 0 {
            try publish(UInt32(truncatingIfNeeded: count))
            if count < space.count, trustsShortReads {
                readable = false
            } else {
                wantsTurn = true
            }
        } else if count == 0, endOfFile {
            // There is no more for now: natively a read then says so without waiting, as EOF does here.
            readable = false
        } else if count == 0 {
            try finishReading()
        } else {
            switch Int32(truncatingIfNeeded: 0 &- count) {
            case Errno.eagain: readable = false
            case Errno.eintr: wantsTurn = true
            case let error: try breakConnection(error)
            }
        }
    }

    func publish(_ count: UInt32) throws(RingViolation) {
        let quiet = lowWater > 1 && count > 0 && agentRelay == nil ? try !isReadable(with: count) : false
        if try inRing.publish(count, edge: status.isEdgeTriggered, quiet: quiet) { sendToken() }
    }

    /// The peer has finished. After a failed send this is the end of the socket.
    func finishReading() throws(RingViolation) {
        endOfFile = true
        if isBroken { return try showReset() }
        if try inRing.publishEndOfFile() { sendToken() }
        // Behind EOF, as whoever wants it sets the flag first and looks for EOF then. While it is not wanted the placeholder
        // stays open: what is unread could not be relayed through one that is shut.
        if phase == .listening || status.isEndWanted { shutPlaceholder(ShutdownHow.write) }
    }

    /// The connection is dead; all data that came before the error has been read.
    func breakConnection(_ error: Int32) throws(RingViolation) {
        status.setError(error)
        if !outClosed {
            outClosed = true
            deferred = []
            settle(try outRing.breakDown())
        }
        endOfFile = true
        try showReset()
    }

    /// Shows a reset: EOF behind the data, one token that stays, and both directions of the placeholder shut.
    private func showReset() throws(RingViolation) {
        phase = .reset
        status.setState(.reset)
        if try inRing.publishEndOfFile() { sendToken() }
        shutPlaceholder(ShutdownHow.both)
    }

    func sendToken() {
        let result = kernel.sendToken(placeholder)
        if result == Int(0 &- Errno.eagain) || result == Int(0 &- Errno.eintr) {
            // An end that takes no bytes was made so by the frontend: the default holds more than the 255 there can be.
            if violation == nil { violation = "the placeholder takes no token" }
        }
    }

    /// Shuts down the service's end. Its HUP then says nothing about the program's end any more.
    func shutPlaceholder(_ how: Int32) {
        guard placeholder >= 0 else { return }
        if how != ShutdownHow.read { placeholderShut = true }
        _ = kernel.shutdown(placeholder, how: how)
    }

    /// The holder of the receive lock died (docs/PROTOCOL.md, 3.4). Called before the lock is free.
    func settleDeadReader() {
        guard placeholder >= 0, !isRelayed else { return }
        guarded { () throws(RingViolation) in
            if try inRing.unsettle() { sendToken() }
        }
        // The byte that marks the end may have gone with the dead.
        if endOfFile, !placeholderShut { shutPlaceholder(ShutdownHow.write) }
        wantsTurn = true
    }
}
