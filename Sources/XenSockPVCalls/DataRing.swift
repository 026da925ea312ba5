import XenSockRing
import XenSockWire
import XenSockXen

/// The pages and the event channel of one socket: an indexes page and a data ring, granted to the backend
/// (docs/PROTOCOL.md, 5.6 and 5.7), seen from the frontend.
///
/// What the backend writes is read once a step and bounded; the two indexes of this side stand in private memory.
final class DataRing {
    /// The orders that Linux's backend maps. A half has `2048 << order` bytes.
    static let orders: ClosedRange<UInt32> = 1...4

    let order: UInt32
    /// Names the indexes page in requests.
    let reference: UInt32
    private(set) var port: UInt32 = 0
    private let allocation: GrantAllocation
    private let ring: V1Ring
    private let half: UInt32

    private(set) var consumed: UInt32 = 0
    private(set) var produced: UInt32 = 0
    /// Values of in_cons that the backend may have seen last, oldest first: it stops reading when it has filled `in` as
    /// far as one of them allows, and goes on only upon an event.
    private var published: [UInt32] = [0]
    private var firstPublished = 0
    /// The in_prod at which it was last told that there is room.
    private var toldProducer: UInt32?
    private var isOutputOver = false
    /// Called at each event of the channel.
    var handler: () -> Void = {}

    /// - Throws: when the guest may grant no more pages.
    init(order: UInt32, allocator: any GrantAllocator, backend: DomainID) throws(XenError) {
        allocation = try allocator.allocate(pages: 1 + 1 << Int(order), for: backend)
        self.order = order
        half = 2048 << order
        reference = allocation.references[0]
        let indexes = allocation.base
        ring = V1Ring(indexes: indexes, data: indexes + pageSize, half: half)
        SharedWord32(indexes + IndexesPage.ringOrder).store(order)
        for (index, reference) in allocation.references.dropFirst().enumerated() {
            SharedWord32(indexes + DataRingLayout.referenceOffset(page: index)).store(reference)
        }
    }

    /// Makes the event channel. To be called once.
    func open(_ connection: any PVCallsConnection) throws(XenError) {
        port = try connection.bind { [weak self] in self?.handler() }
    }

    /// Unbinds the channel. The pages stay: bytes that have come can be taken.
    func unbind(_ connection: (any PVCallsConnection)?) {
        if port != 0 { connection?.unbind(port) }
        port = 0
    }

    /// Unbinds the channel and ends the grants; the kernel keeps what the backend still has mapped.
    func close(_ connection: (any PVCallsConnection)?) {
        unbind(connection)
        allocation.free()
    }

    // MARK: In

    /// Bytes that have come and were not taken.
    func unread() throws(RingViolation) -> UInt32 {
        try ring.input.queued(produced: ring.input.producer.loadOrdered(), consumed: consumed)
    }

    /// in_error: 0, or the negated number that ends the stream behind the bytes that stand in the ring then.
    var inputError: Int32 { Int32(bitPattern: ring.input.error.loadOrdered()) }

    /// Whether the backend must be told that there is room.
    enum Notice {
        case none, now
        /// If nothing else has told it by then: it hardly waits.
        case later
    }

    /// Copies bytes that have come.
    func receive(into room: Segments) throws(RingViolation) -> (count: Int, notice: Notice) {
        let producer = ring.input.producer.loadOrdered()
        let queued = try ring.input.queued(produced: producer, consumed: consumed)
        let count = min(Int(queued), room.count)
        guard count > 0 else { return (0, .none) }
        let knowsFirstOnly = published.count == 1
        copy(ring.input.bytes(at: consumed, count: UInt32(count)), to: room)
        consumed &+= UInt32(count)
        // Never all: who sends messages of a round size would else seem to have filled the ring with every other one.
        let index = consumed &- Self.withheld
        if Int32(bitPattern: index &- published.last!) > 0 { publish(index) }
        guard mustTell(producer) else { return (count, .none) }
        // The index at the beginning has no odd place: two messages of half the size come to it as well.
        return (count, published[firstPublished] != 0 || knowsFirstOnly ? .now : .later)
    }

    /// Whether nothing has come since `receive` said that the backend must be told.
    var isUntold: Bool { toldProducer == ring.input.producer.loadOrdered() }

    /// Bytes of `in` that were taken and are not said to be.
    private static let withheld: UInt32 = 13

    private func publish(_ index: UInt32) {
        ring.input.consumer.storeOrdered(index)
        published.append(index)
    }

    /// Says that all was taken which was: what stands in `in` at a close makes a backend reset the connection.
    func publishAll() { ring.input.consumer.storeOrdered(consumed) }

    /// Whether the backend may wait for room: it has filled `in` as far as an index that it has seen allows, and now at
    /// least half of the ring is free. An event that finds nothing to do is not sent: Linux's backend slows a channel
    /// down for it, and up to Linux 6.1 does not listen any more.
    private func mustTell(_ producer: UInt32) -> Bool {
        while firstPublished < published.count - 1, producer &- published[firstPublished] > half { firstPublished += 1 }
        if firstPublished > 256 {
            published.removeFirst(firstPublished)
            firstPublished = 0
        }
        let isFilled = producer &- published[firstPublished] == half
        let free = half &- (producer &- consumed)
        guard isFilled, free >= half / 2, toldProducer != producer else { return false }
        toldProducer = producer
        return true
    }

    // MARK: Out

    func room() throws(RingViolation) -> UInt32 { half - (try untaken()) }

    /// Bytes that the backend has not taken.
    func untaken() throws(RingViolation) -> UInt32 {
        try ring.output.queued(produced: produced, consumed: ring.output.consumer.loadOrdered())
    }

    /// out_error: 0, or the negated number that ends sending.
    var outputError: Int32 { Int32(bitPattern: ring.output.error.loadOrdered()) }

    /// Copies bytes to the backend, as many as there is room for.
    ///
    /// - Returns: how many, and whether the backend has taken all that was there before: it may have gone to sleep.
    ///   Otherwise it finds them when it has taken the others.
    func send(_ bytes: Segments) throws(RingViolation) -> (count: Int, mustTell: Bool) {
        let count = min(Int(try room()), bytes.count)
        guard count > 0 else { return (0, false) }
        let before = produced
        let target = ring.output.bytes(at: produced, count: UInt32(count))
        copy(bytes, to: target)
        produced &+= UInt32(count)
        ring.output.producer.storeOrdered(produced)
        return (count, ring.output.consumer.loadOrdered() == before)
    }

    /// Takes back what was not sent, after out_error: Linux's backend would try it again and again, with an event each
    /// time.
    func withdraw() {
        guard !isOutputOver else { return }
        isOutputOver = true
        guard let untaken = try? untaken() else { return }
        produced &-= untaken
        ring.output.producer.storeOrdered(produced)
    }
}

private let pageSize = 4096

/// As many bytes as both have.
private func copy(_ source: Segments, to target: Segments) {
    put(source.first, at: 0, target)
    put(source.second, at: source.first.count, target)
}

private func put(_ bytes: UnsafeMutableRawBufferPointer, at offset: Int, _ target: Segments) {
    let head = max(0, min(bytes.count, target.first.count - offset))
    if head > 0 { (target.first.baseAddress! + offset).copyMemory(from: bytes.baseAddress!, byteCount: head) }
    let start = max(0, offset - target.first.count)
    let tail = min(bytes.count - head, target.second.count - start)
    if tail > 0 { (target.second.baseAddress! + start).copyMemory(from: bytes.baseAddress! + head, byteCount: tail) }
}
