import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// How long one receive has waited, and how that ended.
struct ReceiveLimit {
    /// CLOCK_MONOTONIC in nanoseconds; 0 before the first wait.
    var deadline = 0
    /// Waits for more than stands in the ring, which is looked at from time to time.
    var looks = 0
    /// 0, or why there is no waiting any more: a negative errno, or 1 for the end of the stream.
    var end = 0

    var isOver: Bool { end != 0 }

    /// What a receive returns that has nothing.
    var result: Int { end > 0 ? -Int(ECONNRESET) : end }
}

/// How much a receive waits for: MSG_WAITALL, SO_RCVLOWAT, SO_PEEK_OFF, SO_RCVTIMEO.
extension StreamSocket {
    /// The bytes below which a receive of `total` bytes goes on waiting; 1 for a receive of none.
    @inline(__always)
    func receiveTarget(_ total: Int, _ flags: Int32) -> Int {
        let lowWater = Int(status.lowWater)
        if flags & Int32(MSG_WAITALL) == 0, lowWater <= 1 { return 1 }
        let target = flags & Int32(MSG_WAITALL) != 0 ? total : min(lowWater, total)
        return max(target, 1)
    }

    /// Waits for a token, at most until SO_RCVTIMEO has passed since the first wait of the call.
    func awaitToken(_ limit: inout ReceiveLimit) -> Int {
        let timeout = Int(truncatingIfNeeded: status.receiveTimeout.load() & 0x7fff_ffff_ffff_ffff)
        if timeout == 0 { return domain.awaitToken(placeholder) }
        let now = Kernel.now()
        if limit.deadline == 0 {
            // The first wait's limit is the placeholder's own.
            limit.deadline = now &+ timeout
            return domain.awaitToken(placeholder)
        }
        let left = limit.deadline &- now
        return left <= 0 ? -Int(EAGAIN) : domain.awaitToken(placeholder, nanoseconds: left)
    }

    /// Whether a peek waits for more than is there.
    func mayPeekMore(
        _ ring: InRingFront, _ view: InRingFront.View, _ skip: UInt32, _ target: Int, _ flags: Int32,
        _ limit: ReceiveLimit
    ) -> Bool {
        if Int(view.count &- skip) >= target || view.endOfFile || view.count == ring.size || limit.isOver {
            return false
        }
        return flags & Int32(MSG_DONTWAIT) == 0 && !status.has(StatusLine.Flag.nonBlocking)
            && !status.has(StatusLine.Flag.readShut)
    }

    /// Waits a while for more bytes behind those that stand in the ring and have their token. No token may be taken for
    /// that, because other readers wait for it, so this is the one wait that looks from time to time.
    func awaitMore(_ limit: inout ReceiveLimit) {
        var slice = limit.looks < 20 ? 1_000_000 : 10_000_000
        limit.looks &+= 1
        let timeout = Int(truncatingIfNeeded: status.receiveTimeout.load() & 0x7fff_ffff_ffff_ffff)
        if timeout != 0 {
            let now = Kernel.now()
            if limit.deadline == 0 { limit.deadline = now &+ timeout }
            if limit.deadline <= now {
                limit.end = -Int(EAGAIN)
                return
            }
            slice = min(slice, limit.deadline &- now)
        }
        let result = domain.awaitEnd(placeholder, nanoseconds: slice)
        if result > 0, !input.producerValue().has(InProducer.endOfFile) { limit.end = 1 }
        if result == -Int(EINTR), timeout != 0 || !Signals.handlersRestart() { limit.end = result }
    }

    /// Where a peek begins, from the first unread byte on.
    @inline(__always)
    func peekOffset(_ view: InRingFront.View) -> UInt32 {
        let offset = status.peekOffset.load()
        return offset == 0 ? 0 : min(offset &- 1, view.count)
    }

    /// A peek took `count` bytes.
    func movePeekOffset(_ count: Int) {
        let offset = status.peekOffset.load()
        if offset != 0 { status.peekOffset.store(offset &+ UInt32(truncatingIfNeeded: count)) }
    }

    /// A receive took `count` bytes away.
    @inline(__always)
    func movePeekOffsetBack(_ count: Int) {
        let offset = status.peekOffset.load()
        if offset != 0, count > 0 {
            status.peekOffset.store(offset &- min(UInt32(truncatingIfNeeded: count), offset &- 1))
        }
    }

    /// Takes the tokens away from less than SO_RCVLOWAT bytes: that is not readable. Called with the lock held.
    func hideRemainder(_ ring: InRingFront) {
        var tries = 0
        while tries < 10, let view = try? ring.view() {
            if view.count == 0 || view.count >= status.lowWater || view.endOfFile || view.producer.tokens == 0
                || view.producer.has(InProducer.unsettled)
            {
                return
            }
            if ring.disarm(view) {
                eat(view.producer.tokens)
                // It may be all that SO_RCVBUF lets in, which the backend knows.
                if view.count >= BufferLimit.minimum { notify() }
                return
            }
            tries &+= 1
        }
    }

    /// SO_RCVLOWAT changed to what the backend took.
    func setLowWater(_ bytes: UInt32) {
        status.setLowWater(bytes)
        guard bytes > 1, case .connected = status.state, half > 0 else { return }
        let lock = status.receiveLock
        let held = lock.acquire(tag, placeholder: placeholder)
        if !held.isReentered, !isGone { hideRemainder(input) }
        lock.release(held)
    }
}
