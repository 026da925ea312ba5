import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockBackend
@testable import XenSockFrontend
@testable import XenSockRing

/// One socket's arena with the frontend's and the service's end, whole, and whoever moves them: all in one thread.
final class BothEnds {
    static let port: UInt32 = 2
    static let descriptor: Int32 = 7
    let memory: SharedPages
    let pair = InMemoryPlaceholder()
    let kernel: InMemoryKernel
    let arena: SessionArena<InMemoryKernel>
    let service: BackendSocket<InMemoryKernel>
    let domain = InMemoryDomain()
    let inbound = PatternStream(salt: 1)
    let outbound = PatternStream(salt: 2)
    var random: SeededGenerator
    /// What the peer does, one thing at a time; false when it has nothing to do.
    var peer: () -> Bool = { false }
    private var isInService = false

    init(seed: UInt64, order: UInt32 = 1) {
        random = SeededGenerator(seed: seed)
        let pages = Arena.firstGrantablePage(ports: 64) + Arena.pagesPerPort * (Self.port + 1)
        memory = SharedPages(pages: Int(pages))
        kernel = InMemoryKernel(pair: pair, inbound: inbound, outbound: outbound)
        arena = SessionArena(kernel: kernel, id: 1, ports: 64, base: memory.base, memory: -1, doorbell: -1)
        let page = Arena.indexesPage(forPort: Self.port, ports: 64)
        let indexes = memory.base + Arena.offset(of: page)
        IndexesPageWriter(indexes).writeRing(order: order, indexesPage: page)
        SocketStatus(line: memory.base + Arena.statusOffset(port: Self.port)).setOrder(order)
        service = BackendSocket(
            kernel: kernel, epoll: 1, arena: arena, port: Self.port,
            pair: PendingPort(placeholder: InMemoryKernel.placeholder, cookie: 1),
            network: InMemoryKernel.network, domain: 2, type: 1, indexes: indexes, networkData: 1,
            placeholderData: 2)
        _ = service.open()
        domain.placeholders[Self.descriptor] = pair
        domain.step = { [unowned self] in step() }
    }

    func socket(thread: UInt32 = 50) -> StreamSocket<InMemoryDomain> {
        StreamSocket(
            domain: domain, placeholder: Self.descriptor, port: Self.port,
            status: SocketStatus(line: memory.base + Arena.statusOffset(port: Self.port)),
            indexes: service.indexes, tag: StatusLine.lock(session: 5, thread: thread))
    }

    func connect() -> Int32 { withUnsafeBytes(of: sockaddr_in()) { service.connect($0) } }

    /// One thing that the service or the peer does. Inside the service nothing more happens.
    func step() -> Bool {
        guard !isInService else { return false }
        kernel.lookAtPlaceholder()
        isInService = true
        defer { isInService = false }
        let first = random.below(4)
        for offset in 0..<4 where act((first + offset) % 4) { return true }
        return false
    }

    private func act(_ which: Int) -> Bool {
        switch which {
        case 0:
            guard domain.hasNotifications else { return false }
            #expect(domain.takeNotifications() == [Self.port])
            service.doorbell()
        case 1:
            guard service.wantsTurn else { return false }
            service.wantsTurn = false
            service.turn()
        case 2:
            let network = kernel.takeEdges(InMemoryKernel.network)
            if network != 0 {
                service.networkEvent(network)
                return true
            }
            let placeholder = kernel.takeEdges(InMemoryKernel.placeholder)
            guard placeholder != 0 else { return false }
            service.placeholderEvent(placeholder)
        default:
            return peer()
        }
        return true
    }

    func settle() {
        var steps = 0
        while step(), steps < 100_000 { steps += 1 }
        #expect(steps < 100_000)
    }

    func receive(_ count: Int, _ flags: Int, thread: UInt32 = 50) -> (result: Int, bytes: [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = bytes.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: count)
            return socket(thread: thread).receive(&vector, 1, flags: Int32(flags))
        }
        return (result, Array(bytes.prefix(max(0, result))))
    }

    func send(_ bytes: [UInt8], _ flags: Int, thread: UInt32 = 50) -> Int {
        var bytes = bytes
        return bytes.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            return socket(thread: thread).send(&vector, 1, flags: Int32(flags))
        }
    }

    /// Nothing is under way: tokens stand as counted, and one filler if FULL or OWE says so.
    func checkReadiness(_ progress: Progress) throws {
        let producer = socket().input.producerValue()
        try progress.requireEqual(pair.unread(at: .program), Int(producer.tokens), "bytes, against TOKENS")
        let unread = try socket().input.view().count
        if unread > 0 || producer.has(InProducer.endOfFile) {
            try progress.require(producer.tokens > 0, "data without token")
        }
        let flags = socket().output.consumerValue().flags
        let fillers = flags & (OutConsumer.full | OutConsumer.owed) != 0 ? 1 : 0
        try progress.requireEqual(pair.unread(at: .service), fillers * 256, "fillers, against the word")
        try progress.requireEqual(service.violation, nil, "violation")
        try progress.requireEqual(kernel.mismatch, nil, "bytes sent")
    }
}
