import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Sending on a socket of `draft1` or `pvcalls1`, with send(2)'s results and errors.
extension V1StreamSocket {
    /// As `StreamSocket.send`.
    func send(_ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32) -> Int {
        guard var cursor = VectorCursor(vectors, count) else { return -Int(EINVAL) }
        let blocking = flags & Int32(MSG_DONTWAIT) == 0 && !status.has(StatusLine.Flag.nonBlocking)
        switch status.state {
        case .connected: break
        case .connecting:
            if !blocking { return -Int(EAGAIN) }
            let error = awaitConnect()
            if error < 0 { return error == -Int(EINPROGRESS) ? -Int(EAGAIN) : error }
        case .open, .listening, .free: return -Int(EPIPE)
        case .failedConnect, .reset: return broken()
        }
        if cursor.total == 0 { return 0 }
        let output = ring.output
        let lock = status.sendLock
        var sent = 0
        var deadline = 0
        var held = lock.acquire(plain.tag)
        var fruitless = 0
        while sent < cursor.total {
            if fruitless >= StreamSocket<Domain>.fruitlessLimit {
                if sent == 0 { sent = -Int(EIO) }
                break
            }
            fruitless &+= 1
            if output.error.loadOrdered() != 0 {
                if sent == 0 { sent = broken() }
                break
            }
            guard let view = try? output.view(own: output.producer) else {
                if sent == 0 { sent = -Int(EIO) }
                break
            }
            // Nothing is written where an interrupted copy of this thread may go on.
            let interrupted = held.isReentered ? finishInterruptedSends(output) : nil
            if interrupted != nil, output.producer.loadOrdered() != view.produced { continue }
            let used = interrupted.map { max(view.queued, view.produced &- $0) } ?? view.queued
            if used < output.size {
                let wanted = cursor.total &- sent
                // Half of the ring at a time, so that a handler finds room.
                let room = min(output.size &- used, output.size / 2)
                let size = wanted < Int(room) ? UInt32(wanted) : room
                guard cursor.isAccessible(Int(size), writing: false) else {
                    if sent == 0 { sent = -Int(EFAULT) }
                    break
                }
                if copyAndPublish(output, at: view.produced, size, from: &cursor) {
                    sent &+= Int(size)
                    fruitless = 0
                    plain.notify()
                }
                continue
            }
            if view.queued < output.size {
                // Room comes only when the interrupted call goes on.
                if sent == 0 { sent = -Int(EAGAIN) }
                break
            }
            if !block() {
                // Room that came before FULL could be seen, and an error: the backend must look.
                if !isFull(output) { plain.notify() }
                continue
            }
            if !isFull(output) {
                plain.notify()
                continue
            }
            if !blocking {
                if sent == 0 { sent = -Int(EAGAIN) }
                break
            }
            // The interrupted call may have published and not have notified.
            if held.isReentered { plain.renotify() }
            lock.release(held)
            let result = plain.awaitSpace(&deadline)
            held = lock.acquire(plain.tag)
            fruitless = 0
            if result <= 0 {
                if sent == 0 { sent = result }
                break
            }
            if result == 2, isFull(output) {
                // Hung up with nothing said: the backend is gone.
                if sent == 0 { sent = -Int(ECONNRESET) }
                break
            }
        }
        lock.release(held)
        return sent
    }

    private func isFull(_ output: V1Direction) -> Bool {
        output.producer.loadOrdered() &- output.consumer.loadOrdered() >= output.size && output.error.loadOrdered() == 0
    }

    private func broken() -> Int {
        let error = status.takeError()
        return error != 0 ? -error : -Int(EPIPE)
    }

    /// Waits until the connect under way is decided: the placeholder is not writable until then.
    ///
    /// - Returns: 0 if it succeeded; its error; -EINPROGRESS at the time limit SO_SNDTIMEO; -EINTR.
    func awaitConnect() -> Int {
        var deadline = 0
        while true {
            switch status.state {
            case .connecting: break
            case .connected: return 0
            default:
                let error = status.takeError()
                return error != 0 ? -error : -Int(ECONNABORTED)
            }
            let result = plain.awaitSpace(&deadline)
            if result == -Int(EAGAIN) { return -Int(EINPROGRESS) }
            if result < 0 { return result }
            if result == 2, case .connecting = status.state { return -Int(ENETDOWN) }
        }
    }
}
