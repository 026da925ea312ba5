/// The frontend's end of `out`: it produces what the program sends (docs/PROTOCOL.md, 2.2). Whoever produces holds the
/// socket's send lock.
@frozen
public struct OutRingFront {
    @usableFromInline let producer: IndexWord
    @usableFromInline let consumer: IndexWord
    @usableFromInline let data: UnsafeMutableRawPointer
    @usableFromInline let mask: UInt32

    @inlinable @inline(__always)
    public init(indexes: UnsafeMutableRawPointer, data: UnsafeMutableRawPointer, size: UInt32) {
        producer = IndexWord(indexes + OutProducer.offset)
        consumer = IndexWord(indexes + OutConsumer.offset)
        self.data = data
        mask = size &- 1
    }

    @inlinable @inline(__always)
    public var size: UInt32 { mask &+ 1 }

    /// What a writer saw at one instant.
    @frozen
    public struct View {
        public var producer: IndexWord.Value
        public var consumer: IndexWord.Value

        @inlinable @inline(__always)
        init(producer: IndexWord.Value, consumer: IndexWord.Value) {
            self.producer = producer
            self.consumer = consumer
        }

        @inlinable @inline(__always)
        public var used: UInt32 { producer.index &- consumer.index }

        @inlinable @inline(__always)
        public var isBroken: Bool { consumer.has(OutConsumer.broken) }

        @inlinable @inline(__always)
        public var isConnected: Bool { consumer.has(OutConsumer.connected) }
    }

    /// Reads both words as they stood at one instant: a signal handler that published between the two loads, and a
    /// backend that took it, would make an honest pair look like a violation.
    @inlinable @inline(__always)
    public func view() throws(RingViolation) -> View {
        var before = producer.load()
        var tries = 0
        while tries < exchangeLimit {
            let consumed = consumer.load()
            let after = producer.load()
            if after.index == before.index {
                let view = View(producer: after, consumer: consumed)
                if view.used > size { throw RingViolation() }
                return view
            }
            before = after
            tries &+= 1
        }
        throw RingViolation()
    }

    /// Whether nobody published since `view`.
    @inlinable @inline(__always)
    public func isCurrent(_ view: View) -> Bool { producer.load().index == view.producer.index }

    /// The consumer word as it stands.
    @inlinable @inline(__always)
    public func consumerValue() -> IndexWord.Value { consumer.load() }

    /// out_prod as it stands: what orders a request behind the bytes published so far.
    @inlinable @inline(__always)
    public var produced: UInt32 { producer.load().index }

    @inlinable @inline(__always)
    public func free(_ view: View, limit: UInt32) -> Segments {
        let space = size &- view.used
        return Segments(
            data: data, mask: mask, index: view.producer.index, count: space < limit ? space : limit)
    }

    @frozen
    public enum Publication {
        /// Published; ring the doorbell if `ring`.
        case done(ring: Bool)
        /// A signal handler published in between: what was copied stands in its place; copy again.
        case moved
    }

    /// Publishes `count` bytes that have been copied to `free`.
    @inlinable @inline(__always)
    public func publish(_ view: View, _ count: UInt32, more: Bool = false) throws(RingViolation) -> Publication {
        let set = more ? OutProducer.more : 0
        var expected = view.producer
        let next = expected.index &+ count
        var tries = 0
        while tries < exchangeLimit {
            let ring = expected.has(OutProducer.idle)
            let flags = expected.flags & ~(OutProducer.idle | OutProducer.more) | set
            if producer.compareExchange(expected, .init(index: next, flags: flags)) {
                return .done(ring: ring)
            }
            let now = producer.load()
            if now.index != expected.index { return .moved }
            expected = now
            tries &+= 1
        }
        throw RingViolation()
    }

    @frozen
    public enum Blocking {
        /// FULL stands: the placeholder polls not writable until the backend drains.
        case full
        /// FPEND stands: send one filler, then call `fillerSent`.
        case sendFiller
        /// The word changed meanwhile: look again.
        case lookAgain
    }

    /// Makes the placeholder not writable: `out` is full in `consumer`, or a connect was under way.
    @inlinable
    public func block(_ consumer: IndexWord.Value) -> Blocking {
        if consumer.has(OutConsumer.full) { return .full }
        if consumer.has(OutConsumer.fillerPending) { return .lookAgain }
        if consumer.has(OutConsumer.owed) {
            let flags = consumer.flags & ~OutConsumer.owed | OutConsumer.full
            return self.consumer.compareExchange(consumer, .init(index: consumer.index, flags: flags))
                ? .full : .lookAgain
        }
        let flags = consumer.flags | OutConsumer.fillerPending
        return self.consumer.compareExchange(consumer, .init(index: consumer.index, flags: flags))
            ? .sendFiller : .lookAgain
    }

    /// Sets FULL for a writer who waits for nothing but the drain: no filler goes with it (docs/PROTOCOL.md, 3.7, RELAY).
    ///
    /// - Returns: false if the word changed meanwhile: look again.
    public func awaitDrain(_ consumer: IndexWord.Value) -> Bool {
        let flags = consumer.flags | OutConsumer.full
        return consumer.has(OutConsumer.full)
            || self.consumer.compareExchange(consumer, .init(index: consumer.index, flags: flags))
    }

    /// Turns FPEND into FULL after the filler was sent. If the backend has drained meanwhile it has turned FPEND into
    /// OWE and takes the filler back.
    @inlinable
    public func fillerSent() throws(RingViolation) {
        _ = try consumer.update { value in
            guard value.has(OutConsumer.fillerPending) else { return value }
            return .init(
                index: value.index, flags: value.flags & ~OutConsumer.fillerPending | OutConsumer.full)
        }
    }
}

/// The backend's end of `out`: it consumes and sends to the network.
@frozen
public struct OutRingBack {
    @usableFromInline let producer: IndexWord
    @usableFromInline let consumer: IndexWord
    @usableFromInline let data: UnsafeMutableRawPointer
    @usableFromInline let mask: UInt32
    /// The backend's own copy of out_cons.
    public private(set) var consumed: UInt32
    /// The bytes that the frontend lets stand in the ring: its size, or less by SO_SNDBUF. Only when the writer is let
    /// go on depends on it.
    public var capacity: UInt32

    public init(indexes: UnsafeMutableRawPointer, data: UnsafeMutableRawPointer, size: UInt32) {
        self.init(indexes: indexes, data: data, size: size, startingAt: 0)
    }

    /// A ring whose index begins at `index`, as if that many bytes had passed.
    init(indexes: UnsafeMutableRawPointer, data: UnsafeMutableRawPointer, size: UInt32, startingAt index: UInt32) {
        producer = IndexWord(indexes + OutProducer.offset)
        consumer = IndexWord(indexes + OutConsumer.offset)
        self.data = data
        mask = size &- 1
        consumed = index
        capacity = size
    }

    /// The first `waiting` bytes in memory that nobody else writes, to go on from there.
    ///
    /// - Parameters:
    ///   - waiting: what `waiting()` said, or less.
    ///   - indexes: 4096 bytes of zeros. Not owned.
    ///   - data: `size` bytes. Not owned.
    public func copy(_ waiting: UInt32, indexes: UnsafeMutableRawPointer, data: UnsafeMutableRawPointer) -> OutRingBack
    {
        let copy = OutRingBack(indexes: indexes, data: data, size: size, startingAt: consumed)
        let (source, target) = (bytes(waiting, limit: waiting), copy.bytes(waiting, limit: waiting))
        target.first.copyMemory(from: UnsafeRawBufferPointer(source.first))
        target.second.copyMemory(from: UnsafeRawBufferPointer(source.second))
        copy.producer.store(.init(index: consumed &+ waiting, flags: 0))
        copy.consumer.store(.init(index: consumed, flags: 0))
        return copy
    }

    @inlinable @inline(__always)
    public var size: UInt32 { mask &+ 1 }

    /// The bytes waiting to be sent. Read once, bounded.
    @inlinable
    public func waiting() throws(RingViolation) -> UInt32 {
        let count = producer.load().index &- consumed
        if count > size { throw RingViolation() }
        return count
    }

    /// Whether the writer has more to come behind the first `count` bytes, and waits with these for that (MSG_MORE).
    public func isMoreComing(behind count: UInt32) -> Bool {
        let value = producer.load()
        return value.has(OutProducer.more) && value.index == consumed &+ count
    }

    /// The first `limit` bytes of the `waiting` ones.
    @inlinable
    public func bytes(_ waiting: UInt32, limit: UInt32) -> Segments {
        Segments(data: data, mask: mask, index: consumed, count: waiting < limit ? waiting : limit)
    }

    /// What the backend does to the placeholder after it changed the consumer word.
    @frozen
    public enum Drain {
        case nothing
        /// Receive exactly one filler: the placeholder becomes writable.
        case receiveFiller
        /// A filler is on its way: receive it when it comes.
        case owesFiller
    }

    /// Moves out_cons on by `count` bytes; if half of the capacity is free then, lets the writer go on.
    public mutating func consume(_ count: UInt32) throws(RingViolation) -> Drain {
        let next = consumed &+ count
        let left = producer.load().index &- next
        if left > size { throw RingViolation() }
        let drain = try change(index: next, release: left <= capacity / 2, set: 0)
        consumed = next
        return drain
    }

    /// The connect is decided: the placeholder becomes writable.
    public func decideConnect() throws(RingViolation) -> Drain {
        try change(index: consumed, release: true, set: OutConsumer.connected)
    }

    /// Nothing more can be sent: every writer gets an error, the placeholder becomes writable.
    public func breakDown() throws(RingViolation) -> Drain {
        try change(index: consumed, release: true, set: OutConsumer.broken)
    }

    /// A filler came that is owed.
    ///
    /// - Returns: whether it was still owed, and is to be received now.
    public func settleOwed() throws(RingViolation) -> Bool {
        let (before, _) = try consumer.update { value in
            .init(index: value.index, flags: value.flags & ~OutConsumer.owed)
        }
        return before.has(OutConsumer.owed)
    }

    /// Whether a filler is owed (`settleOwed` before receiving it).
    @inlinable
    public var isOwed: Bool { consumer.load().has(OutConsumer.owed) }

    /// Whether a filler is announced, or owed: with its sender dead, it is there or never comes.
    @inlinable
    public var isFillerUnsettled: Bool {
        let value = consumer.load()
        return value.has(OutConsumer.fillerPending) || value.has(OutConsumer.owed)
    }

    /// The holder of the send lock died, and every filler that was there has been received: none is announced or owed.
    public func forgetFillers() throws(RingViolation) {
        _ = try consumer.update { value in
            let flags = OutConsumer.fillerPending | OutConsumer.owed
            return .init(index: value.index, flags: value.flags & ~flags)
        }
    }

    /// Tells the writer to ring at its next publish.
    ///
    /// - Returns: false if it has published meanwhile: look again.
    public func idle() throws(RingViolation) -> Bool {
        let value = producer.load()
        if value.index != consumed {
            if value.index &- consumed > size { throw RingViolation() }
            return false
        }
        if value.has(OutProducer.idle) { return true }
        return producer.compareExchange(value, .init(index: value.index, flags: value.flags | OutProducer.idle))
    }

    private func change(index: UInt32, release: Bool, set: UInt32) throws(RingViolation) -> Drain {
        let (before, _) = try consumer.update { value in
            var flags = value.flags | set
            if release {
                if flags & OutConsumer.full != 0 {
                    flags &= ~OutConsumer.full
                } else if flags & OutConsumer.fillerPending != 0 {
                    flags = flags & ~OutConsumer.fillerPending | OutConsumer.owed
                }
            }
            return .init(index: index, flags: flags)
        }
        guard release else { return .nothing }
        if before.has(OutConsumer.full) { return .receiveFiller }
        return before.has(OutConsumer.fillerPending) ? .owesFiller : .nothing
    }
}
