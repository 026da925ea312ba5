import CXenSockSystem
import XenSockPlatform
import XenSockRing

/// A copy to `out` that a thread has under way. A signal handler that interrupts it and sends on the same socket cannot
/// write behind what is not published, nor in its place: the interrupted copy would go on over the handler's bytes. So
/// the handler finishes the copy first, from the same buffers to the same place, and publishes it.
struct UnpublishedSend {
    /// Which socket.
    let indexes: UnsafeMutableRawPointer
    /// out_prod where the copy goes.
    let start: UInt32
    let count: UInt32
    /// Where the bytes begin in the program's buffers.
    let source: VectorCursor
    /// A handler has published them.
    var isPublished = false
    /// The copy that this thread's call had under way when it was itself interrupted.
    let below: UnsafeMutablePointer<UnpublishedSend>?

    /// The copy that this thread has under way, or nil. The thread's own; nothing else sees it.
    static var current: UnsafeMutablePointer<UnpublishedSend>? {
        get { xs_get_unpublished_send()?.assumingMemoryBound(to: UnpublishedSend.self) }
        set { xs_set_unpublished_send(newValue) }
    }

    /// Finishes the copies to a ring that the calling handler's thread has under way, the oldest first.
    ///
    /// - Parameters:
    ///   - indexes: which ring.
    ///   - produced: its out_prod as it stands.
    ///   - publish: copies `count` bytes from `source` to `start` and publishes them. Returns false if the ring is broken.
    /// - Returns: where the oldest begins: what lies behind it may be written again when that goes on. nil: there is none.
    static func finish(
        _ indexes: UnsafeMutableRawPointer, produced: () -> UInt32, publish: (UnpublishedSend) -> Bool
    ) -> UInt32? {
        var oldest: UnsafeMutablePointer<UnpublishedSend>?
        while true {
            var next: UnsafeMutablePointer<UnpublishedSend>?
            var send = current
            while let candidate = send {
                // One that is not next to be published has published itself, or will look again before it writes.
                if candidate.pointee.indexes == indexes,
                    candidate.pointee.isPublished || candidate.pointee.start == produced()
                {
                    oldest = candidate
                    if !candidate.pointee.isPublished { next = candidate }
                }
                send = candidate.pointee.below
            }
            // Interrupted before its own swap or behind it: either way it is published then.
            guard let next, publish(next.pointee) else { return oldest?.pointee.start }
            next.pointee.isPublished = true
        }
    }
}

extension StreamSocket {
    /// Copies `count` bytes from the cursor to the ring and publishes them. Called with the send lock held.
    ///
    /// - Returns: as `OutRingFront.publish`; `.done(ring: false)` if a handler did it.
    func copyAndPublish(
        _ ring: OutRingFront, _ view: OutRingFront.View, _ count: UInt32, from cursor: inout VectorCursor,
        more: Bool = false
    ) throws(RingViolation) -> OutRingFront.Publication {
        let below = UnpublishedSend.current
        var send = UnpublishedSend(
            indexes: indexes, start: view.producer.index, count: count, source: cursor, below: below)
        let space = ring.free(view, limit: count)
        // Only the pointer's target is looked at after the swap: the handler wrote there.
        return try withUnsafeMutablePointer(to: &send) { (pointer) throws(RingViolation) in
            UnpublishedSend.current = pointer
            defer { UnpublishedSend.current = below }
            // A handler that sent before it could see this copy has published another in its place; one that saw it has
            // published it, and to do so again does no harm.
            guard ring.isCurrent(view) || pointer.pointee.isPublished else { return .moved }
            cursor.load(into: space.first)
            cursor.load(into: space.second)
            let publication = try ring.publish(view, count, more: more)
            if case .moved = publication {
                if pointer.pointee.isPublished { return .done(ring: false) }
                cursor = pointer.pointee.source
            }
            return publication
        }
    }

    /// Finishes what this thread's interrupted calls have under way; as `UnpublishedSend.finish`.
    func finishInterruptedSends(_ ring: OutRingFront) -> UInt32? {
        UnpublishedSend.finish(indexes, produced: { ring.produced }) { send in
            guard let view = try? ring.view(), view.producer.index == send.start else { return false }
            let space = ring.free(view, limit: send.count)
            var source = send.source
            source.load(into: space.first)
            source.load(into: space.second)
            guard case .done(let mustNotify) = try? ring.publish(view, send.count) else { return false }
            if mustNotify { notify() }
            return true
        }
    }
}

extension V1StreamSocket {
    /// As `StreamSocket.copyAndPublish`, from out_prod `start` on.
    ///
    /// - Returns: whether the bytes are published; else the cursor stands where it stood.
    func copyAndPublish(
        _ output: V1Direction, at start: UInt32, _ count: UInt32, from cursor: inout VectorCursor
    ) -> Bool {
        let below = UnpublishedSend.current
        var send = UnpublishedSend(
            indexes: plain.indexes, start: start, count: count, source: cursor, below: below)
        let space = output.bytes(at: start, count: count)
        return withUnsafeMutablePointer(to: &send) { pointer in
            UnpublishedSend.current = pointer
            defer { UnpublishedSend.current = below }
            guard output.producer.loadOrdered() == start || pointer.pointee.isPublished else { return false }
            cursor.load(into: space.first)
            cursor.load(into: space.second)
            if output.producer.compareExchange(start, start &+ count) || pointer.pointee.isPublished { return true }
            cursor = pointer.pointee.source
            return false
        }
    }

    func finishInterruptedSends(_ output: V1Direction) -> UInt32? {
        UnpublishedSend.finish(plain.indexes, produced: { output.producer.loadOrdered() }) { send in
            let space = output.bytes(at: send.start, count: send.count)
            var source = send.source
            source.load(into: space.first)
            source.load(into: space.second)
            guard output.producer.compareExchange(send.start, send.start &+ send.count) else { return false }
            plain.notify()
            return true
        }
    }
}
