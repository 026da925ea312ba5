import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockFrontend
@testable import XenSockRing

/// A connected stream socket over the in-memory domain, with its status line, its data ring and a stepped backend, all
/// in one thread.
final class SocketFixture {
    static let descriptor: Int32 = 7
    static let port: UInt32 = 3
    static let tag = StatusLine.lock(session: 5, thread: 50)

    let memory: SharedPages
    let line = SharedPages(pages: 1)
    let domain = InMemoryDomain()
    let placeholder = InMemoryPlaceholder()
    let backend: SteppedBackend
    let half: Int
    var random: SeededGenerator
    /// Whether the backend moves on its own: in waits, and between the frontend's operations.
    var steps = true

    /// - Parameters:
    ///   - order: of the data ring; a half has 2048 << order bytes.
    ///   - origin: where all indexes begin.
    init(seed: UInt64 = 1, order: UInt32 = 1, origin: UInt32 = 0) {
        random = SeededGenerator(seed: seed)
        half = 2048 << Int(order)
        memory = SharedPages(pages: 1 + 1 << Int(order))
        for offset in [InProducer.offset, InConsumer.offset, OutProducer.offset, OutConsumer.offset] {
            IndexWord(memory.base + offset).store(.init(index: origin, flags: 0))
        }
        let status = SocketStatus(line: line.base)
        backend = SteppedBackend(
            memory: memory.base, half: UInt32(half), placeholder: placeholder, origin: origin,
            edge: { status.has(StatusLine.Flag.edgeTriggered) })
        domain.placeholders[Self.descriptor] = placeholder
        domain.step = { [unowned self] in step() }
        status.setOrder(order)
        state = .connected
    }

    var status: SocketStatus { SocketStatus(line: line.base) }

    var state: StatusLine.State {
        get { status.state }
        set { SharedWord32(line.base + StatusLine.state).store(newValue.rawValue) }
    }

    func setError(_ error: Int32) { SharedWord32(line.base + StatusLine.error).store(UInt32(error)) }

    func socket<D: FrontendDomain>(_ domain: D, tag: UInt64 = tag) -> StreamSocket<D> {
        StreamSocket(
            domain: domain, placeholder: Self.descriptor, port: Self.port, status: status, indexes: memory.base,
            tag: tag)
    }

    /// One thing of the backend's side: the delivery of a notification, or a step of its own.
    func step() -> Bool {
        guard steps else { return false }
        do {
            if domain.hasNotifications, random.oneIn(2) { return deliver() }
            return try backend.step(&random) || (domain.hasNotifications && deliver())
        } catch {
            Issue.record("the backend found a violation")
            return false
        }
    }

    private func deliver() -> Bool {
        #expect(domain.takeNotifications() == [Self.port])
        backend.doorbell()
        return true
    }

    /// Runs the backend until it has nothing to do.
    func settle() {
        while step() {}
    }

    /// recv(2) into one buffer.
    func receive<D: FrontendDomain>(_ count: Int, _ flags: Int = 0, through domain: D) -> (result: Int, bytes: [UInt8])
    {
        var bytes = [UInt8](repeating: 0xee, count: count)
        let result = bytes.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            return socket(domain).receive(&vector, 1, flags: Int32(flags))
        }
        return (result, Array(bytes.prefix(max(result, 0))))
    }

    func receive(_ count: Int, _ flags: Int = 0) -> (result: Int, bytes: [UInt8]) {
        receive(count, flags, through: domain)
    }

    /// send(2) from one buffer.
    func send<D: FrontendDomain>(_ bytes: [UInt8], _ flags: Int = 0, through domain: D) -> Int {
        var bytes = bytes
        return bytes.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            return socket(domain).send(&vector, 1, flags: Int32(flags))
        }
    }

    func send(_ bytes: [UInt8], _ flags: Int = 0) -> Int { send(bytes, flags, through: domain) }

    /// What the peer sends arrives in the ring, as far as it fits.
    func arrive(_ count: Int) {
        backend.inboundLength += count
        settle()
    }

    var inProducer: IndexWord.Value { IndexWord(memory.base + InProducer.offset).load() }
    var inConsumer: IndexWord.Value { IndexWord(memory.base + InConsumer.offset).load() }
    var outProducer: IndexWord.Value { IndexWord(memory.base + OutProducer.offset).load() }
    var outConsumer: IndexWord.Value { IndexWord(memory.base + OutConsumer.offset).load() }

    /// What must hold whenever no call of the frontend is under way (docs/PROTOCOL.md, 2.2).
    func checkReadiness(_ progress: Progress = Progress(seed: 0)) throws {
        let producer = inProducer
        let unread = producer.index &- inConsumer.index
        let tokens = Int(producer.tokens)
        try progress.requireEqual(
            placeholder.unread(at: .program) + backend.tokensDue, tokens, "bytes in the placeholder, against TOKENS")
        if unread > 0 || producer.has(InProducer.endOfFile) { try progress.require(tokens > 0, "data without token") }
        let flags = outConsumer.flags
        try progress.require(flags & OutConsumer.fillerPending == 0, "FPEND after a call")
        let counted = (flags & OutConsumer.full != 0 ? 1 : 0) + (flags & OutConsumer.owed != 0 ? 1 : 0)
        try progress.requireEqual(
            placeholder.unread(at: .service), (counted + backend.fillersDue) * 256, "bytes of filler, against the word")
        try progress.requireEqual(status.receiveLock.word.load(), 0, "receive lock")
        try progress.requireEqual(status.sendLock.word.load(), 0, "send lock")
        if let mismatch = backend.mismatch { try progress.require(false, mismatch) }
    }

    /// Whether poll(2) reports the program's end readable, or writable.
    var isReadable: Bool { placeholder.events(.program).contains(.input) }
    var isWritable: Bool { placeholder.events(.program).contains(.output) }
}
