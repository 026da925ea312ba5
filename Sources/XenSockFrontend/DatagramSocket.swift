import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// A socket of type SOCK_DGRAM or SOCK_RAW, for one call of the program: as `StreamSocket`, but its ring carries records
/// from the beginning, connected or not (docs/PROTOCOL.md, 2.5).
struct DatagramSocket<Domain: FrontendDomain> {
    /// Domain, placeholder, status line, rings and tag.
    var plain: StreamSocket<Domain>

    var status: SocketStatus { plain.status }

    /// Bytes that a half must have.
    static var minimumHalf: UInt32 { 2048 << DatagramRecord.minimumOrder }

    /// Whether the ring is one that carries datagrams: a service may have written anything to the status line.
    var hasRing: Bool { plain.half >= Self.minimumHalf }

    /// Takes the pending error, with the receive lock held: a positive errno, or 0. The flag of the producer word that
    /// announced it goes with it.
    ///
    /// The service sets the flag before the error and looks again behind it; here the flag goes after the error, and
    /// comes back if another error has come in between. So none is left that no flag shows.
    func takeError() -> Int {
        let ring = plain.input
        var error = status.takeError()
        var tries = 0
        while error == 0 {
            guard ring.producerValue().has(InProducer.error), tries < 1000 else { break }
            // The service is about to set it; or another has just taken it.
            xs_pause()
            error = status.takeError()
            tries &+= 1
        }
        try? ring.set(InProducer.error, false)
        if status.error != 0 { try? ring.set(InProducer.error, true) }
        return error
    }

    /// Takes the tokens away if nothing is left to see, with the receive lock held.
    ///
    /// - Returns: false if tokens did not come, or the ring is broken.
    func tidy() -> Bool {
        let ring = plain.input
        var tries = 0
        while tries < 1000, let view = try? ring.view() {
            if view.count > 0 || view.producer.tokens == 0 { return true }
            let stays = InProducer.endOfFile | InProducer.unsettled | InProducer.error | InProducer.errorQueue
            if view.producer.has(stays) { return true }
            if ring.disarm(view) { return plain.eat(view.producer.tokens) }
            tries &+= 1
        }
        return false
    }

    /// Takes the pending error for a call that does not receive.
    func takeErrorAndTidy() -> Int {
        let lock = status.receiveLock
        let held = lock.acquire(plain.tag, placeholder: plain.placeholder)
        defer { lock.release(held) }
        if plain.isGone { return 0 }
        let error = takeError()
        if !held.isReentered { _ = tidy() }
        if error != 0 { DatagramVerdicts(plain.indexes).forget() }
        return error
    }

    /// The size of the next datagram, as FIONREAD gives it; nil if none is in the ring.
    func nextSize() -> Int32? {
        let ring = plain.input
        guard hasRing, let view = try? ring.view(), view.count > 0, let words = ring.head(view),
            let record = DatagramRecord(words: words, available: view.count)
        else { return nil }
        return Int32(record.payload)
    }

    /// Corrects what poll(2) said: an error makes a datagram socket neither readable nor hung up, but shows as ERR.
    func polled(_ events: Int16, asked: Int16) -> Int16 {
        let value = plain.input.producerValue()
        let failed = value.has(InProducer.errorQueue) || status.error != 0
        guard failed else { return events }
        var events = events | Int16(POLLERR)
        if value.has(InProducer.errorQueue), status.has(StatusLine.Flag.errorQueueIsUrgent) {
            events |= asked & Int16(POLLPRI)
        }
        if let view = try? plain.input.view(), view.count == 0, !value.has(InProducer.endOfFile) {
            events &= ~Int16(POLLIN)
        }
        return events
    }
}

/// Where a process that shares the socket finds which destinations have had their verdict: words in the indexes page
/// that only frontends use. What stands there decides nothing but whether a call waits for the service's answer.
struct DatagramVerdicts {
    /// Offset in the indexes page, behind all references that a ring can have.
    static let offset = 2816
    static let count = 128

    private let base: UnsafeMutableRawPointer

    init(_ indexes: UnsafeMutableRawPointer) { base = indexes + Self.offset }

    /// A destination: where to and with what.
    struct Key {
        /// The upper 47 bits name it, bit 16 is set, the lower 16 hold a size.
        fileprivate var value: UInt64

        init(address: UnsafeRawBufferPointer, control: UnsafeRawBufferPointer, flags: UInt32) {
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(flags)
            for byte in address { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            hash = (hash ^ UInt64(address.count)) &* 0x100_0000_01b3
            for byte in control { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            hash ^= hash >> 29
            value = hash & ~0x1_ffff | 0x1_0000
        }
    }

    private func word(_ key: Key) -> SharedWord64 {
        SharedWord64(base + Int(truncatingIfNeeded: key.value >> 17) & (Self.count &- 1) &* 8)
    }

    /// Whether a datagram of at least `size` bytes went there.
    func has(_ key: Key, _ size: Int) -> Bool {
        let found = word(key).load()
        return found & ~0xffff == key.value && size <= Int(truncatingIfNeeded: found & 0xffff)
    }

    func add(_ key: Key, _ size: Int) { word(key).store(key.value | UInt64(size & 0xffff)) }

    /// What the kernel would say may be another thing from now on.
    func forget() {
        var index = 0
        while index < Self.count {
            SharedWord64(base + index &* 8).store(0)
            index &+= 1
        }
    }
}
