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
    func receive(_ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32) -> Int {
        if flags & Int32(MSG_ERRQUEUE) != 0 { return -Int(EAGAIN) }
        guard var cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        switch status.state {
        case .connected, .reset: break
        case .open, .listening, .free: return -Int(ENOTCONN)
        case .connecting, .failedConnect: return receiveUnconnected(flags)
        }
        if cursor.total == 0 { return 0 }
        let peek = flags & Int32(MSG_PEEK) != 0
        let discard = flags & Int32(MSG_TRUNC) != 0
        if cursor.isFaulty, !discard { return -Int(EFAULT) }
        let all = flags & Int32(MSG_WAITALL) != 0 && !peek
        let ring = input
        let lock = status.receiveLock
        var got = 0
        var held = lock.acquire(tag)
        while true {
            guard let view = try? ring.view() else {
                lock.release(held)
                return got > 0 ? got : -Int(EIO)
            }
            if view.producer.has(InProducer.unsettled) {
                settleTokens(ring)
                continue
            }
            if view.count > 0 {
                if got == cursor.total { break }
                let wanted = cursor.total &- got
                let bytes = ring.bytes(view, limit: wanted < Int(view.count) ? UInt32(wanted) : view.count)
                let start = cursor
                if !discard {
                    cursor.store(bytes.first)
                    cursor.store(bytes.second)
                }
                if peek {
                    got = bytes.count
                    break
                }
                guard let consumption = try? ring.consume(view, UInt32(bytes.count)) else {
                    lock.release(held)
                    return got > 0 ? got : -Int(EIO)
                }
                switch consumption {
                case .done(let mustNotify):
                    got &+= bytes.count
                    if mustNotify { notify() }
                case .moved:
                    cursor = start
                }
                continue
            }
            if view.endOfFile {
                if got == 0 { got = -status.takeError() }
                break
            }
            // A short count, EAGAIN or a wait may follow only after the ring was empty with no token standing.
            if view.producer.tokens > 0 {
                if ring.disarm(view) { eat(view.producer.tokens) }
                continue
            }
            if got == cursor.total || (got > 0 && !all) || status.has(StatusLine.Flag.readShut) { break }
            let error = got == 0 ? status.takeError() : 0
            if error != 0 {
                got = -error
                break
            }
            if flags & Int32(MSG_DONTWAIT) != 0 || status.has(StatusLine.Flag.nonBlocking) {
                if got == 0 { got = missed() }
                break
            }
            lock.release(held)
            let result = domain.awaitToken(placeholder)
            held = lock.acquire(tag)
            if result > 0 { continue }
            if result == 0, ring.producerValue().has(InProducer.endOfFile) { continue }
            if got == 0 { got = result == 0 ? -Int(ECONNRESET) : result }
            break
        }
        lock.release(held)
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
    private func missed() -> Int {
        let misses = status.misses
        let count = misses.load()
        if count == 0 {
            misses.store(1)
            return -Int(EAGAIN)
        }
        if domain.isHungUp(placeholder), !input.producerValue().has(InProducer.endOfFile) { return -Int(ECONNRESET) }
        return -Int(EAGAIN)
    }

    /// Receives `count` tokens that were cleared from the producer word. The last of them may still be on its way: the
    /// backend counts first and sends then.
    func eat(_ count: UInt32) {
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
                return
            }
        }
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
        while value.has(InProducer.unsettled), !ring.settle(value, tokens: tokens) { value = ring.producerValue() }
    }
}
