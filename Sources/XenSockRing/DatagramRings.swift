/// The ends of a data ring that carries whole records, each a head of three words with bytes behind it
/// (docs/PROTOCOL.md, 2.5). A record begins at an index that is a multiple of 8; it is published and consumed whole.

/// The three words at `index` of a half; nil unless `index` is a multiple of 8. Each is read once.
private func words(_ data: UnsafeMutableRawPointer, _ mask: UInt32, _ index: UInt32) -> (UInt64, UInt64, UInt64)? {
    // A multiple of 8 never crosses the end of the half.
    guard index & 7 == 0, mask >= 31 else { return nil }
    return (
        SharedWord64(data + Int(index & mask)).load(), SharedWord64(data + Int((index &+ 8) & mask)).load(),
        SharedWord64(data + Int((index &+ 16) & mask)).load()
    )
}

private func store(
    _ words: (UInt64, UInt64, UInt64), _ data: UnsafeMutableRawPointer, _ mask: UInt32, _ index: UInt32
) {
    SharedWord64(data + Int(index & mask)).store(words.0)
    SharedWord64(data + Int((index &+ 8) & mask)).store(words.1)
    SharedWord64(data + Int((index &+ 16) & mask)).store(words.2)
}

extension InRingBack {
    /// `count` bytes of free space from `offset` behind in_prod. The caller knows that they are free.
    public func space(at offset: UInt32, _ count: UInt32) -> Segments {
        Segments(data: data, mask: mask, index: produced &+ offset, count: count)
    }

    /// Writes the head of the record that the next `publish` makes seen.
    public func storeHead(_ words: (UInt64, UInt64, UInt64)) { store(words, data, mask, produced) }

    /// Asks the frontend to ring once half of the ring is free.
    ///
    /// - Parameter need: at most half of the ring.
    /// - Returns: false if there are `need` bytes, or the frontend consumed meanwhile: look again.
    public func stall(unless need: UInt32) throws(RingViolation) -> Bool {
        let value = consumer.load()
        let used = produced &- value.index
        if used > size { throw RingViolation() }
        if size &- used >= need { return false }
        return consumer.compareExchange(value, .init(index: value.index, flags: value.flags | InConsumer.stall))
    }

    /// Sets `flag` and, if TOKENS is 0, or at any rate for an edge-triggered socket, adds a token: there is something to
    /// see that is not data.
    ///
    /// - Returns: whether the caller must now send one token.
    public func raise(_ flag: UInt32, edge: Bool) throws(RingViolation) -> Bool {
        let (before, after) = try producer.update { value in
            let tokens = value.tokens
            let adds = !value.has(InProducer.unsettled) && (tokens == 0 || (edge && tokens < InProducer.tokens))
            return .init(index: value.index, flags: (value.flags | flag) &+ (adds ? 1 : 0))
        }
        return after.tokens != before.tokens
    }

    /// Clears `flag`; tokens are the readers'.
    public func lower(_ flag: UInt32) throws(RingViolation) {
        _ = try producer.update { .init(index: $0.index, flags: $0.flags & ~flag) }
    }

    public func has(_ flag: UInt32) -> Bool { producer.load().has(flag) }
}

extension InRingFront {
    /// The head of the first record; nil where none can begin.
    public func head(_ view: View) -> (UInt64, UInt64, UInt64)? { words(data, mask, view.consumer.index) }

    /// Sets or clears a flag of the producer word, with the receive lock held.
    public func set(_ flag: UInt32, _ on: Bool) throws(RingViolation) {
        _ = try producer.update { .init(index: $0.index, flags: on ? $0.flags | flag : $0.flags & ~flag) }
    }
}

extension OutRingFront {
    /// `count` bytes of free space from `offset` behind out_prod. The caller knows that they are free.
    public func space(_ view: View, at offset: UInt32, _ count: UInt32) -> Segments {
        Segments(data: data, mask: mask, index: view.producer.index &+ offset, count: count)
    }

    /// Writes the head of the record that the next `publish` makes seen. False where none can begin.
    public func storeHead(_ view: View, _ words: (UInt64, UInt64, UInt64)) -> Bool {
        guard view.producer.index & 7 == 0, mask >= 31 else { return false }
        store(words, data, mask, view.producer.index)
        return true
    }
}

extension OutRingBack {
    /// The head of the first record; nil where none can begin.
    public func head() -> (UInt64, UInt64, UInt64)? { words(data, mask, consumed) }

    /// `count` bytes from `offset` behind out_cons. The caller knows that they are there.
    public func bytes(at offset: UInt32, _ count: UInt32) -> Segments {
        Segments(data: data, mask: mask, index: consumed &+ offset, count: count)
    }
}

extension Segments {
    /// Copies all bytes to private memory.
    public func copy(to destination: UnsafeMutableRawPointer) {
        if let base = first.baseAddress { destination.copyMemory(from: base, byteCount: first.count) }
        if second.count > 0, let base = second.baseAddress {
            (destination + first.count).copyMemory(from: base, byteCount: second.count)
        }
    }

    /// Copies as many bytes from private memory.
    public func copy(from source: UnsafeRawPointer) {
        if let base = first.baseAddress { base.copyMemory(from: source, byteCount: first.count) }
        if second.count > 0, let base = second.baseAddress {
            base.copyMemory(from: source + first.count, byteCount: second.count)
        }
    }
}
