/// Layout of a command ring: Xen's `io/ring.h` on one page (docs/PROTOCOL.md, chapter on `pvcalls1`).
@frozen
public struct CommandRingLayout {
    public static let requestProducer = 0
    public static let requestEvent = 4
    public static let responseProducer = 8
    public static let responseEvent = 12
    public static let entries = 64

    /// Size of an entry in bytes.
    public let entrySize: Int
    /// Number of entries, a power of two.
    public let count: UInt32

    @inlinable
    public init(entrySize: Int, count: UInt32) {
        self.entrySize = entrySize
        self.count = count
    }

    /// `pvcalls1` and `xensock2`: 32 entries of 64 bytes.
    @inlinable
    public static var pvcalls: CommandRingLayout { CommandRingLayout(entrySize: 64, count: 32) }

    /// `draft1`: 8 entries of 312 bytes.
    @inlinable
    public static var draft1: CommandRingLayout { CommandRingLayout(entrySize: 312, count: 8) }

    @inlinable @inline(__always)
    func entry(_ page: UnsafeMutableRawPointer, _ index: UInt32) -> UnsafeMutableRawPointer {
        page + Self.entries + entrySize &* Int(index & (count &- 1))
    }
}

/// The frontend's end of a command ring: requests out, responses in. Callers serialise.
@frozen
public struct CommandRingFront {
    @usableFromInline let page: UnsafeMutableRawPointer
    public let layout: CommandRingLayout
    /// Requests written, published or not.
    @usableFromInline var requestsProduced: UInt32 = 0
    @usableFromInline var requestsPublished: UInt32 = 0
    @usableFromInline var responsesConsumed: UInt32 = 0

    /// - Parameter page: the ring's page, 4096 bytes, zeroed; initialised here (SHARED_RING_INIT). Not owned.
    public init(page: UnsafeMutableRawPointer, layout: CommandRingLayout) {
        self.page = page
        self.layout = layout
        SharedWord32(page + CommandRingLayout.requestProducer).store(0)
        SharedWord32(page + CommandRingLayout.responseProducer).store(0)
        SharedWord32(page + CommandRingLayout.requestEvent).store(1)
        SharedWord32(page + CommandRingLayout.responseEvent).store(1)
    }

    /// Whether every entry is taken by a request without response.
    public var isFull: Bool { requestsProduced &- responsesConsumed >= layout.count }

    /// Requests whose response was not consumed yet.
    public var inFlight: UInt32 { requestsProduced &- responsesConsumed }

    /// The slot that the next request will take, 0 to count - 1.
    public var nextSlot: UInt32 { requestsProduced & (layout.count &- 1) }

    /// The memory of the next request. Write it, then `push`.
    public func nextRequest() -> UnsafeMutableRawPointer { layout.entry(page, requestsProduced) }

    /// Publishes the request written at `nextRequest`.
    ///
    /// - Returns: whether the backend asked to be notified.
    public mutating func push() -> Bool {
        let old = requestsPublished
        requestsProduced &+= 1
        requestsPublished = requestsProduced
        SharedWord32(page + CommandRingLayout.requestProducer).storeOrdered(requestsProduced)
        let event = SharedWord32(page + CommandRingLayout.requestEvent).loadOrdered()
        return requestsProduced &- event < requestsProduced &- old
    }

    /// The next response, or nil. Copy it before use, then `consumeResponse`.
    ///
    /// - Throws: if the backend claims more responses than there were requests.
    public func nextResponse() throws(RingViolation) -> UnsafeMutableRawPointer? {
        let produced = SharedWord32(page + CommandRingLayout.responseProducer).load()
        let available = produced &- responsesConsumed
        if available > requestsPublished &- responsesConsumed { throw RingViolation() }
        return available == 0 ? nil : layout.entry(page, responsesConsumed)
    }

    /// Whether a response may be there.
    @inlinable @inline(__always)
    public var hasResponse: Bool {
        SharedWord32(page + CommandRingLayout.responseProducer).load() != responsesConsumed
    }

    public mutating func consumeResponse() { responsesConsumed &+= 1 }

    /// Asks for a notification at the next response.
    ///
    /// - Returns: false if one is there already (RING_FINAL_CHECK_FOR_RESPONSES).
    public func awaitResponse() -> Bool {
        SharedWord32(page + CommandRingLayout.responseEvent).storeOrdered(responsesConsumed &+ 1)
        return SharedWord32(page + CommandRingLayout.responseProducer).loadOrdered() == responsesConsumed
    }
}

/// The backend's end of a command ring: requests in, responses out.
@frozen
public struct CommandRingBack {
    @usableFromInline let page: UnsafeMutableRawPointer
    public let layout: CommandRingLayout
    @usableFromInline var requestsConsumed: UInt32 = 0
    @usableFromInline var responsesProduced: UInt32 = 0
    @usableFromInline var responsesPublished: UInt32 = 0

    /// - Parameter page: the ring's page, initialised by the frontend. Not owned.
    public init(page: UnsafeMutableRawPointer, layout: CommandRingLayout) {
        self.page = page
        self.layout = layout
    }

    /// The next request, or nil. It lies in shared memory: copy it, then `consumeRequest`.
    ///
    /// - Throws: if the frontend has more requests in flight than the ring has entries.
    public func nextRequest() throws(RingViolation) -> UnsafeMutableRawPointer? {
        let produced = SharedWord32(page + CommandRingLayout.requestProducer).load()
        if produced &- responsesProduced > layout.count { throw RingViolation() }
        let available = produced &- requestsConsumed
        if available > layout.count { throw RingViolation() }
        return available == 0 ? nil : layout.entry(page, requestsConsumed)
    }

    /// The place of the last request that waits and is as `matches` says, counted from 1; 0 if there is none. Consumes
    /// nothing.
    ///
    /// - Parameter matches: looks at an entry, which its writer may still change.
    public func last(where matches: (UnsafeMutableRawPointer) -> Bool) -> Int {
        let produced = SharedWord32(page + CommandRingLayout.requestProducer).loadOrdered()
        var waiting = min(produced &- requestsConsumed, layout.count)
        while waiting > 0 {
            if matches(layout.entry(page, requestsConsumed &+ waiting &- 1)) { return Int(waiting) }
            waiting &-= 1
        }
        return 0
    }

    public mutating func consumeRequest() { requestsConsumed &+= 1 }

    /// The memory of the next response. Write it, then `pushResponse`.
    public func nextResponse() -> UnsafeMutableRawPointer { layout.entry(page, responsesProduced) }

    public mutating func pushResponse() { responsesProduced &+= 1 }

    /// Publishes the responses pushed since the last call.
    ///
    /// - Returns: whether the frontend asked to be notified.
    public mutating func publishResponses() -> Bool {
        let old = responsesPublished
        if old == responsesProduced { return false }
        responsesPublished = responsesProduced
        SharedWord32(page + CommandRingLayout.responseProducer).storeOrdered(responsesProduced)
        let event = SharedWord32(page + CommandRingLayout.responseEvent).loadOrdered()
        return responsesProduced &- event < responsesProduced &- old
    }

    /// Asks for a notification at the next request.
    ///
    /// - Returns: false if one is there already (RING_FINAL_CHECK_FOR_REQUESTS).
    public func awaitRequest() -> Bool {
        SharedWord32(page + CommandRingLayout.requestEvent).storeOrdered(requestsConsumed &+ 1)
        return SharedWord32(page + CommandRingLayout.requestProducer).loadOrdered() == requestsConsumed
    }
}
