import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Receiving from a socket of `draft1` or `pvcalls1`, with recv(2)'s results and errors.
extension V1StreamSocket {
    /// As `StreamSocket.receive`.
    func receive(_ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32) -> Int {
        if flags & Int32(MSG_ERRQUEUE) != 0 { return -Int(EAGAIN) }
        guard var cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        switch status.state {
        case .connected, .reset: break
        case .open, .listening, .free: return -Int(ENOTCONN)
        case .connecting, .failedConnect: return plain.receiveUnconnected(flags)
        }
        if cursor.total == 0 { return 0 }
        let peek = flags & Int32(MSG_PEEK) != 0
        let discard = flags & Int32(MSG_TRUNC) != 0
        let all = flags & Int32(MSG_WAITALL) != 0 && !peek
        let input = ring.input
        let word = inReadiness
        let lock = status.receiveLock
        var got = 0
        var held = lock.acquire(plain.tag)
        // Rounds in a row that brought nothing: see `StreamSocket.receive`.
        var fruitless = 0
        while true {
            if fruitless >= StreamSocket<Domain>.fruitlessLimit {
                if got == 0 { got = -Int(EIO) }
                break
            }
            fruitless &+= 1
            let readiness = word.load()
            if readiness & ReadinessFlag.unsettled != 0 {
                settleTokens()
                continue
            }
            // Before the index: bytes that stand before an error are seen with it.
            let ended = input.error.loadOrdered() != 0
            guard let view = try? input.view(own: input.consumer) else {
                if got == 0 { got = -Int(EIO) }
                break
            }
            if view.queued > 0 {
                if got == cursor.total { break }
                let wanted = cursor.total &- got
                let size = wanted < Int(view.queued) ? UInt32(wanted) : view.queued
                let bytes = input.bytes(at: view.consumed, count: size)
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
                    got = Int(size)
                    break
                }
                if input.consumer.compareExchange(view.consumed, view.consumed &+ size) {
                    got &+= Int(size)
                    fruitless = 0
                    plain.notify()
                } else {
                    // A signal handler received in between.
                    cursor = start
                }
                continue
            }
            if ended {
                if got == 0 { got = -status.takeReceiveError() }
                break
            }
            // A short count, EAGAIN or a wait may follow only after the ring was empty with no token standing.
            if readiness & ReadinessFlag.tokens != 0 {
                if disarm(readiness, &fruitless), !isQuiet(input) { plain.notify() }
                continue
            }
            if got == cursor.total || (got > 0 && !all) || status.has(StatusLine.Flag.readShut) { break }
            let error = got == 0 ? status.takeReceiveError() : 0
            if error != 0 {
                got = -error
                break
            }
            if flags & Int32(MSG_DONTWAIT) != 0 || status.has(StatusLine.Flag.nonBlocking) {
                if got == 0 { got = missed(input) }
                break
            }
            if held.isReentered { plain.renotify() }
            lock.release(held)
            let result = plain.domain.awaitToken(plain.placeholder)
            held = lock.acquire(plain.tag)
            fruitless = 0
            if result > 0 { continue }
            if result == 0, input.error.loadOrdered() != 0 { continue }
            if got == 0 { got = result == 0 ? -Int(ECONNRESET) : result }
            break
        }
        lock.release(held)
        if got > 0, status.misses.load() != 0 { status.misses.store(0) }
        return got
    }

    /// The second look after the tokens were cleared: the backend may have published behind the first one and have seen
    /// them stand.
    private func isQuiet(_ input: V1Direction) -> Bool {
        input.producer.loadOrdered() == input.consumer.loadOrdered() && input.error.loadOrdered() == 0
    }

    /// Nothing there on a non-blocking socket: as `StreamSocket.missed`.
    private func missed(_ input: V1Direction) -> Int {
        if status.misses.exchange(1) == 0 { return -Int(EAGAIN) }
        if plain.domain.isHungUp(plain.placeholder), input.error.loadOrdered() == 0 { return -Int(ECONNRESET) }
        return -Int(EAGAIN)
    }

    /// What FIONREAD says: the bytes that are here.
    var readable: Int {
        let input = ring.input
        guard let view = try? input.view(own: input.consumer) else { return 0 }
        return Int(view.queued)
    }
}
