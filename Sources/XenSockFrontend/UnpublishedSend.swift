import CXenSockSystem
import XenSockPlatform
import XenSockRing

/// A copy to `out` that a thread has under way. A signal handler that interrupts it and sends on the same socket cannot
/// write behind what is not published, nor in its place: the interrupted copy would go on over the handler's bytes. So
/// the handler finishes the copy first, from the same buffers to the same place, and publishes it.
struct UnpublishedSend {
    /// Which socket.
    let indexes: UnsafeMutableRawPointer
    let view: OutRingFront.View
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
}

extension StreamSocket {
    /// Copies `count` bytes from the cursor to the ring and publishes them. Called with the send lock held.
    ///
    /// - Returns: as `OutRingFront.publish`; `.done(ring: false)` if a handler did it.
    func copyAndPublish(
        _ ring: OutRingFront, _ view: OutRingFront.View, _ count: UInt32, from cursor: inout VectorCursor
    ) throws(RingViolation) -> OutRingFront.Publication {
        let below = UnpublishedSend.current
        var send = UnpublishedSend(indexes: indexes, view: view, count: count, source: cursor, below: below)
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
            let publication = try ring.publish(view, count)
            if case .moved = publication {
                if pointer.pointee.isPublished { return .done(ring: false) }
                cursor = pointer.pointee.source
            }
            return publication
        }
    }

    /// Finishes the copies to this ring that the calling handler's thread has under way, the oldest first.
    ///
    /// - Returns: where the oldest begins: what lies behind it may be written again when that goes on. nil: there is none.
    func finishInterruptedSends(_ ring: OutRingFront) -> UInt32? {
        var oldest: UnsafeMutablePointer<UnpublishedSend>?
        while true {
            var next: UnsafeMutablePointer<UnpublishedSend>?
            var send = UnpublishedSend.current
            while let candidate = send {
                // One that is not next to be published has published itself, or will look again before it writes.
                if candidate.pointee.indexes == indexes,
                    candidate.pointee.isPublished || ring.isCurrent(candidate.pointee.view)
                {
                    oldest = candidate
                    if !candidate.pointee.isPublished { next = candidate }
                }
                send = candidate.pointee.below
            }
            guard let next else { return oldest?.pointee.view.producer.index }
            let space = ring.free(next.pointee.view, limit: next.pointee.count)
            var source = next.pointee.source
            source.load(into: space.first)
            source.load(into: space.second)
            // Interrupted before its own swap or behind it: either way it is published now.
            if case .done(let mustNotify) = try? ring.publish(next.pointee.view, next.pointee.count) {
                next.pointee.isPublished = true
                if mustNotify { notify() }
            } else {
                return oldest?.pointee.view.producer.index
            }
        }
    }
}
