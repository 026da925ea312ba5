import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockTestSupport

@testable import XenSockBackend

/// A kernel for one socket of the service: a stream to a peer that the test plays, and the service's end of an
/// in-memory placeholder. Readiness comes as edges, as from epoll(7) with EPOLLET.
final class InMemoryKernel: SocketKernel {
    static let network: Int32 = 50
    static let placeholder: Int32 = 60

    let pair: InMemoryPlaceholder
    /// Called inside the backend's system calls: what the program does meanwhile.
    var meanwhile: () -> Void = {}

    // The stream.
    private let inbound: PatternStream
    private let outbound: PatternStream
    /// Bytes that the peer has sent, and those that the service has received.
    private(set) var arrived = 0
    private(set) var received = 0
    private(set) var isFinished = false
    private var error: Int32 = 0
    /// Bytes that the service has sent, and those that the peer has read.
    private(set) var sent = 0
    private(set) var taken = 0
    let sendBuffer = 3000
    private(set) var isWriteShut = false
    private(set) var isClosed = false
    private(set) var mismatch: String?
    /// What connect(2) returns: 0, or -EINPROGRESS until `decide`.
    var connectResult: Int32 = 0

    /// Edges not taken yet, by descriptor.
    private var edges: [Int32: UInt32] = [:]
    private var watched: [Int32: UInt32] = [:]
    private var seen: (InMemoryPlaceholder.Events, Int) = ([], 0)
    private var time: UInt64 = 1

    init(pair: InMemoryPlaceholder, inbound: PatternStream, outbound: PatternStream) {
        self.pair = pair
        self.inbound = inbound
        self.outbound = outbound
    }

    /// Takes the edges of a descriptor that it is watched for.
    func takeEdges(_ descriptor: Int32) -> UInt32 {
        guard let wanted = watched[descriptor] else { return 0 }
        defer { edges[descriptor] = nil }
        return edges[descriptor, default: 0] & (wanted | EpollEvents.error | EpollEvents.hangup)
    }

    func receiveMessage(
        _ descriptor: Int32, into segments: Segments, _ buffers: inout MessageBuffers, flags: inout Int32
    ) -> Int { Int(-EOPNOTSUPP) }

    func sendMessage(_ descriptor: Int32, from segments: Segments, _ buffers: MessageBuffers, flags: Int32) -> Int {
        Int(-EOPNOTSUPP)
    }

    private func raise(_ descriptor: Int32, _ events: UInt32) { edges[descriptor, default: 0] |= events }

    /// Looks at what the program did to the placeholder since the last look: each filler and each end is an edge.
    func lookAtPlaceholder() {
        let now = (pair.events(.service), pair.unread(at: .service))
        defer { seen = now }
        guard now.0 != seen.0 || now.1 > seen.1 else { return }
        raise(Self.placeholder, UInt32(UInt16(bitPattern: now.0.rawValue)))
    }

    // The peer.

    func peerSends(_ count: Int) {
        arrived += count
        raise(Self.network, EpollEvents.input)
    }

    func peerFinishes() {
        isFinished = true
        raise(Self.network, EpollEvents.input | EpollEvents.readHangup)
    }

    func peerResets(_ error: Int32) {
        self.error = error
        isFinished = true
        raise(Self.network, EpollEvents.input | EpollEvents.output | EpollEvents.error | EpollEvents.hangup)
    }

    func peerReads(_ limit: Int) {
        guard taken < sent else { return }
        taken += min(limit, sent - taken)
        raise(Self.network, EpollEvents.output)
    }

    func decide(_ error: Int32) {
        self.error = error
        raise(Self.network, EpollEvents.output | (error != 0 ? EpollEvents.error | EpollEvents.hangup : 0))
    }

    // The real socket.

    func connect(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32 { connectResult }

    func receive(_ descriptor: Int32, into segments: Segments) -> Int {
        meanwhile()
        let count = min(segments.count, arrived - received)
        if count == 0 {
            if error != 0 { return Int(takeError()) * -1 }
            return isFinished ? 0 : -Int(EAGAIN)
        }
        let bytes = inbound.bytes(received..<received + count)
        segments.first.copyBytes(from: bytes.prefix(segments.first.count))
        segments.second.copyBytes(from: bytes.dropFirst(segments.first.count).prefix(segments.second.count))
        received += count
        return count
    }

    func send(_ descriptor: Int32, from segments: Segments) -> Int {
        meanwhile()
        if error != 0 { return Int(takeError()) * -1 }
        if isWriteShut { return -Int(EPIPE) }
        let count = min(segments.count, sendBuffer - (sent - taken))
        if count == 0 { return -Int(EAGAIN) }
        let bytes = Array((Array(segments.first) + Array(segments.second)).prefix(count))
        if bytes != outbound.bytes(sent..<sent + count) { mismatch = "wrong bytes sent at \(sent)" }
        sent += count
        return count
    }

    private func takeError() -> Int32 {
        defer { error = 0 }
        return error
    }

    func shutdown(_ descriptor: Int32, how: Int32) -> Int32 {
        if descriptor == Self.placeholder {
            pair.shutdown(.service, reading: how != 1, writing: how != 0)
        } else if how != 0 {
            isWriteShut = true
        }
        return 0
    }

    func close(_ descriptor: Int32) {
        if descriptor == Self.placeholder { pair.close(.service) } else { isClosed = true }
    }

    func getsockopt(
        _ descriptor: Int32, level: Int32, name: Int32, value: UnsafeMutableRawPointer, length: inout UInt32
    ) -> Int32 {
        guard level == SOL_SOCKET, name == SO_ERROR else { return -ENOPROTOOPT }
        value.storeBytes(of: takeError(), as: Int32.self)
        return 0
    }

    func setsockopt(_ descriptor: Int32, level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Int32 { 0 }

    func ioctl(_ descriptor: Int32, request: UInt32, value: inout Int32) -> Int32 {
        if descriptor == Self.network {
            value = Int32(arrived - received)
        } else {
            value = Int32(pair.unread(at: .program))
        }
        return 0
    }

    func poll(_ descriptor: Int32, _ events: PollEvents) -> PollEvents {
        let always: PollEvents = [.error, .hangup]
        if descriptor == Self.placeholder {
            return PollEvents(rawValue: pair.events(.service).rawValue).intersection(events.union(always))
        }
        var now: PollEvents = []
        if received < arrived || isFinished { now.insert(.input) }
        if sent - taken < sendBuffer, connectResult == 0 { now.insert(.output) }
        return now.intersection(events.union(always))
    }

    // The placeholder.

    func sendToken(_ placeholder: Int32) -> Int {
        // Not before: who disarms then waits for this token, and would wait in vain for a service it has interrupted.
        defer { meanwhile() }
        return pair.send(from: .service, 1)
    }

    func receiveFiller(_ placeholder: Int32) -> Int {
        meanwhile()
        return pair.receive(at: .service, LocalDomain.fillerSize)
    }

    // Readiness.

    func epollAdd(_ epoll: Int32, _ descriptor: Int32, events: UInt32, data: UInt64) -> Int32 {
        epollModify(epoll, descriptor, events: events, data: data)
    }

    /// What is ready when the watch begins or changes is an edge.
    func epollModify(_ epoll: Int32, _ descriptor: Int32, events: UInt32, data: UInt64) -> Int32 {
        watched[descriptor] = events
        let ready = poll(descriptor, [.input, .output, .readHangup])
        raise(descriptor, UInt32(UInt16(bitPattern: ready.rawValue)))
        return 0
    }

    func epollDelete(_ epoll: Int32, _ descriptor: Int32) { watched[descriptor] = nil }

    func now() -> UInt64 {
        time += 1_000
        return time
    }

    // What these tests never ask for.

    func socket(domain: Int32, type: Int32, protocolNumber: Int32) -> Int32 { -EMFILE }
    func bind(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32 { -EINVAL }
    func sendRelayed(_ placeholder: Int32, from segments: Segments) -> Int { -Int(EINVAL) }
    func receiveRelayed(_ placeholder: Int32, into segments: Segments) -> Int { -Int(EINVAL) }
    func listen(_ descriptor: Int32, backlog: Int32) -> Int32 { -EINVAL }
    func accept(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 { -EINVAL }
    func sendUrgent(_ descriptor: Int32, byte: UInt8) -> Int { -Int(EINVAL) }
    func getsockname(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 { -EINVAL }
    func getpeername(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 { -EINVAL }
    /// The arena's memory is the test's.
    func unmap(_ address: UnsafeMutableRawPointer, size: Int) {}
}
