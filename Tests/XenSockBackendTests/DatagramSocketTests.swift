import Glibc
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire

@testable import XenSockBackend

/// What a test's policy says of a destination: port 9 is refused.
private struct RefuseDiscard: BackendPolicy {
    func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 {
        guard case .connectDatagrams(let address, 2) = operation else { return EIO }
        return address[3] == 9 ? EACCES : 0
    }
}

/// Writes a record of a frontend, and publishes it.
func publishRecord(
    _ ring: OutRingFront, _ payload: [UInt8], to address: SocketAddress? = nil, control: [UInt8] = [],
    options: UInt32 = 0, words: @escaping ((UInt64, UInt64, UInt64)) -> (UInt64, UInt64, UInt64) = { $0 }
) throws -> (end: UInt32, ring: Bool) {
    let view = try ring.view()
    let record = DatagramRecord(
        payload: UInt32(payload.count), address: UInt32(address?.length ?? 0), control: UInt32(control.count), flags: 0,
        options: options)
    #expect(ring.storeHead(view, words(record.words)))
    payload.withUnsafeBytes {
        if let base = $0.baseAddress { ring.space(view, at: 24, UInt32($0.count)).copy(from: base) }
    }
    address?.withUnsafeBytes {
        ring.space(view, at: record.addressOffset, UInt32($0.count)).copy(from: $0.baseAddress!)
    }
    control.withUnsafeBytes {
        if let base = $0.baseAddress { ring.space(view, at: record.controlOffset, UInt32($0.count)).copy(from: base) }
    }
    guard case .done(let mustNotify) = try ring.publish(view, record.size) else { throw RingViolation() }
    return (view.producer.index &+ record.size, mustNotify)
}

/// A datagram socket over a scripted kernel: real socket 10, placeholder 20.
private final class ScriptedDatagrams {
    let kernel = ScriptedKernel()
    let socket: BackendSocket<ScriptedKernel>
    private let base: UnsafeMutableRawPointer
    private let size = Int(XenSockWire.Arena.pageCount(ports: 64)) * pageSize
    static let half: UInt32 = 2048 << 7

    init(order: UInt32 = 7) throws {
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        base = try #require(memory)
        let arena = SessionArena(kernel: kernel, id: 1, ports: 64, base: base, memory: -1, doorbell: -1)
        let page = XenSockWire.Arena.indexesPage(forPort: 1, ports: 64)
        let indexes = base + XenSockWire.Arena.offset(of: page)
        SharedWord32(indexes + IndexesPage.ringOrder).store(order)
        for index in 0..<(1 << Int(order)) {
            SharedWord32(indexes + DataRingLayout.referenceOffset(page: index)).store(page.rawValue + 1 + UInt32(index))
        }
        socket = BackendSocket(
            kernel: kernel, epoll: 3, arena: arena, port: 1, pair: PendingPort(placeholder: 20, cookie: 5),
            network: 10, domain: 2, type: 2, indexes: indexes, networkData: 100, placeholderData: 200)
        kernel.expect("watch 20 200")
        #expect(socket.open() == 0)
    }

    deinit { munmap(base, size) }

    static func opened() throws -> ScriptedDatagrams {
        let it = try ScriptedDatagrams()
        it.kernel.expect("watch 10 100")
        #expect(it.open() == 0)
        it.turn()
        it.kernel.finish()
        return it
    }

    func open() -> Int32 {
        let credentials = PeerCredentials(processID: 1, userID: 1, groupID: 1)
        return socket.openDatagrams(
            DatagramJudge(policy: RefuseDiscard(), credentials: credentials, domain: 2, type: 2))
    }

    var incoming: InRingFront {
        InRingFront(indexes: socket.indexes, data: socket.indexes + pageSize, size: Self.half)
    }

    var outgoing: OutRingFront {
        OutRingFront(indexes: socket.indexes, data: socket.indexes + pageSize + Int(Self.half), size: Self.half)
    }

    var error: UInt32 { SharedWord32(socket.status.base + StatusLine.error).load() }

    func turn() {
        socket.wantsTurn = false
        socket.turn()
    }

    /// The next record as the frontend reads it.
    func next() throws -> (payload: [UInt8], address: [UInt8])? {
        let view = try incoming.view()
        guard view.count > 0 else { return nil }
        let words = try #require(incoming.head(view))
        let record = try #require(DatagramRecord(words: words, available: view.count))
        func bytes(_ offset: UInt32, _ count: UInt32) -> [UInt8] {
            let part = incoming.bytes(view, skip: offset, limit: count)
            return Array(part.first) + Array(part.second)
        }
        let found = (bytes(24, record.payload), bytes(record.addressOffset, record.address))
        _ = try incoming.consume(view, record.size)
        return found
    }
}

@Suite struct DatagramSocketTests {
    private let receive = "receive message 10 0"

    @Test func aRingTooSmallForARecordIsRefused() throws {
        let it = try ScriptedDatagrams(order: 6)
        #expect(it.open() == -EINVAL)
        it.kernel.finish()
    }

    @Test func datagramsComeWholeWithTheirSenders() throws {
        let it = try ScriptedDatagrams.opened()
        it.socket.networkEvent(EpollEvents.input)
        it.kernel.expect(receive, returns: 3, data: [1, 2, 3])
        it.kernel.expect("token 20", returns: 1)
        it.kernel.expect(receive, returns: 0)
        it.kernel.expect(receive, returns: -EAGAIN)
        it.turn()
        let first = try #require(try it.next())
        #expect(first.payload == [1, 2, 3])
        #expect(first.address.prefix(8) == [2, 0, 0, 7, 127, 0, 0, 1])
        #expect(try it.next()?.payload == [])
        #expect(try it.next() == nil)
        it.kernel.finish()
    }

    @Test func whatTheRingHasNoRoomForStaysWithTheKernel() throws {
        let it = try ScriptedDatagrams.opened()
        it.socket.networkEvent(EpollEvents.input)
        it.kernel.expect(receive, returns: 65000, data: [UInt8](repeating: 7, count: 65000))
        it.kernel.expect("token 20", returns: 1)
        for _ in 0..<3 { it.kernel.expect(receive, returns: 65000, data: [UInt8](repeating: 7, count: 65000)) }
        it.turn()
        #expect(!it.socket.wantsTurn)
        it.kernel.finish()
        #expect(try it.incoming.view().consumer.has(InConsumer.stall))
        // The consumer rings when half of the ring is free.
        _ = try it.next()
        #expect(try it.incoming.view().consumer.has(InConsumer.stall))
        _ = try it.next()
        #expect(try !it.incoming.view().consumer.has(InConsumer.stall))
        it.socket.doorbell()
        it.kernel.expect(receive, returns: -EAGAIN)
        it.turn()
        it.kernel.finish()
    }

    @Test func eachRecordIsJudgedAndSent() throws {
        let it = try ScriptedDatagrams.opened()
        _ = try publishRecord(it.outgoing, Array("one".utf8), to: .loopback(port: 80))
        _ = try publishRecord(it.outgoing, Array("no".utf8), to: .loopback(port: 9))
        _ = try publishRecord(it.outgoing, Array("two".utf8))
        it.kernel.expect("send message 10 'one' to 80", returns: 3)
        // The refusal is an error like one that comes later from the network.
        it.kernel.expect("token 20", returns: 1)
        it.kernel.expect("send message 10 'two' to 0", returns: 3)
        it.turn()
        #expect(it.error == UInt32(EACCES))
        #expect(it.incoming.producerValue().has(InProducer.error))
        #expect(try it.outgoing.view().used == 0)
        it.kernel.finish()
    }

    @Test func aVerdictIsTheRecordsOwnError() throws {
        let it = try ScriptedDatagrams.opened()
        let verdict = DatagramRecord.Option.verdict
        let refused = try publishRecord(it.outgoing, [1], to: .loopback(port: 9), options: verdict)
        #expect(it.socket.flush(through: refused.end) == -EACCES)
        #expect(it.socket.flush(through: refused.end) == 0, "told once")
        let good = try publishRecord(it.outgoing, Array("x".utf8), to: .loopback(port: 80), options: verdict)
        it.kernel.expect("send message 10 'x' to 80", returns: 1)
        it.kernel.expect("poll 10 0", returns: 0)
        #expect(it.socket.flush(through: good.end) == 0)
        let failed = try publishRecord(it.outgoing, Array("x".utf8), to: .loopback(port: 80), options: verdict)
        it.kernel.expect("send message 10 'x' to 80", returns: -ENETUNREACH)
        it.turn()
        #expect(it.socket.flush(through: failed.end) == -ENETUNREACH, "also when a turn was faster")
        #expect(it.error == 0)
        it.kernel.finish()
    }

    @Test func aFullKernelHoldsRecordsBack() throws {
        let it = try ScriptedDatagrams.opened()
        let one = try publishRecord(it.outgoing, Array("x".utf8), options: DatagramRecord.Option.verdict)
        it.kernel.expect("send message 10 'x' to 0", returns: -EAGAIN)
        it.kernel.expect("rewatch 10 1")
        #expect(it.socket.flush(through: one.end) == 0)
        it.turn()
        it.kernel.finish()
        it.kernel.expect("rewatch 10 1")
        it.socket.networkEvent(EpollEvents.output)
        it.kernel.expect("send message 10 'x' to 0", returns: 1)
        it.kernel.expect("poll 10 0", returns: 0)
        it.turn()
        it.kernel.finish()
    }

    @Test func anEarlierErrorDoesNotCostALaterDatagram() throws {
        let it = try ScriptedDatagrams.opened()
        _ = try publishRecord(it.outgoing, Array("x".utf8))
        it.kernel.expect("send message 10 'x' to 0", returns: -ECONNREFUSED)
        it.kernel.expect("token 20", returns: 1)
        it.kernel.expect("send message 10 'x' to 0", returns: 1)
        it.turn()
        #expect(it.error == UInt32(ECONNREFUSED))
        it.kernel.finish()
    }

    @Test func anErrorThatStaysIsNotAskedForWithoutEnd() throws {
        let it = try ScriptedDatagrams.opened()
        it.socket.networkEvent(EpollEvents.input)
        it.kernel.expect(receive, returns: -ENOMEM)
        it.kernel.expect("token 20", returns: 1)
        for _ in 1..<DatagramTraffic.maximumErrors { it.kernel.expect(receive, returns: -ENOMEM) }
        it.turn()
        #expect(!it.socket.wantsTurn)
        it.kernel.finish()
    }

    @Test func routesInControlMessagesAreRefused() throws {
        func message(_ level: Int32, _ type: Int32, length: UInt64 = 20) -> [UInt8] {
            var bytes: [UInt8] = []
            withUnsafeBytes(of: length) { bytes += Array($0) }
            for word in [level, type, 0, 0] { withUnsafeBytes(of: word) { bytes += Array($0) } }
            return bytes
        }
        let verdict = DatagramRecord.Option.verdict
        for (control, error) in [
            (message(0, 7), EPERM), (message(41, 57), EPERM), (message(1, 36), EPERM),
            (message(0, 2, length: 15), EINVAL),
            (message(0, 2, length: 25), EINVAL), (message(0, 2, length: .max), EINVAL),
            (message(0, 2) + message(0, 7), EPERM),
        ] {
            let it = try ScriptedDatagrams.opened()
            let record = try publishRecord(it.outgoing, [1], control: control, options: verdict)
            #expect(it.socket.flush(through: record.end) == -error, "\(control)")
            it.kernel.finish()
        }
    }

    @Test("Of a destination without a family the one is judged that the kernel takes")
    func unspecifiedFamiliesOnIPv6() {
        let credentials = PeerCredentials(processID: 1, userID: 1, groupID: 1)
        struct Refuse: BackendPolicy {
            let family: UInt8
            func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 {
                guard case .connectDatagrams(let address, _) = operation else { return EIO }
                return address[0] == family ? EACCES : 0
            }
        }
        func verdict(_ type: UInt32, _ family: UInt32, _ address: [UInt8]) -> Int32 {
            let judge = DatagramJudge(
                policy: Refuse(family: UInt8(family)), credentials: credentials, domain: SocketDomain.inet6, type: type)
            return address.withUnsafeBytes { judge.decide($0) }
        }
        let named: [UInt8] = [0, 0, 0, 9, 127, 0, 0, 1] + [UInt8](repeating: 0, count: 20)
        let (raw, dgram) = (SocketType.raw, SocketType.dgram)
        #expect(verdict(raw, SocketDomain.inet6, named) == EACCES)
        #expect(verdict(raw, SocketDomain.inet6, [UInt8](repeating: 0, count: 28)) == EACCES)
        #expect(verdict(dgram, SocketDomain.inet, Array(named[..<16])) == EACCES)
        #expect(verdict(dgram, SocketDomain.inet6, named) == EACCES)
        #expect(verdict(dgram, SocketDomain.inet, [UInt8](repeating: 0, count: 16)) == 0)
        #expect(verdict(raw, SocketDomain.inet6, [0, 0]) == 0, "too short for the kernel")
    }

    @Test("FLUSH ends although the frontend goes on to publish")
    func aFlushSendsNoMoreThanStoodThere() throws {
        let it = try ScriptedDatagrams.opened()
        _ = try publishRecord(it.outgoing, Array("a".utf8))
        let ring = it.outgoing
        it.kernel.expect("send message 10 'a' to 0", returns: 1) {
            _ = try? publishRecord(ring, Array("b".utf8))
        }
        #expect(try it.socket.flush(through: ring.view().producer.index &+ (1 << 30)) == 0)
        it.kernel.finish()
        #expect(it.socket.wantsTurn)
    }

    @Test("FLUSH sends no more at once than a turn does, and goes on where it stopped")
    func aFlushHasABound() throws {
        let it = try ScriptedDatagrams.opened()
        for _ in 0...DatagramTraffic.budget { _ = try publishRecord(it.outgoing, Array("a".utf8)) }
        let end = try it.outgoing.view().producer.index
        for _ in 0..<DatagramTraffic.budget { it.kernel.expect("send message 10 'a' to 0", returns: 1) }
        #expect(!it.socket.sendRecords(before: end))
        it.kernel.finish()
        it.kernel.expect("send message 10 'a' to 0", returns: 1)
        #expect(it.socket.sendRecords(before: end))
        it.kernel.finish()
    }

    @Test("After the hang-up nothing more is sent, whatever a copy of the ring publishes")
    func aHangupEndsWhatIsSent() throws {
        let it = try ScriptedDatagrams.opened()
        _ = try publishRecord(it.outgoing, Array("a".utf8))
        let ring = it.outgoing
        it.kernel.expect("unwatch 20")
        it.kernel.expect("close 20")
        it.kernel.expect("send message 10 'a' to 0", returns: 1) { _ = try? publishRecord(ring, Array("b".utf8)) }
        it.kernel.expect("close 10")
        it.socket.placeholderEvent(EpollEvents.hangup)
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func brokenRecordsEndTheSocket() throws {
        for change in [
            { ($0.0 + 8, $0.1, $0.2) }, { ($0.0 - 8, $0.1, $0.2) }, { (0, $0.1, $0.2) },
            { _ in (UInt64.max, UInt64.max, UInt64.max) },
            { ($0.0 | 0xffff_0000_0000_0000, $0.1, $0.2) }, { ($0.0, $0.1, 0xffff_ffff) },
            { ($0.0, $0.1, 0xffff_ffff_0000_0000) }, { ($0.0, 1 << 63, $0.2) },
        ] as [((UInt64, UInt64, UInt64)) -> (UInt64, UInt64, UInt64)] {
            let it = try ScriptedDatagrams.opened()
            _ = try publishRecord(it.outgoing, [1, 2, 3], to: .loopback(port: 80), words: change)
            it.kernel.expect("setsockopt 10 1 13 [1, 0, 0, 0, 0, 0, 0, 0]")
            it.kernel.expect("close 10")
            it.kernel.expect("token 20", returns: 1)
            it.kernel.expect("shutdown 20 2")
            it.turn()
            #expect(it.socket.violation == "a record out of bounds")
            #expect(it.error == UInt32(EIO))
            it.kernel.finish()
        }
    }

    @Test func whatAProgramLeavesBehindIsSent() throws {
        let it = try ScriptedDatagrams.opened()
        _ = try publishRecord(it.outgoing, Array("last".utf8), to: .loopback(port: 80))
        it.kernel.expect("unwatch 20")
        it.kernel.expect("close 20")
        it.kernel.expect("send message 10 'last' to 80", returns: 4)
        it.kernel.expect("close 10")
        it.socket.hangUp()
        #expect(it.socket.phase == .gone)
        it.kernel.finish()
    }

    @Test func errorsAndTheErrorQueueShowAsFlags() throws {
        let it = try ScriptedDatagrams.opened()
        it.socket.networkEvent(0)
        it.kernel.expect("getsockopt 10 1 4", data: [111, 0, 0, 0])
        it.kernel.expect("token 20", returns: 1)
        it.kernel.expect("poll 10 0", returns: 8)
        it.socket.networkEvent(EpollEvents.error)
        #expect(it.error == 111)
        let value = it.incoming.producerValue()
        #expect(value.has(InProducer.error) && value.has(InProducer.errorQueue) && value.tokens == 1)
        it.kernel.expect(
            "receive message 10 \(MessageFlag.errorQueue)", returns: 600, data: [UInt8](repeating: 5, count: 600))
        it.kernel.expect("poll 10 0", returns: 0)
        var record = [UInt8](repeating: 0, count: 1024)
        let first = record.withUnsafeMutableBytes {
            it.socket.receiveErrorMessage(offset: 0, into: UnsafeMutableRawBufferPointer(rebasing: $0[0..<512]))
        }
        let second = record.withUnsafeMutableBytes {
            it.socket.receiveErrorMessage(offset: 512, into: UnsafeMutableRawBufferPointer(rebasing: $0[512...]))
        }
        #expect(first == 512 && second == 24 + 600 + 16 - 512)
        #expect(record[24..<624].allSatisfy { $0 == 5 })
        #expect(!it.incoming.producerValue().has(InProducer.errorQueue))
        it.kernel.finish()
    }
}
