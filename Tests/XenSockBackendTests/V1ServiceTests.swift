import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire

@testable import XenSockBackend

/// A minimal frontend of `draft1` or `pvcalls1`: it notifies always, polls memory, and keeps its own indexes.
final class V1Client {
    let dialect: Dialect
    let client: TestClient
    let codec: RequestCodec
    /// Answers that came while another was waited for.
    private var early: [Response] = []
    private var number: UInt32 = 0
    private var placeholders: [UInt32: Int32] = [:]

    init(_ dialect: Dialect, path: String) throws {
        self.dialect = dialect
        codec = RequestCodec(dialect)
        client = try TestClient(path: path)
        guard try client.hello() == 0 else { throw ClientError(description: "HELLO") }
        let version: String? = dialect == .draft1 ? nil : "1"
        let changes: [String: String?] = ["version": version, "xensock2": nil, "arguments-ref": nil]
        guard try client.connectRing(changes) == "4" else { throw ClientError(description: "STORE") }
        client.ring = CommandRingFront(
            page: client.base + XenSockWire.Arena.commandRingOffset, layout: dialect == .draft1 ? .draft1 : .pvcalls)
    }

    deinit { for descriptor in placeholders.values { client.kernel.close(descriptor) } }

    func close(_ port: UInt32) {
        if let descriptor = placeholders.removeValue(forKey: port) { client.kernel.close(descriptor) }
    }

    func placeholder(_ port: UInt32) -> Int32 { placeholders[port] ?? -1 }

    func page(_ port: UInt32) -> GrantReference {
        XenSockWire.Arena.indexesPage(forPort: port, ports: client.ports)
    }

    func id(_ port: UInt32) -> SocketID { SocketID(0xffff_8800_0000_0000 | UInt64(port) << 8) }

    /// Sends PORT and lists the ring's pages.
    func open(_ port: UInt32) throws {
        var pair: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0, &pair) == 0 else {
            throw ClientError(description: "socketpair")
        }
        placeholders[port] = pair[1]
        var frame = FrameWriter(.port)
        frame.argument = port
        frame.append(id(port).rawValue)
        _ = client.send(frame, pair)
        client.kernel.close(pair[0])
        let indexes = client.base + XenSockWire.Arena.offset(of: page(port))
        SharedWord32(indexes + IndexesPage.ringOrder).store(1)
        for index in 0..<2 {
            SharedWord32(indexes + DataRingLayout.referenceOffset(page: index))
                .store(page(port).rawValue + 1 + UInt32(index))
        }
    }

    func ring(_ port: UInt32) -> V1Ring {
        let indexes = client.base + XenSockWire.Arena.offset(of: page(port))
        return dialect == .draft1
            ? V1Ring(draft1: indexes + pageSize) : V1Ring(indexes: indexes, data: indexes + pageSize, half: 4096)
    }

    var reference: (UInt32) -> RingReference {
        { [self] port in dialect == .draft1 ? .pages : .indexesPage(page(port)) }
    }

    func pages(_ port: UInt32) -> Draft1Pages {
        var pages = Draft1Pages()
        for index in 0..<Draft1.pages {
            pages.references[index] = GrantReference(page(port).rawValue + 1 + UInt32(index))
        }
        return pages
    }

    // MARK: Commands

    /// Sends a request without waiting; returns its number, which is none of a slot.
    func post(_ request: Request, _ pages: Draft1Pages = Draft1Pages()) throws -> UInt32 {
        number &+= 0x0101_0101
        var pages = pages
        try codec.encode(request, requestID: number, into: client.ring.nextRequest(), pages: &pages)
        if client.ring.push() { client.ring(0) }
        return number
    }

    /// Publishes whatever stands in the next entry.
    func push(_ body: (UnsafeMutableRawPointer) -> Void) {
        body(client.ring.nextRequest())
        if client.ring.push() { client.ring(0) }
    }

    func answer(_ number: UInt32) throws -> Response {
        if let index = early.firstIndex(where: { $0.requestID == number }) { return early.remove(at: index) }
        while true {
            let response = try next()
            if response.requestID == number { return response }
            early.append(response)
        }
    }

    /// The next answer, whatever it answers.
    func next() throws -> Response {
        while true {
            if let slot = try client.ring.nextResponse() {
                let response = codec.decodeResponse(from: slot)
                client.ring.consumeResponse()
                return response
            }
            guard client.ring.awaitResponse() else { continue }
            guard let (frame, _) = try client.receive(kicks: true), frame.u32(0) == SessionFrame.Kind.kick.rawValue
            else {
                throw ClientError(description: "the session ended")
            }
        }
    }

    func call(_ request: Request, _ pages: Draft1Pages = Draft1Pages()) throws -> Int32 {
        try answer(post(request, pages)).ret
    }

    func connect(_ port: UInt32, to address: SocketAddress) throws -> Int32 {
        try call(
            .connect(
                id: id(port), address: address, flags: 0xffff_ffff, ring: reference(port),
                eventChannel: EventChannelPort(port)), pages(port))
    }

    func accept(_ listener: UInt32, into port: UInt32) throws -> UInt32 {
        try post(
            .accept(
                id: id(listener), newID: id(port), ring: reference(port), eventChannel: EventChannelPort(port)),
            pages(port))
    }

    // MARK: Bytes (docs/PROTOCOL.md, 5.7)

    /// Sends all of `bytes` in pieces.
    func send(_ port: UInt32, _ bytes: [UInt8]) throws {
        let output = ring(port).output
        var sent = 0
        let done = try eventually {
            let produced = output.producer.load()
            let queued = try output.queued(produced: produced, consumed: output.consumer.load())
            let count = min(bytes.count - sent, Int(output.size - queued))
            if count > 0 {
                let room = output.bytes(at: produced, count: UInt32(count))
                let piece = Array(bytes[sent..<sent + count])
                room.first.copyBytes(from: piece[0..<room.first.count])
                if room.second.count > 0 { room.second.copyBytes(from: piece[room.first.count...]) }
                output.producer.store(produced &+ UInt32(count))
                client.ring(port)
                sent += count
            }
            return sent == bytes.count
        }
        guard done else { throw ClientError(description: "sent \(sent) of \(bytes.count)") }
    }

    /// Receives `count` bytes, or all up to an error.
    func receive(_ port: UInt32, _ count: Int) throws -> [UInt8] {
        let input = ring(port).input
        var taken: [UInt8] = []
        _ = try eventually {
            let ended = input.error.load() != 0
            let consumed = input.consumer.load()
            let queued = try input.queued(produced: input.producer.load(), consumed: consumed)
            let size = min(count - taken.count, Int(queued))
            if size > 0 {
                let bytes = input.bytes(at: consumed, count: UInt32(size))
                taken += Array(bytes.first) + Array(bytes.second)
                input.consumer.store(consumed &+ UInt32(size))
                client.ring(port)
            }
            return taken.count == count || (ended && size == 0)
        }
        return taken
    }
}

extension ServiceTests {
    /// The service as a peer of `draft1` and `pvcalls1`, over the local platform.
    @Suite struct V1ServiceTests {
        static let dialects: [Dialect] = [.pvcalls1, .draft1]
        let fixture: ServiceFixture

        init() throws { fixture = try ServiceFixture() }

        @Test(arguments: dialects) func aConnectionCarriesBytesBothWaysAndEnds(_ dialect: Dialect) throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let client = try V1Client(dialect, path: fixture.path)
            try client.open(1)
            #expect(try client.connect(1, to: server.address) == 0)
            let peer = try server.accept()
            let content = (0..<300_000).map { UInt8($0 % 251) }
            try client.send(1, Array(content[0..<50_000]))
            #expect(peer.read(50_000).bytes == Array(content[0..<50_000]))
            let writer = Worker { peer.write(content) }
            #expect(try client.receive(1, content.count) == content)
            try writer.join()
            peer.close()
            #expect(eventually { client.ring(1).input.error.load() == UInt32(bitPattern: -107) })
            #expect(eventually { polled(client.placeholder(1)) & POLLIN != 0 })
        }

        @Test(arguments: dialects) func releaseWithTheLastDescriptorClosedEndsTheConnection(_ dialect: Dialect) throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let client = try V1Client(dialect, path: fixture.path)
            try client.open(1)
            #expect(try client.connect(1, to: server.address) == 0)
            let peer = try server.accept()
            // Another process may have the descriptor.
            #expect(try client.call(.release(id: client.id(1), reuse: false)) == 0)
            try client.send(1, [1, 2, 3])
            #expect(peer.read(3).bytes == [1, 2, 3])
            client.close(1)
            #expect(try client.call(.release(id: client.id(1), reuse: true)) == 0)
            #expect(peer.read(1).result == 0)
            #expect(try client.call(.release(id: client.id(1), reuse: false)) == 0)
            #expect(try client.call(.poll(id: client.id(1))) == -22)
        }

        @Test(arguments: dialects) func aListenerHoldsPollAndAcceptAndAnswersOthersMeanwhile(_ dialect: Dialect) throws
        {
            defer { fixture.stop() }
            let client = try V1Client(dialect, path: fixture.path)
            let probe = try Peer.listening()
            let address = probe.address
            probe.close()
            try client.open(1)
            try client.open(2)
            #expect(try client.call(.poll(id: client.id(1))) == -22)
            #expect(try client.call(.bind(id: client.id(1), address: address)) == 0)
            #expect(try client.call(.listen(id: client.id(1), backlog: 3)) == 0)
            let poll = try client.post(.poll(id: client.id(1)))
            let accept = try client.accept(1, into: 2)
            // More requests than the ring has entries go by the two that are held.
            for _ in 0..<40 { #expect(try client.call(.release(id: 12345, reuse: false)) == 0) }
            let second = try client.accept(1, into: 2)
            #expect(try client.answer(second).ret == -4)
            let peers = try [Peer.connected(to: address), Peer.connected(to: address)]
            #expect(try client.answer(accept).ret == 0)
            #expect(try client.answer(poll).ret == 0)
            #expect(eventually { polled(client.placeholder(1)) & POLLIN != 0 })
            peers[0].write([9])
            #expect(try client.receive(2, 1) == [9])
            #expect(try client.call(.poll(id: client.id(1))) == 0)
        }

        @Test(arguments: dialects) func aClosedListenerAnswersWhatItHoldsBeforeRelease(_ dialect: Dialect) throws {
            defer { fixture.stop() }
            let client = try V1Client(dialect, path: fixture.path)
            try client.open(1)
            try client.open(2)
            #expect(try client.call(.bind(id: client.id(1), address: .loopback(port: 0))) == 0)
            #expect(try client.call(.listen(id: client.id(1), backlog: 3)) == 0)
            let poll = try client.post(.poll(id: client.id(1)))
            let accept = try client.accept(1, into: 2)
            #expect(try client.call(.release(id: 12345, reuse: false)) == 0)
            client.close(1)
            let release = try client.post(.release(id: client.id(1), reuse: false))
            let order = try [client.next(), client.next(), client.next()]
            #expect(Set(order[0..<2].map(\.requestID)) == [poll, accept])
            #expect(order.map(\.ret) == [-9, -9, 0])
            #expect(order[2].requestID == release)
        }

        @Test(arguments: dialects) func pagesOutOfBoundsFailTheRequestOnly(_ dialect: Dialect) throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let client = try V1Client(dialect, path: fixture.path)
            try client.open(1)
            let total = XenSockWire.Arena.pageCount(ports: client.client.ports)
            for bad in [0, 1, total, UInt32.max] {
                if dialect == .draft1 {
                    var pages = client.pages(1)
                    pages.references[63] = GrantReference(bad)
                    let ret = try client.call(
                        .connect(id: client.id(1), address: server.address, flags: 0, ring: .pages, eventChannel: 1),
                        pages)
                    #expect(ret == -22)
                } else {
                    let ret = try client.call(
                        .connect(
                            id: client.id(1), address: server.address, flags: 0,
                            ring: .indexesPage(GrantReference(bad)),
                            eventChannel: 1))
                    #expect(ret == -22)
                    let indexes = client.client.base + XenSockWire.Arena.offset(of: client.page(1))
                    let word = SharedWord32(indexes + DataRingLayout.referenceOffset(page: 1))
                    let good = word.load()
                    word.store(bad)
                    #expect(try client.connect(1, to: server.address) == -22)
                    word.store(good)
                    SharedWord32(indexes + IndexesPage.ringOrder).store(bad < 2 ? 10 : bad)
                    #expect(try client.connect(1, to: server.address) == -22)
                    SharedWord32(indexes + IndexesPage.ringOrder).store(1)
                }
            }
            #expect(try client.connect(1, to: server.address) == 0)
        }

        @Test(arguments: dialects) func indexesBeyondTheRingEndTheSocketAndNothingElse(_ dialect: Dialect) throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let client = try V1Client(dialect, path: fixture.path)
            for port: UInt32 in 1...2 {
                try client.open(port)
                #expect(try client.connect(port, to: server.address) == 0)
            }
            let peers = try [server.accept(), server.accept()]
            let output = client.ring(1).output
            output.producer.store(output.size + 1)
            client.client.ring(1)
            #expect(peers[0].read(1).result == -104)
            #expect(eventually { output.error.load() == UInt32(bitPattern: -5) })
            try client.send(2, [5])
            #expect(peers[1].read(1).bytes == [5])
        }

        @Test func addressesAndKindsThatAreNone() throws {
            defer { fixture.stop() }
            let client = try V1Client(.pvcalls1, path: fixture.path)
            func socket(_ domain: UInt32, _ type: UInt32, _ number: UInt32) -> Request {
                .socket(
                    id: client.id(1), domain: domain, type: type, protocol: number, eventChannel: 0, indexesPage: 0)
            }
            try client.open(1)
            for (domain, type, number) in [(10, 1, 0), (2, 2, 0), (2, 1, 6), (0, 0, 0)] as [(UInt32, UInt32, UInt32)] {
                // ENOTSUP of the wire is the program's EOPNOTSUPP.
                #expect(try client.call(socket(domain, type, number)) == -95)
            }
            #expect(try client.call(socket(2, 1, 0)) == 0)
            #expect(try client.call(socket(2, 1, 0)) == -17)
            #expect(try client.connect(1, to: .ipv6(high: 0, low: 1, port: 80)) == -22)
            #expect(try client.connect(1, to: SocketAddress()) == -22)
            #expect(try client.connect(2, to: .loopback(port: 1)) == -9)
            #expect(try client.call(.unknown(command: 64, id: client.id(1))) == -95)
        }

        @Test(arguments: dialects) func garbageInTheCommandRingIsAnswered(_ dialect: Dialect) throws {
            defer { fixture.stop() }
            let client = try V1Client(dialect, path: fixture.path)
            try client.open(1)
            try client.open(2)
            var random = SeededGenerator(seed: 7)
            for round in 0..<2000 {
                client.push { slot in
                    for offset in stride(from: 0, to: dialect.slotSize, by: 4) {
                        slot.storeBytes(
                            of: UInt32.random(in: 0...UInt32.max, using: &random), toByteOffset: offset, as: UInt32.self
                        )
                    }
                    slot.storeBytes(of: UInt32(round), as: UInt32.self)
                    slot.storeBytes(of: UInt32.random(in: 0...8, using: &random), toByteOffset: 4, as: UInt32.self)
                    let id = client.id(UInt32.random(in: 1...3, using: &random)).rawValue
                    slot.storeBytes(of: id, toByteOffset: 8, as: UInt64.self)
                }
                #expect(try client.next().requestID == UInt32(round))
            }
        }

        @Test(arguments: dialects) func moreRequestsThanEntriesEndTheSession(_ dialect: Dialect) throws {
            defer { fixture.stop() }
            let client = try V1Client(dialect, path: fixture.path)
            let page = client.client.base + XenSockWire.Arena.commandRingOffset
            SharedWord32(page + CommandRingHeader.requestProducer).store(dialect.slotCount + 1)
            client.client.ring(0)
            #expect(try client.client.receive() == nil)
        }

        @Test(arguments: dialects) func aPollThatDiedWithItsSessionIsShown(_ dialect: Dialect) throws {
            defer { fixture.stop() }
            var first: V1Client? = try V1Client(dialect, path: fixture.path)
            let second = try V1Client(dialect, path: fixture.path)
            let client = try #require(first)
            try client.open(1)
            #expect(try client.call(.bind(id: client.id(1), address: .loopback(port: 0))) == 0)
            #expect(try client.call(.listen(id: client.id(1), backlog: 3)) == 0)
            _ = try client.post(.poll(id: client.id(1)))
            #expect(try client.call(.release(id: 12345, reuse: false)) == 0)
            let inherited = dup(client.placeholder(1))
            defer { client.client.kernel.close(inherited) }
            var attach = FrameWriter(.attach)
            attach.append(UInt64(77))
            _ = second.client.send(attach, [inherited])
            #expect(try second.client.receive()?.bytes.u32(4) == 0)
            client.client.hangUp()
            #expect(waitFor(inherited, POLLIN, 20_000))
            first = nil
            let poll = try second.post(.poll(id: 77))
            #expect(try second.call(.release(id: 12345, reuse: false)) == 0)
            _ = poll
        }
    }
}
