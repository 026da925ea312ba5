import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Receiving from a stream socket, with recv(2)'s results and errors.
extension StreamSocket {
    /// - Parameters:
    ///   - vectors: the program's buffers, `count` of them.
    ///   - flags: MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, MSG_TRUNC.
    /// - Returns: bytes received, 0 at the end of the stream, or a negative errno.
    package func receive(_ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32) -> Int {
        var socket = self
        let result = socket.received(vectors, count, flags: flags)
        socket.endHold()
        return result
    }

    private mutating func received(_ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32) -> Int {
        if flags & Int32(MSG_ERRQUEUE) != 0 { return -Int(EAGAIN) }
        guard var cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        var limit = ReceiveLimit()
        switch status.state {
        case .connected, .reset: break
        case .open, .listening, .free: return isGone ? Self.isGoneNow : -Int(ENOTCONN)
        case .connecting where flags & Int32(MSG_DONTWAIT) == 0 && !status.has(StatusLine.Flag.nonBlocking):
            let result = awaitDecision(&limit.deadline, limit: status.receiveTimeout)
            if result < 0 { return result }
            switch status.state {
            case .connected, .reset: break
            default: return isGone ? Self.isGoneNow : receiveUnconnected(flags)
            }
        case .connecting, .failedConnect: return isGone ? Self.isGoneNow : receiveUnconnected(flags)
        }
        let peek = flags & Int32(MSG_PEEK) != 0
        let discard = flags & Int32(MSG_TRUNC) != 0
        var target = receiveTarget(cursor.total, flags)
        let ring = input
        // A connected socket has a ring; a reset one may have lost it.
        if ring.size == 0, case .connected = status.state { return isGone ? Self.isGoneNow : -Int(EIO) }
        let lock = status.receiveLock
        var got = 0
        var held = lock.acquire(tag, placeholder: placeholder)
        if isGone {
            lock.release(held)
            return Self.isGoneNow
        }
        if status.has(StatusLine.Flag.relayed) {
            lock.release(held)
            return Self.isRelayedNow
        }
        // Rounds in a row that brought nothing. An honest backend causes few; one that changes the word for ever must
        // not keep the call for ever.
        var fruitless = 0
        var wakes = VainWakes()
        while true {
            guard fruitless < Self.fruitlessLimit, let view = try? ring.view() else {
                lock.release(held)
                return got > 0 ? got : -Int(EIO)
            }
            if view.producer.has(InProducer.unsettled) {
                settleTokens(ring)
                fruitless &+= 1
                continue
            }
            let skip = peek ? peekOffset(view) : 0
            if view.count > skip {
                if got == cursor.total { break }
                if peek, mayPeekMore(ring, view, skip, target, flags, limit) {
                    hold()
                    lock.release(held)
                    awaitMore(&limit)
                    held = lock.acquire(tag, placeholder: placeholder)
                    settleHold()
                    if isGone {
                        if got == 0 { got = Self.isGoneNow }
                        break
                    }
                    continue
                }
                var wanted = cursor.total &- got
                if status.urgent.load() & StatusLine.Urgent.mark != 0 {
                    let distance = distanceToMark(view, got: got, peek: peek)
                    if distance == 0 { break }
                    wanted = min(wanted, distance)
                }
                let bytes = ring.bytes(view, skip: skip, limit: wanted < Int(view.count) ? UInt32(wanted) : view.count)
                let start = cursor
                if !discard {
                    guard cursor.isAccessible(bytes.count, writing: true) else {
                        if got == 0 { got = -Int(EFAULT) }
                        break
                    }
                    cursor.store(bytes.first)
                    cursor.store(bytes.second)
                }
                if peek {
                    guard ring.isCurrent(view) else {
                        cursor = start
                        fruitless &+= 1
                        continue
                    }
                    got = bytes.count
                    movePeekOffset(got)
                    break
                }
                guard let consumption = try? ring.consume(view, UInt32(bytes.count)) else {
                    lock.release(held)
                    return got > 0 ? got : -Int(EIO)
                }
                switch consumption {
                case .done(let mustNotify):
                    got &+= bytes.count
                    fruitless = 0
                    wakes.reset()
                    if mustNotify { notify() }
                case .moved:
                    cursor = start
                    fruitless &+= 1
                }
                continue
            }
            if view.endOfFile {
                if got == 0 { got = -status.takeReceiveError() }
                break
            }
            if view.count > 0 {
                // A peek behind all that is there.
                if flags & Int32(MSG_DONTWAIT) != 0 || status.has(StatusLine.Flag.nonBlocking) {
                    got = -Int(EAGAIN)
                    break
                }
                hold()
                lock.release(held)
                awaitMore(&limit)
                held = lock.acquire(tag, placeholder: placeholder)
                settleHold()
                if isGone {
                    if got == 0 { got = Self.isGoneNow }
                    break
                }
                if limit.isOver {
                    got = limit.result
                    break
                }
                continue
            }
            // A short count, EAGAIN or a wait may follow only after the ring was empty with no token standing.
            if view.producer.tokens > 0 {
                // Waiting in vain for a token takes about a second: once more, and no more.
                fruitless &+= !ring.disarm(view) || eat(view.producer.tokens) ? 1 : Self.fruitlessLimit / 2
                continue
            }
            if status.urgent.load() & StatusLine.Urgent.mark != 0, distanceToMark(view, got: got, peek: peek) == 0 {
                break
            }
            if got >= target || status.has(StatusLine.Flag.readShut) { break }
            let error = got == 0 ? status.takeReceiveError() : 0
            if error != 0 {
                got = -error
                break
            }
            if flags & Int32(MSG_DONTWAIT) != 0 || status.has(StatusLine.Flag.nonBlocking) {
                if got == 0, status.misses.load() != 0, !held.isReentered, countLateTokens(ring) { continue }
                if got == 0 { got = missed() }
                break
            }
            // The interrupted call may have consumed and not have rung: the backend may be waiting for that.
            if held.isReentered { renotify() }
            hold()
            lock.release(held)
            var result = awaitToken(&limit)
            if result > 0 {
                let interrupted = wakes.add()
                if interrupted < 0 { result = interrupted }
            }
            held = lock.acquire(tag, placeholder: placeholder)
            let isMoved = settleHold()
            if isGone {
                if got == 0 { got = Self.isGoneNow }
                break
            }
            if status.has(StatusLine.Flag.relayed) {
                if got == 0 { got = Self.isRelayedNow }
                break
            }
            fruitless = 0
            if mustWaitAgain(isMoved, result) { continue }
            if result > 0 {
                // What an interrupted call has yet to receive is not late.
                if !held.isReentered { _ = countLateTokens(ring) }
                continue
            }
            if result == 0, ring.producerValue().has(InProducer.endOfFile) { continue }
            if result < 0, let view = try? ring.view(), view.count > 0 {
                // Too little for SO_RCVLOWAT to wake for, but not to be left.
                target = 1
                continue
            }
            if got == 0 { got = result == 0 ? abandoned() : result }
            break
        }
        if status.lowWater > 1, !held.isReentered { hideRemainder(ring) }
        if status.urgent.load() & StatusLine.Urgent.queued != 0, !held.isReentered { clearUrgentPlaceholder(ring) }
        lock.release(held)
        if got > 0 { movePeekOffsetBack(peek ? 0 : got) }
        if got > 0, status.misses.load() != 0 { status.misses.store(0) }
        return got
    }

    /// recv(2) while a connect is under way, or after it failed.
    func receiveUnconnected(_ flags: Int32) -> Int {
        let error = status.takeError()
        if error != 0 { return -error }
        if case .failedConnect = status.state { return 0 }
        if flags & Int32(MSG_DONTWAIT) != 0 || status.has(StatusLine.Flag.nonBlocking) { return -Int(EAGAIN) }
        return -Int(ENOTCONN)
    }

    /// Nothing there on a non-blocking socket. The backend's death shows only in the placeholder, so a miss that does not
    /// follow data looks there: a program that is told "readable" by the kernel for that reason must not spin.
    func missed() -> Int {
        let misses = status.misses
        let count = misses.load()
        if count == 0 {
            misses.store(1)
            return -Int(EAGAIN)
        }
        if domain.isHungUp(placeholder), !input.producerValue().has(InProducer.endOfFile) { return abandoned() }
        return -Int(EAGAIN)
    }

    /// The backend is gone without a word, which is a reset: what is sent from now on is EPIPE.
    private func abandoned() -> Int {
        let consumer = IndexWord(indexes + OutConsumer.offset)
        _ = try? consumer.update { .init(index: $0.index, flags: $0.flags | OutConsumer.broken) }
        return -Int(ECONNRESET)
    }

    /// See `receive` and `send`.
    static var fruitlessLimit: Int { 1000 }

    /// Receives `count` tokens that were cleared from the producer word. The last of them may still be on its way: the
    /// backend counts first and sends then.
    ///
    /// - Returns: whether all came.
    @discardableResult
    func eat(_ count: UInt32) -> Bool {
        var left = Int(count)
        var rounds = 0
        while left > 0 {
            let received = domain.receiveTokens(placeholder, left)
            if received > 0 {
                left &-= received
            } else if received == -Int(EAGAIN), rounds < 10_000 {
                if rounds > 100 { Kernel.sleep(nanoseconds: 50_000) } else { xs_pause() }
                rounds &+= 1
            } else {
                return false
            }
        }
        return true
    }

    /// Counts bytes that stand in the placeholder although TOKENS is 0: those that came after `eat` gave up. Receiving
    /// them at once could take the token of an arrival in between; counted, they go with the next disarm. Called with
    /// the receive lock held, not re-entered.
    ///
    /// - Returns: whether there were any.
    func countLateTokens(_ ring: InRingFront) -> Bool {
        let value = ring.producerValue()
        if value.tokens != 0 || value.has(InProducer.endOfFile | InProducer.unsettled) { return false }
        let standing = domain.countTokens(placeholder)
        if standing <= 0 { return false }
        let tokens = standing < Int(InProducer.tokens) ? UInt32(standing) : InProducer.tokens
        return ring.settle(value, tokens: tokens)
    }

    /// Recovery after a holder of the receive lock died: it may have cleared tokens that it did not receive. Counts what
    /// stands in the placeholder; nothing comes to it while the word is unsettled. Called with the lock held.
    func settleTokens(_ ring: InRingFront) {
        var standing = domain.countTokens(placeholder)
        while standing > Int(InProducer.tokens) {
            let received = domain.receiveTokens(placeholder, standing &- Int(InProducer.tokens))
            if received <= 0 { break }
            standing &-= received
        }
        let tokens = UInt32(standing < 0 ? 0 : standing) & InProducer.tokens
        var value = ring.producerValue()
        var tries = 0
        while value.has(InProducer.unsettled), tries < Self.fruitlessLimit, !ring.settle(value, tokens: tokens) {
            value = ring.producerValue()
            tries &+= 1
        }
    }
}
