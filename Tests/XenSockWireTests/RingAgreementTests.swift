import CXenSockWireCheck
import Testing
import XenSockRing
import XenSockWire

/// XenSockRing and XenSockWire do not know each other; what both say of the same bytes is compared here.
@Suite("Rings and wire types agree")
struct RingAgreementTests {
    @Test("The index words and their flags are the document's")
    func indexWords() {
        LayoutTests.expect(
            [
                ("in_producer", InProducer.offset, 8), ("in_consumer", InConsumer.offset, 8),
                ("out_producer", OutProducer.offset, 8), ("out_consumer", OutConsumer.offset, 8),
            ], prefix: "words.")
        for (name, flag) in [
            ("tokens", InProducer.tokens), ("eof", InProducer.endOfFile), ("error", InProducer.error),
            ("errqueue", InProducer.errorQueue), ("stall", InConsumer.stall),
            ("idle", OutProducer.idle), ("full", OutConsumer.full), ("fpend", OutConsumer.fillerPending),
            ("owe", OutConsumer.owed), ("connected", OutConsumer.connected), ("broken", OutConsumer.broken),
        ] {
            #expect(c("flag.\(name)") == Int(flag), "\(name)")
        }
    }

    @Test("The words of the older data rings lie where the wire has them, and their sizes are the same")
    func olderRings() {
        typealias P = V1Ring.Indexes
        #expect(
            [P.inConsumer, P.inProducer, P.inError] == [
                IndexesPage.inConsumer, IndexesPage.inProducer, IndexesPage.inError,
            ])
        #expect(
            [P.outConsumer, P.outProducer, P.outError] == [
                IndexesPage.outConsumer, IndexesPage.outProducer, IndexesPage.outError,
            ])
        typealias D = V1Ring.Draft1
        typealias W = Draft1Indexes
        #expect([D.inConsumer, D.inProducer, D.inError] == [W.inConsumer, W.inProducer, W.inError])
        #expect([D.outConsumer, D.outProducer, D.outError] == [W.outConsumer, W.outProducer, W.outError])
        let pages = SharedMemory(size: 64 * pageSize, filledWith: 0)
        let draft = V1Ring(draft1: pages.base)
        let layout = DataRingLayout.draft1
        #expect(Int(draft.input.size) == layout.inSize && Int(draft.output.size) == layout.outSize)
        #expect(draft.output.bytes(at: 0, count: 1).first.baseAddress == pages.base + layout.outOffset)
        let ring = V1Ring(indexes: pages.base, data: pages.base + pageSize, half: 4096)
        let halves = DataRingLayout(order: 1)
        #expect(Int(ring.input.size) == halves?.inSize && Int(ring.output.size) == halves?.outSize)
        #expect(
            ring.output.bytes(at: 0, count: 1).first.baseAddress == pages.base + pageSize + (halves?.outOffset ?? 0))
    }

    @Test("The command ring has the same entries in both", arguments: dialects)
    func commandRing(dialect: Dialect) {
        let layout: CommandRingLayout = dialect == .draft1 ? .draft1 : .pvcalls
        #expect(layout.entrySize == dialect.slotSize)
        #expect(layout.count == dialect.slotCount)
        #expect(CommandRingLayout.requestProducer == CommandRingHeader.requestProducer)
        #expect(CommandRingLayout.requestEvent == CommandRingHeader.requestEvent)
        #expect(CommandRingLayout.responseProducer == CommandRingHeader.responseProducer)
        #expect(CommandRingLayout.responseEvent == CommandRingHeader.responseEvent)
        #expect(CommandRingLayout.entries == CommandRingHeader.entries)
    }

    @Test("The doorbell lies where the arena has it")
    func doorbell() {
        #expect(DoorbellLayout.sleeping == ArenaHeader.sleeping)
        #expect(DoorbellLayout.summary == ArenaHeader.summary)
        #expect(DoorbellLayout.pending == Arena.pendingOffset)
        #expect(DoorbellLayout.maximumPorts == Arena.maximumPorts)
        #expect(8 * DoorbellLayout.summaryWords == size("header.summary"))
    }

    @Test("Requests and answers travel through the ring, past its end and over one another", arguments: dialects)
    func travels(dialect: Dialect) throws {
        let page = SharedMemory(size: pageSize, filledWith: 0)
        let arguments = SharedMemory.arguments()
        let codec = RequestCodec(dialect)
        let layout = CommandRingLayout(entrySize: dialect.slotSize, count: dialect.slotCount)
        var front = CommandRingFront(page: page.base, layout: layout)
        var back = CommandRingBack(page: page.base, layout: layout)
        var pages = draft1Pages()
        for request in Array(repeatElement(requests(dialect), count: 8)).joined() {
            let number = front.nextSlot
            #expect(front.nextRequest() - page.base == dialect.slotOffset(number))
            try codec.encode(
                request, requestID: number, into: front.nextRequest(), arguments: arguments.area, pages: &pages)
            _ = front.push()
            let slot = try #require(try back.nextRequest())
            let incoming = codec.decode(from: slot, arguments: arguments.area, pages: &pages)
            back.consumeRequest()
            #expect(try incoming.content.get() == request)
            try codec.encode(incoming.response(-111), into: back.nextResponse(), arguments: arguments.area)
            back.pushResponse()
            _ = back.publishResponses()
            let answer = try #require(try front.nextResponse())
            let response = codec.decodeResponse(from: answer, arguments: arguments.area)
            front.consumeResponse()
            #expect(response.requestID == number)
            #expect(response.ret == -111)
            #expect(response.id == request.id)
            #expect(response.command == incoming.command)
        }
    }
}
