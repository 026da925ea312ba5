import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// What one sending call is given.
struct OutgoingDatagram {
    let record: DatagramRecord
    let payload: VectorCursor
    let address: UnsafeRawBufferPointer
    let control: UnsafeRawBufferPointer

    /// Writes the record behind the view's producer index. False where none can begin.
    func store(_ ring: OutRingFront, _ view: OutRingFront.View) -> Bool {
        guard ring.storeHead(view, record.words) else { return false }
        var cursor = payload
        let space = ring.space(view, at: DatagramRecord.headSize, record.payload)
        cursor.load(into: space.first)
        cursor.load(into: space.second)
        if let base = address.baseAddress {
            ring.space(view, at: record.addressOffset, record.address).copy(from: base)
        }
        if let base = control.baseAddress {
            ring.space(view, at: record.controlOffset, record.control).copy(from: base)
        }
        return true
    }
}

/// A record that a thread is about to publish; see `UnpublishedSend`.
struct UnpublishedRecord {
    let indexes: UnsafeMutableRawPointer
    let view: OutRingFront.View
    let datagram: OutgoingDatagram
    var isPublished = false
    let below: UnsafeMutablePointer<UnpublishedRecord>?

    /// What this thread has under way, or nil.
    static var current: UnsafeMutablePointer<UnpublishedRecord>? {
        get { xs_get_unpublished_record()?.assumingMemoryBound(to: UnpublishedRecord.self) }
        set { xs_set_unpublished_record(newValue) }
    }
}

/// Sending on a datagram socket.
extension DatagramSocket {
    /// Publishes one record, waiting for room if `blocking`.
    ///
    /// - Parameter end: becomes out_prod behind the record.
    /// - Returns: 0 or a negative errno.
    func publish(_ datagram: OutgoingDatagram, blocking: Bool, end: inout UInt32) -> Int {
        var socket = self
        let result = socket.published(datagram, blocking: blocking, end: &end)
        socket.plain.endHold()
        return result
    }

    private mutating func published(_ datagram: OutgoingDatagram, blocking: Bool, end: inout UInt32) -> Int {
        let ring = plain.output
        let need = datagram.record.size
        let lock = status.sendLock
        var held = lock.acquire(plain.tag, placeholder: plain.placeholder)
        if plain.isGone {
            lock.release(held)
            return StreamSocket<Domain>.isGoneNow
        }
        var deadline = 0
        var fruitless = 0
        var wakes = VainWakes()
        var result = 0
        while true {
            guard fruitless < StreamSocket<Domain>.fruitlessLimit, let view = try? ring.view() else {
                result = -Int(EIO)
                break
            }
            fruitless &+= 1
            if case .reset = status.state {
                result = -Int(EIO)
                break
            }
            // Nothing is written where an interrupted copy of this thread may go on.
            let oldest = held.isReentered ? finishInterrupted(ring) : nil
            if oldest != nil, !ring.isCurrent(view) { continue }
            let used = oldest.map { max(view.used, view.producer.index &- $0) } ?? view.used
            if ring.size &- used >= need {
                guard let publication = try? storeAndPublish(ring, view, datagram) else {
                    result = -Int(EIO)
                    break
                }
                guard case .done(let mustNotify) = publication else { continue }
                end = view.producer.index &+ need
                if mustNotify { plain.notify() }
                break
            }
            if ring.size &- view.used >= need {
                // Room comes only when the interrupted call goes on.
                result = -Int(EAGAIN)
                break
            }
            switch ring.block(view.consumer) {
            case .lookAgain where held.isReentered && view.consumer.has(OutConsumer.fillerPending): break
            case .lookAgain: continue
            case .sendFiller:
                plain.sendFiller(ring)
                continue
            case .full: break
            }
            if !blocking {
                result = -Int(EAGAIN)
                break
            }
            if held.isReentered { plain.renotify() }
            plain.hold()
            lock.release(held)
            result = plain.awaitSpace(&deadline)
            if result == 1 {
                let interrupted = wakes.add()
                if interrupted < 0 { result = interrupted }
            }
            fruitless = 0
            held = lock.acquire(plain.tag, placeholder: plain.placeholder)
            let isMoved = plain.settleHold()
            if plain.isGone {
                result = StreamSocket<Domain>.isGoneNow
                break
            }
            if isMoved, result == 2 || plain.mustWaitAgain(isMoved, result) { continue }
            if result < 0 { break }
            if result == 2, plain.domain.isHungUp(plain.placeholder) {
                result = -Int(ENETDOWN)
                break
            }
            result = 0
        }
        lock.release(held)
        return result
    }

    /// Writes and publishes a record; what a handler of this thread has published in between stands before it.
    private func storeAndPublish(
        _ ring: OutRingFront, _ view: OutRingFront.View, _ datagram: OutgoingDatagram
    ) throws(RingViolation) -> OutRingFront.Publication {
        let below = UnpublishedRecord.current
        var record = UnpublishedRecord(indexes: plain.indexes, view: view, datagram: datagram, below: below)
        return try withUnsafeMutablePointer(to: &record) { (pointer) throws(RingViolation) in
            UnpublishedRecord.current = pointer
            defer { UnpublishedRecord.current = below }
            // A handler that sent before it could see this record has published another in its place; one that saw it has
            // published it, and to do so again does no harm.
            guard ring.isCurrent(view) || pointer.pointee.isPublished else { return .moved }
            guard datagram.store(ring, view) else { throw RingViolation() }
            let publication = try ring.publish(view, datagram.record.size)
            if case .moved = publication, pointer.pointee.isPublished { return .done(ring: false) }
            return publication
        }
    }

    /// Finishes the records for this ring that the calling handler's thread has under way, the oldest first.
    ///
    /// - Returns: where the oldest begins; nil if there is none.
    private func finishInterrupted(_ ring: OutRingFront) -> UInt32? {
        var oldest: UnsafeMutablePointer<UnpublishedRecord>?
        while true {
            var next: UnsafeMutablePointer<UnpublishedRecord>?
            var record = UnpublishedRecord.current
            while let candidate = record {
                // One that is not next to be published has published itself, or will look again before it writes.
                if candidate.pointee.indexes == plain.indexes,
                    candidate.pointee.isPublished || ring.isCurrent(candidate.pointee.view)
                {
                    oldest = candidate
                    if !candidate.pointee.isPublished { next = candidate }
                }
                record = candidate.pointee.below
            }
            guard let next else { return oldest?.pointee.view.producer.index }
            let view = next.pointee.view
            guard next.pointee.datagram.store(ring, view),
                case .done(let mustNotify) = try? ring.publish(view, next.pointee.datagram.record.size)
            else { return oldest?.pointee.view.producer.index }
            next.pointee.isPublished = true
            if mustNotify { plain.notify() }
        }
    }
}
