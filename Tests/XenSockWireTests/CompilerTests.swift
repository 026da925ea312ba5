import CXenSockWireCheck
import Testing
import XenSockWire

/// Entries that C code writes and Swift reads, and the other way round.
@Suite("Entries exchanged with C")
struct CompilerTests {
    let slot = SharedMemory.slot(.draft1)
    let ipv4 = SocketAddress.ipv4(0xc000_0221, port: 8443)

    func decoded(_ dialect: Dialect) throws -> Request {
        try RequestCodec(dialect).decode(from: slot.base).content.get()
    }

    func withAddress(_ body: (UnsafeRawPointer, UInt32) -> Void) {
        ipv4.withUnsafeBytes { body($0.baseAddress!, UInt32($0.count)) }
    }

    @Test("Requests that a C frontend writes into a used slot", .enabled(if: hasXen))
    func pvcalls() throws {
        let id = socketID.rawValue
        wirecheck_pvcalls_socket(slot.base, 1, id, 2, 1, 6)
        #expect(
            try decoded(.pvcalls1)
                == .socket(id: socketID, domain: 2, type: 1, protocol: 6, eventChannel: 0, indexesPage: 0))
        withAddress { wirecheck_pvcalls_connect(slot.base, 2, id, $0, $1, 0x802, 77, 88) }
        #expect(
            try decoded(.pvcalls1)
                == .connect(id: socketID, address: ipv4, flags: 0x802, ring: .indexesPage(77), eventChannel: 88))
        wirecheck_pvcalls_release(slot.base, 3, id, 1)
        #expect(try decoded(.pvcalls1) == .release(id: socketID, reuse: true))
        withAddress { wirecheck_pvcalls_bind(slot.base, 4, id, $0, $1) }
        #expect(try decoded(.pvcalls1) == .bind(id: socketID, address: ipv4))
        wirecheck_pvcalls_listen(slot.base, 5, id, 4096)
        #expect(try decoded(.pvcalls1) == .listen(id: socketID, backlog: 4096))
        wirecheck_pvcalls_accept(slot.base, 6, id, newID.rawValue, 5, 6)
        #expect(
            try decoded(.pvcalls1) == .accept(id: socketID, newID: newID, ring: .indexesPage(5), eventChannel: 6))
        wirecheck_pvcalls_poll(slot.base, 7, id)
        #expect(try decoded(.pvcalls1) == .poll(id: socketID))
        #expect(RequestCodec(.pvcalls1).decode(from: slot.base).requestID == 7)
    }

    @Test("Requests of the first draft as C writes them")
    func draft1() throws {
        let references = (0..<64).map { UInt32($0 * 1000 + 1) }
        var pages = Draft1Pages()
        withAddress { wirecheck_draft1_connect(slot.base, 9, socketID.rawValue, $0, $1, 1, references, 99) }
        var incoming = RequestCodec(.draft1).decode(from: slot.base, pages: &pages)
        #expect(
            try incoming.content.get()
                == .connect(id: socketID, address: ipv4, flags: 1, ring: .pages, eventChannel: 99))
        #expect((0..<64).map { pages.references[$0].rawValue } == references)
        let backwards = Array(references.reversed())
        wirecheck_draft1_accept(slot.base, 10, socketID.rawValue, newID.rawValue, backwards, 98)
        incoming = RequestCodec(.draft1).decode(from: slot.base, pages: &pages)
        #expect(
            try incoming.content.get() == .accept(id: socketID, newID: newID, ring: .pages, eventChannel: 98))
        #expect((0..<64).map { pages.references[$0].rawValue } == backwards)
        #expect(incoming.requestID == 10)
    }

    @Test("Responses that a C frontend reads", .enabled(if: hasXen))
    func responses() throws {
        let response = Response(requestID: 0xffff_0001, command: 5, ret: -104, id: socketID)
        var (number, command, ret, id) = (UInt32(0), UInt32(0), Int32(0), UInt64(0))
        try RequestCodec(.pvcalls1).encode(response, into: slot.base)
        wirecheck_pvcalls_response(slot.base, &number, &command, &ret, &id)
        #expect((number, command, ret) == (0xffff_0001, 5, -104))
        #expect(id == socketID.rawValue)
        (number, command, ret, id) = (0, 0, 0, 0)
        try RequestCodec(.draft1).encode(response, into: slot.base)
        wirecheck_draft1_response(slot.base, &number, &command, &id, &ret)
        #expect((number, command, ret) == (0xffff_0001, 5, -104))
        #expect(id == socketID.rawValue)
    }
}
