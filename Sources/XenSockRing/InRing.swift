/// The backend's end of `in`: it produces what the socket received (docs/PROTOCOL.md, 2.2).
@frozen
public struct InRingBack {
    @usableFromInline let producer: IndexWord
    @usableFromInline let consumer: IndexWord
    @usableFromInline let data: UnsafeMutableRawPointer
    @usableFromInline let mask: UInt32
    /// The backend's own copy of in_prod; what stands in shared memory is never believed.
    public private(set) var produced: UInt32
    /// The bytes that may stand in the ring: its size, or less by SO_RCVBUF.
    public var capacity: UInt32

    /// - Parameters:
    ///   - indexes: the indexes page, 4096 bytes. Not owned.
    ///   - data: the half's first byte. Not owned.
    ///   - size: the half's size in bytes, a power of two; 0 for a socket that has no data ring (yet).
    public init(indexes: UnsafeMutableRawPointer, data: UnsafeMutableRawPointer, size: UInt32) {
        self.init(indexes: indexes, data: data, size: size, startingAt: 0)
    }

    /// A ring whose index begins at `index`, as if that many bytes had passed.
    init(indexes: UnsafeMutableRawPointer, data: UnsafeMutableRawPointer, size: UInt32, startingAt index: UInt32) {
        producer = IndexWord(indexes + InProducer.offset)
        consumer = IndexWord(indexes + InConsumer.offset)
        self.data = data
        mask = size &- 1
        produced = index
        capacity = size
    }

    @inlinable @inline(__always)
    public var size: UInt32 { mask &+ 1 }

    /// The bytes produced and not yet consumed.
    @inlinable
    public func unread() throws(RingViolation) -> UInt32 {
        let used = produced &- consumer.load().index
        if used > size { throw RingViolation() }
        return used
    }

    /// The free space, at most `limit` bytes of it.
    @inlinable
    public func free(limit: UInt32) throws(RingViolation) -> Segments {
        let used = try unread()
        let space = used < capacity ? capacity &- used : 0
        return Segments(data: data, mask: mask, index: produced, count: space < limit ? space : limit)
    }

    /// Publishes `count` bytes (or one arrival of a listener, with no data).
    ///
    /// - Parameters:
    ///   - edge: the socket is marked edge-triggered: every publish is a token.
    ///   - quiet: what stands in the ring then is not enough to be readable (SO_RCVLOWAT): no token.
    /// - Returns: whether the caller must now send one token. Sending first would lose it to a reader that disarms.
    public mutating func publish(_ count: UInt32, edge: Bool, quiet: Bool = false) throws(RingViolation) -> Bool {
        let next = produced &+ count
        let (before, after) = try producer.update { value in
            let tokens = value.tokens
            // Unsettled, a token sent already wakes whoever waits, and the next holder of the lock counts.
            let adds =
                !quiet && !value.has(InProducer.unsettled)
                && (tokens == 0 || (edge && tokens < InProducer.tokens))
            let add: UInt32 = adds ? 1 : 0
            return IndexWord.Value(index: next, flags: (value.flags & ~InProducer.tokens) | (tokens &+ add))
        }
        produced = next
        return after.tokens != before.tokens
    }

    /// Sets TOKENS if it is 0: there is something to see that is not data (an error, a decided connect).
    ///
    /// - Returns: whether the caller must now send one token.
    public mutating func arm() throws(RingViolation) -> Bool {
        try publish(0, edge: false)
    }

    /// Marks the end of the stream and sets TOKENS if it is 0, in one swap: behind it no reader takes a token away. The
    /// caller then sends the token, and only after that shuts down its end of the placeholder for writing.
    ///
    /// - Returns: whether the caller must now send one token.
    public func publishEndOfFile() throws(RingViolation) -> Bool {
        let index = produced
        let (before, _) = try producer.update { value in
            let add: UInt32 = value.tokens == 0 && !value.has(InProducer.unsettled) ? 1 : 0
            return .init(index: index, flags: (value.flags | InProducer.endOfFile) &+ add)
        }
        return before.tokens == 0 && !before.has(InProducer.unsettled)
    }

    /// The holder of the receive lock died: how many tokens it received of those that it cleared nobody knows. From here
    /// on TOKENS stands still until the next holder has counted.
    ///
    /// - Returns: whether the caller must now send one token, so that whoever waits looks.
    public func unsettle() throws(RingViolation) -> Bool {
        let (before, _) = try producer.update { value in
            .init(index: value.index, flags: value.flags | InProducer.unsettled)
        }
        return !before.has(InProducer.endOfFile)
    }

    /// Whether a token stands.
    @inlinable
    public var isArmed: Bool { producer.load().tokens != 0 }

    /// Asks the frontend to ring once half of the ring is free.
    ///
    /// - Returns: false if the frontend consumed meanwhile: there is space, look again.
    public func stall() throws(RingViolation) -> Bool {
        let value = consumer.load()
        let used = produced &- value.index
        if used > size { throw RingViolation() }
        if used < capacity { return false }
        return consumer.compareExchange(value, .init(index: value.index, flags: value.flags | InConsumer.stall))
    }

    /// in_prod of a listener: what an ACCEPT's answer reports as `arrivals`.
    @inlinable
    public var arrivals: UInt32 { produced }
}

/// The frontend's end of `in`: it consumes.
///
/// The frontend's index stands in the consumer word itself, because several processes share a socket; whoever consumes
/// holds the socket's receive lock. A signal handler of the holder's thread may consume in between: the interrupted copy
/// notices at its swap.
@frozen
public struct InRingFront {
    @usableFromInline let producer: IndexWord
    @usableFromInline let consumer: IndexWord
    @usableFromInline let data: UnsafeMutableRawPointer
    @usableFromInline let mask: UInt32

    @inlinable @inline(__always)
    public init(indexes: UnsafeMutableRawPointer, data: UnsafeMutableRawPointer, size: UInt32) {
        producer = IndexWord(indexes + InProducer.offset)
        consumer = IndexWord(indexes + InConsumer.offset)
        self.data = data
        mask = size &- 1
    }

    @inlinable @inline(__always)
    public var size: UInt32 { mask &+ 1 }

    /// What a reader saw at one instant; consuming and disarming are tied to it.
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
        public var count: UInt32 { producer.index &- consumer.index }

        @inlinable @inline(__always)
        public var endOfFile: Bool { producer.has(InProducer.endOfFile) }
    }

    /// Reads both words as they stood at one instant: a signal handler that consumed between the two loads, and a
    /// backend that filled the space again, would make an honest pair look like a violation.
    @inlinable @inline(__always)
    public func view() throws(RingViolation) -> View {
        var before = consumer.load()
        var tries = 0
        while tries < exchangeLimit {
            let produced = producer.load()
            let after = consumer.load()
            if after.index == before.index {
                let view = View(producer: produced, consumer: after)
                if view.count > size { throw RingViolation() }
                return view
            }
            before = after
            tries &+= 1
        }
        throw RingViolation()
    }

    /// The first `limit` bytes to read, from `skip` bytes behind the consumer's index.
    @inlinable @inline(__always)
    public func bytes(_ view: View, skip: UInt32 = 0, limit: UInt32) -> Segments {
        let count = view.count &- (skip < view.count ? skip : view.count)
        return Segments(
            data: data, mask: mask, index: view.consumer.index &+ skip, count: count < limit ? count : limit)
    }

    @frozen
    public enum Consumption {
        /// Consumed; ring the doorbell if `ring`.
        case done(ring: Bool)
        /// A signal handler consumed in between: what was copied is not next; copy again.
        case moved
    }

    /// Moves in_cons on by `count` bytes, which have been copied.
    @inlinable @inline(__always)
    public func consume(_ view: View, _ count: UInt32) throws(RingViolation) -> Consumption {
        var expected = view.consumer
        let next = expected.index &+ count
        let free = size &- (view.count &- count)
        var tries = 0
        while tries < exchangeLimit {
            let stalled = expected.has(InConsumer.stall)
            let ring = stalled && free >= size / 2
            let flags = ring ? expected.flags & ~InConsumer.stall : expected.flags
            if consumer.compareExchange(expected, .init(index: next, flags: flags)) { return .done(ring: ring) }
            let now = consumer.load()
            if now.index != expected.index { return .moved }
            expected = now
            tries &+= 1
        }
        throw RingViolation()
    }

    /// Clears TOKENS of an empty ring. The caller then receives `view.producer.tokens` bytes from the placeholder.
    ///
    /// - Returns: false if the producer moved: look again.
    @inlinable @inline(__always)
    public func disarm(_ view: View) -> Bool {
        disarm(view.producer)
    }

    /// Likewise, tied to a value of the producer word alone (a listener's, a failed connect's).
    @inlinable @inline(__always)
    public func disarm(_ value: IndexWord.Value) -> Bool {
        producer.compareExchange(value, .init(index: value.index, flags: value.flags & ~InProducer.tokens))
    }

    /// Clears TOKENS and sets UNSETTLED: from here on the backend sends no token. The caller holds the receive lock, and
    /// receives `value.tokens` bytes from the placeholder.
    ///
    /// - Returns: false if the producer moved: look again.
    public func freeze(_ value: IndexWord.Value) -> Bool {
        let flags = value.flags & ~InProducer.tokens | InProducer.unsettled
        return producer.compareExchange(value, .init(index: value.index, flags: flags))
    }

    /// Ends the recovery after a reader's death: TOKENS is what stands in the placeholder, which changes no more while
    /// the word is unsettled.
    ///
    /// - Parameter tokens: the bytes counted, at most 255.
    /// - Returns: false if the producer moved: try again.
    public func settle(_ value: IndexWord.Value, tokens: UInt32) -> Bool {
        let flags = value.flags & ~(InProducer.tokens | InProducer.unsettled) | (tokens & InProducer.tokens)
        return producer.compareExchange(value, .init(index: value.index, flags: flags))
    }

    /// Whether nobody consumed since `view`: what was copied is what it showed.
    @inlinable @inline(__always)
    public func isCurrent(_ view: View) -> Bool { consumer.load().index == view.consumer.index }

    /// The producer word as it stands.
    @inlinable @inline(__always)
    public func producerValue() -> IndexWord.Value { producer.load() }
}
