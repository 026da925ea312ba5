import CXenSockWireCheck
import Testing
import XenSockWire

/// The C compiler's offset or value, -1 if the tables have no such name; and the field's size.
func c(_ name: String) -> Int {
    wirecheck_find(name).map { Int($0.pointee.value) } ?? -1
}

func size(_ name: String) -> Int {
    wirecheck_find(name).map { Int($0.pointee.size) } ?? -1
}

let hasXen = wirecheck_has_xen() == 1

@Suite("Layouts as the C compiler sees them")
struct LayoutTests {
    static func expect(
        _ table: [(String, Int, Int)], prefix: String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for (name, offset, width) in table {
            #expect(c(prefix + name) == offset, "\(prefix)\(name)", sourceLocation: sourceLocation)
            #expect(size(prefix + name) == width, "size of \(prefix)\(name)", sourceLocation: sourceLocation)
        }
    }

    @Test("pvcalls1's entries are those of Xen's header", .enabled(if: hasXen))
    func pvcallsEntries() {
        typealias L = EntryLayout
        Self.expect([
            ("request.req_id", L.requestID, 4), ("request.cmd", L.command, 4),
            ("socket.id", L.id, 8), ("socket.domain", L.Socket.domain, 4), ("socket.type", L.Socket.type, 4),
            ("socket.protocol", L.Socket.protocol, 4),
            ("connect.id", L.id, 8), ("connect.addr", L.Connect.address, SocketAddress.inlineCapacity),
            ("connect.len", L.Connect.length, 4), ("connect.flags", L.Connect.flags, 4),
            ("connect.ref", L.Connect.reference, 4), ("connect.evtchn", L.Connect.eventChannel, 4),
            ("release.id", L.id, 8), ("release.reuse", L.Release.reuse, 1),
            ("bind.id", L.id, 8), ("bind.addr", L.Connect.address, 28), ("bind.len", L.Connect.length, 4),
            ("listen.id", L.id, 8), ("listen.backlog", L.Listen.backlog, 4),
            ("accept.id", L.id, 8), ("accept.id_new", L.Accept.newID, 8), ("accept.ref", L.Accept.reference, 4),
            ("accept.evtchn", L.Accept.eventChannel, 4), ("poll.id", L.id, 8),
            ("response.req_id", L.requestID, 4), ("response.cmd", L.command, 4),
            ("response.ret", L.Response.ret, 4), ("response.id", L.Response.id, 8),
        ])
        #expect(c("request.size") == Dialect.pvcalls1.requestSize)
        #expect(c("response.size") == Dialect.pvcalls1.responseSize)
    }

    @Test("The ring's head and its number of slots are ring.h's", .enabled(if: hasXen))
    func ring() {
        Self.expect([
            ("ring.req_prod", CommandRingHeader.requestProducer, 4),
            ("ring.req_event", CommandRingHeader.requestEvent, 4),
            ("ring.rsp_prod", CommandRingHeader.responseProducer, 4),
            ("ring.rsp_event", CommandRingHeader.responseEvent, 4),
        ])
        #expect(c("ring.entries") == CommandRingHeader.entries)
        #expect(c("ring.slots") == Int(Dialect.pvcalls1.slotCount))
        #expect(Dialect.xensock2.slotCount == Dialect.pvcalls1.slotCount)
        #expect(ArgumentArea.slotCount == Dialect.xensock2.slotCount)
    }

    @Test("The indexes page and the ring's halves are the header's", .enabled(if: hasXen))
    func indexes() {
        typealias I = IndexesPage
        Self.expect([
            ("indexes.in_cons", I.inConsumer, 4), ("indexes.in_prod", I.inProducer, 4),
            ("indexes.in_error", I.inError, 4), ("indexes.out_cons", I.outConsumer, 4),
            ("indexes.out_prod", I.outProducer, 4), ("indexes.out_error", I.outError, 4),
            ("indexes.ring_order", I.ringOrder, 4), ("indexes.ref", I.references, 4),
        ])
        for order in [UInt32(1), 4, 9] {
            let layout = DataRingLayout(order: order)!
            #expect(layout.inSize == c("half.\(order)"))
            #expect(layout.outOffset == layout.inSize)
            #expect(layout.outSize == layout.inSize)
            #expect(layout.inSize + layout.outSize == layout.pages * pageSize)
        }
        #expect(DataRingLayout(order: 0) == nil)
        #expect(DataRingLayout(order: 10) == nil)
        #expect(DataRingLayout(order: .max) == nil)
        let last = DataRingLayout.referenceOffset(page: 511) + 4
        #expect(last <= c("words.in_producer"), "the words of xensock2 lie behind the last reference")
        #expect(DataRingLayout.referenceOffset(page: 1023) > pageSize, "order 10 would not fit")
    }

    @Test("Commands and XenBus states have the header's numbers", .enabled(if: hasXen))
    func numbers() {
        for (name, command) in [
            ("socket", Command.socket), ("connect", .connect), ("release", .release), ("bind", .bind),
            ("listen", .listen), ("accept", .accept), ("poll", .poll),
        ] {
            #expect(c("cmd.\(name)") == Int(command.rawValue))
        }
        for number in UInt32(0)...8 {
            let state = XenBusState(rawValue: number)!
            #expect(c("state.\(state)") == Int(number))
        }
        #expect(XenBusState(rawValue: 9) == nil)
    }

    @Test("draft1's entries and data ring are the draft's structures")
    func draft1() {
        typealias D = Draft1
        Self.expect(
            [
                ("request.id", D.requestID, 4), ("request.cmd", D.command, 4), ("request.sockid", D.id, 8),
                ("connect.addr", D.Connect.address, 28), ("connect.len", D.Connect.length, 4),
                ("connect.flags", D.Connect.flags, 4), ("connect.ref", D.Connect.references, 4 * D.pages),
                ("connect.evtchn", D.Connect.eventChannel, 4), ("bind.addr", D.Connect.address, 28),
                ("bind.len", D.Connect.length, 4), ("accept.sockid", D.Accept.newID, 8),
                ("accept.ref", D.Accept.references, 4 * D.pages), ("accept.evtchn", D.Accept.eventChannel, 4),
                ("response.id", D.requestID, 4), ("response.cmd", D.command, 4), ("response.sockid", D.Response.id, 8),
                ("response.ret", D.Response.ret, 4),
                ("data.in", DataRingLayout.draft1.inOffset, DataRingLayout.draft1.inSize),
                ("data.out", DataRingLayout.draft1.outOffset, DataRingLayout.draft1.outSize),
                ("data.in_cons", Draft1Indexes.inConsumer, 4), ("data.in_prod", Draft1Indexes.inProducer, 4),
                ("data.out_cons", Draft1Indexes.outConsumer, 4), ("data.out_prod", Draft1Indexes.outProducer, 4),
                ("data.in_error", Draft1Indexes.inError, 4), ("data.out_error", Draft1Indexes.outError, 4),
            ], prefix: "draft1.")
        #expect(c("draft1.request.size") == Dialect.draft1.requestSize)
        #expect(c("draft1.response.size") == Dialect.draft1.responseSize)
        #expect(c("draft1.ring.slots") == Int(Dialect.draft1.slotCount))
        #expect(c("draft1.data.pages") == Draft1.pages)
        #expect(DataRingLayout.draft1.pages == Draft1.pages)
    }

    @Test("xensock2's fields are those of the document's structures")
    func xensock2() {
        typealias L = EntryLayout
        Self.expect(
            [
                ("socket.domain", L.Socket.domain, 4), ("socket.type", L.Socket.type, 4),
                ("socket.protocol", L.Socket.protocol, 4), ("socket.evtchn", L.Socket.eventChannel, 4),
                ("socket.ref", L.Socket.indexesPage, 4), ("connect.addr", L.Connect.address, 28),
                ("connect.len", L.Connect.length, 4), ("connect.flags", L.Connect.flags, 4),
                ("connect.ref", L.Connect.reference, 4), ("connect.evtchn", L.Connect.eventChannel, 4),
                ("shutdown.how", L.Shutdown.how, 4), ("shutdown.out_prod", L.Shutdown.outProducer, 4),
                ("option.level", L.Option.level, 4), ("option.name", L.Option.name, 4),
                ("option.len", L.Option.length, 4), ("option.out_prod", L.Option.outProducer, 4),
                ("ioctl.request", L.IOControl.request, 4), ("oob.out_prod", L.SendOOB.outProducer, 4),
                ("flush.out_prod", L.Flush.outProducer, 4), ("recverr.offset", L.ReceiveError.offset, 4),
                ("oob.byte", L.SendOOB.byte, 1), ("response.ret", L.Response.ret, 4),
                ("response.id", L.Response.id, 8), ("response.len", L.Response.length, 4),
                ("response.addr", L.Response.address, 28), ("response.empty", L.Response.empty, 4),
                ("response.arrivals", L.Response.arrivals, 4), ("response.value", L.Response.value, 4),
            ], prefix: "xensock2.")
        Self.expect(
            [
                ("length", 0, 4), ("payload_length", 4, 4), ("flags", 8, 4), ("options", 12, 4),
                ("address_length", 16, 4), ("control_length", 20, 4),
            ], prefix: "record.")
        #expect(c("record.size") == Int(DatagramRecord.headSize))
        let record = DatagramRecord(payload: 1, address: 2, control: 3, flags: 4, options: 5)
        let words: (UInt64, UInt64, UInt64) = (0x1_0000_0030, 0x5_0000_0004, 0x3_0000_0002)
        #expect(record.words == words)
        #expect(c("xensock2.request.size") == Dialect.xensock2.requestSize)
        #expect(c("xensock2.response.size") == Dialect.xensock2.responseSize)
        #expect(c("words.size") == pageSize)
        #expect(c("arguments.size") == ArgumentArea.size)
        #expect(ArgumentArea.size == ArgumentArea.pages * pageSize)
    }

    @Test("Every entry of every dialect lies inside the ring's page", arguments: dialects)
    func slots(dialect: Dialect) {
        for index in [UInt32(0), 1, dialect.slotCount - 1, dialect.slotCount, .max - 1, .max] {
            let offset = dialect.slotOffset(index)
            #expect(offset >= CommandRingHeader.entries)
            #expect(offset + dialect.slotSize <= pageSize)
            #expect((offset - CommandRingHeader.entries) % dialect.slotSize == 0)
        }
        #expect(dialect.slotOffset(.max) == 64 + dialect.slotSize * (Int(dialect.slotCount) - 1))
        #expect(CommandRingHeader.entries + dialect.slotSize * Int(dialect.slotCount) * 2 > pageSize)
    }

    @Test("Error numbers are the kernel's")
    func errors() {
        for (name, error) in namedErrors {
            #expect(c(name) == Int(error.number), "\(name)")
        }
        #expect(!WireError(Int32(c("last")) + 1).isCarried(by: .xensock2))
        #expect(WireError(Int32(c("last"))).isCarried(by: .xensock2))
    }
}
