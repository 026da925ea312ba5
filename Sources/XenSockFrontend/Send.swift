import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Sending on a stream socket, with send(2)'s results and errors.
extension StreamSocket {
    /// - Parameters:
    ///   - vectors: the program's buffers, `count` of them.
    ///   - flags: MSG_DONTWAIT, MSG_MORE; MSG_NOSIGNAL is the caller's.
    /// - Returns: bytes taken (all of them on a blocking socket), or a negative errno.
    package func send(_ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32) -> Int {
        var socket = self
        let result = socket.sent(vectors, count, flags: flags)
        socket.endHold()
        return result
    }

    private mutating func sent(_ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32) -> Int {
        guard var cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        let blocking = flags & Int32(MSG_DONTWAIT) == 0 && !status.has(StatusLine.Flag.nonBlocking)
        switch status.state {
        case .connected: break
        case _ where isGone: return Self.isGoneNow
        case .connecting:
            if !blocking { return -Int(EAGAIN) }
            var deadline = 0
            let result = awaitDecision(&deadline, limit: status.sendTimeout)
            if result < 0 { return result }
            guard case .connected = status.state else {
                let error = status.takeError()
                return isGone ? Self.isGoneNow : error != 0 ? -error : -Int(EPIPE)
            }
        case .open, .listening, .free: return -Int(EPIPE)
        case .failedConnect, .reset:
            let error = status.takeError()
            return error != 0 ? -error : -Int(EPIPE)
        }
        if status.has(StatusLine.Flag.writeShut) { return isGone ? Self.isGoneNow : -Int(EPIPE) }
        if cursor.total == 0 { return 0 }
        let ring = output
        // A connected socket has a ring.
        if ring.size == 0 { return isGone ? Self.isGoneNow : -Int(EIO) }
        let capacity = BufferLimit.capacity(status.sendLimit, size: ring.size)
        let lock = status.sendLock
        var sent = 0
        var held = lock.acquire(tag, placeholder: placeholder)
        if isGone {
            lock.release(held)
            return Self.isGoneNow
        }
        if status.has(StatusLine.Flag.relayed) {
            lock.release(held)
            return Self.isRelayedNow
        }
        var deadline = 0
        var fruitless = 0
        var wakes = VainWakes()
        while sent < cursor.total {
            guard fruitless < Self.fruitlessLimit, let view = try? ring.view() else {
                if sent == 0 { sent = -Int(EIO) }
                break
            }
            if view.isBroken {
                if sent == 0 {
                    let error = status.takeError()
                    sent = error != 0 ? -error : -Int(EPIPE)
                }
                break
            }
            // Nothing is written where an interrupted copy of this thread may go on.
            let interrupted = held.isReentered ? finishInterruptedSends(ring) : nil
            if interrupted != nil, !ring.isCurrent(view) { continue }
            let used = interrupted.map { max(view.used, view.producer.index &- $0) } ?? view.used
            if used < capacity {
                let wanted = cursor.total &- sent
                // Half of the ring at a time, so that a handler finds room.
                let room = min(capacity &- used, capacity / 2)
                let count = wanted < Int(room) ? UInt32(wanted) : room
                guard cursor.isAccessible(Int(count), writing: false) else {
                    if sent == 0 { sent = -Int(EFAULT) }
                    break
                }
                let more = flags & Int32(MSG_MORE) != 0
                guard let publication = try? copyAndPublish(ring, view, count, from: &cursor, more: more) else {
                    if sent == 0 { sent = -Int(EIO) }
                    break
                }
                switch publication {
                case .done(let mustNotify):
                    sent &+= Int(count)
                    fruitless = 0
                    wakes.reset()
                    if mustNotify { notify() }
                case .moved:
                    fruitless &+= 1
                }
                continue
            }
            if view.used < capacity {
                // Room comes only when the interrupted call goes on.
                if sent == 0 { sent = -Int(EAGAIN) }
                break
            }
            switch ring.block(view.consumer) {
            // The interrupted call is about to send the filler that it announced: waiting for that would be for ever.
            case .lookAgain where held.isReentered && view.consumer.has(OutConsumer.fillerPending): break
            case .lookAgain:
                fruitless &+= 1
                continue
            case .sendFiller:
                sendFiller(ring)
                fruitless &+= 1
                continue
            case .full: break
            }
            if !blocking {
                if sent == 0 { sent = -Int(EAGAIN) }
                break
            }
            // The interrupted call may have published and not have rung: the backend may be asleep.
            if held.isReentered { renotify() }
            // Before: whoever closes the descriptor then finds the one or the other.
            hold()
            lock.release(held)
            var result = awaitSpace(&deadline)
            if result == 1 {
                let interrupted = wakes.add()
                if interrupted < 0 { result = interrupted }
            }
            fruitless = 0
            held = lock.acquire(tag, placeholder: placeholder)
            let isMoved = settleHold()
            if isGone {
                if sent == 0 { sent = Self.isGoneNow }
                break
            }
            if status.has(StatusLine.Flag.relayed) {
                if sent == 0 { sent = Self.isRelayedNow }
                break
            }
            if isMoved, result == 2 || mustWaitAgain(isMoved, result) { continue }
            if result <= 0 {
                if sent == 0 { sent = result }
                break
            }
            if result == 2, let view = try? ring.view(), !view.isBroken, view.used >= capacity {
                // Hung up with nothing said: the backend is gone.
                if sent == 0 { sent = -Int(ECONNRESET) }
                break
            }
        }
        lock.release(held)
        return sent
    }

    /// Sends the filler that FPEND announces, then says so. A send buffer that takes no filler is full of them: the
    /// placeholder polls not writable either way, and the backend's receiving finds at least one.
    func sendFiller(_ ring: OutRingFront) {
        _ = domain.sendFiller(placeholder)
        try? ring.fillerSent()
    }

    /// Waits until the placeholder is writable, at most until SO_SNDTIMEO has passed since the first wait.
    ///
    /// - Parameter deadline: 0 before the first wait; kept between waits.
    /// - Returns: 1; 2 if it hung up; -EAGAIN at the time limit; -EINTR.
    func awaitSpace(_ deadline: inout Int) -> Int { awaitSpace(&deadline, limit: status.sendTimeout) }

    /// - Parameter limit: in place of SO_SNDTIMEO.
    private func awaitSpace(_ deadline: inout Int, limit: SharedWord64) -> Int {
        let timeout = Int(truncatingIfNeeded: limit.load() & 0x7fff_ffff_ffff_ffff)
        while true {
            var left = -1
            if timeout != 0 {
                let now = Kernel.now()
                if deadline == 0 { deadline = now &+ timeout }
                left = deadline &- now
                if left <= 0 { return -Int(EAGAIN) }
            }
            let result = domain.awaitWritable(placeholder, nanoseconds: left)
            if result == 0 { return -Int(EAGAIN) }
            if result != -Int(EINTR) { return result }
            // poll(2) never restarts; send(2) does, if the handler was installed so and no time limit is set.
            if timeout != 0 || !Signals.handlersRestart() { return result }
        }
    }

    /// Waits until the connect under way is decided.
    ///
    /// - Returns: 0 if it succeeded; its error; -EINPROGRESS at the time limit SO_SNDTIMEO; -EINTR.
    func awaitConnect() -> Int {
        var deadline = 0
        let result = awaitDecision(&deadline, limit: status.sendTimeout)
        if result < 0 { return result == -Int(EAGAIN) ? -Int(EINPROGRESS) : result }
        if case .connected = status.state { return 0 }
        let error = status.takeError()
        return error != 0 ? -error : -Int(ECONNABORTED)
    }

    /// Waits until the connect under way is decided, whichever way.
    ///
    /// - Parameters:
    ///   - deadline: as in `awaitSpace`.
    ///   - limit: the word of SO_SNDTIMEO or SO_RCVTIMEO.
    /// - Returns: 0; -EAGAIN at the time limit; -EINTR; -ENETDOWN if the service is gone.
    @inline(never)
    func awaitDecision(_ deadline: inout Int, limit: SharedWord64) -> Int {
        var wakes = VainWakes()
        while true {
            if obstructUntilDecided() { return 0 }
            let result = awaitSpace(&deadline, limit: limit)
            if result < 0 { return result }
            if result == 2, !output.consumerValue().has(OutConsumer.connected) { return -Int(ENETDOWN) }
            let interrupted = wakes.add()
            if interrupted < 0 { return interrupted }
        }
    }

    /// Makes the placeholder not writable unless the connect is decided. Returns whether it is.
    ///
    /// - Parameter mask: the program's signal mask, if the caller has blocked signals.
    func obstructUntilDecided(_ mask: UInt64 = Kernel.unblocked) -> Bool {
        let ring = output
        let lock = status.sendLock
        let held = lock.acquire(tag, placeholder: placeholder, mask: mask)
        defer { lock.release(held) }
        // What the port has become shows in its state.
        if isGone { return true }
        var tries = 0
        while tries < 10_000 {
            let value = ring.consumerValue()
            if value.has(OutConsumer.connected) { return true }
            switch ring.block(value) {
            case .full: return false
            case .sendFiller: sendFiller(ring)
            case .lookAgain: xs_pause()
            }
            tries &+= 1
        }
        return false
    }
}
