import CXenSockWireCheck
import Testing
import XenSockWire

@Suite("The local platform's layouts as the C compiler sees them")
struct LocalLayoutTests {
    @Test("The arena's header")
    func header() {
        typealias H = ArenaHeader
        LayoutTests.expect(
            [
                ("magic", H.magic, 8), ("layout_version", H.layoutVersion, 4), ("ports", H.ports, 4),
                ("arena_id", H.arenaID, 8), ("first_page", H.firstGrantablePage, 4), ("total_pages", H.totalPages, 4),
                ("dialect", H.dialect, 4), ("sleeping", H.sleeping, 4), ("summary", H.summary, 32),
            ], prefix: "header.")
        #expect(withUnsafeBytes(of: H.magicValue.littleEndian) { Array($0) } == Array("XENSOCK2".utf8))
    }

    @Test("The status line")
    func statusLine() {
        typealias S = StatusLine
        LayoutTests.expect(
            [
                ("generation", S.generation, 4), ("state", S.state, 4), ("error", S.error, 4), ("kind", S.kind, 4),
                ("in_readiness", S.inReadiness, 4), ("out_readiness", S.outReadiness, 4), ("arrivals", S.arrivals, 4),
                ("receive_lock", S.receiveLock, 8), ("send_lock", S.sendLock, 8), ("flags", S.flags, 4),
                ("misses", S.misses, 4), ("receive_timeout", S.receiveTimeout, 8), ("send_timeout", S.sendTimeout, 8),
                ("order", S.order, 4), ("accepted", S.accepted, 4),
                ("send_limit", S.sendLimit, 4),
            ], prefix: "status.")
        #expect(c("status.size") == S.size)
        #expect(S.lock(session: 0xdead_beef, thread: 7) == 0xdead_beef_0000_0007)
        #expect(S.kind(domain: 0x5853, type: 1) == 0x5853_0001)
    }

    @Test("An arena's header has a number for each dialect")
    func dialectNumbers() {
        for dialect in dialects { #expect(Dialect(number: dialect.number) == dialect) }
        #expect(Dialect(number: 3) == nil)
        #expect(Dialect.xensock2.number == 0)
    }

    @Test("The smallest arena, page by page")
    func arena() {
        #expect(c("arena.pending") == Arena.pendingOffset)
        #expect(c("arena.command_ring") == Arena.commandRingOffset)
        #expect(c("arena.arguments") == Arena.argumentsOffset)
        #expect(size("arena.arguments") == ArgumentArea.size)
        for port in [UInt32(0), 63] {
            #expect(c("arena.status.\(port)") == Arena.statusOffset(port: port))
        }
        for port in [UInt32(0), 1, 63] {
            #expect(c("arena.port.\(port)") == Arena.offset(of: Arena.indexesPage(forPort: port, ports: 64)))
        }
        #expect(c("arena.size") == Int(Arena.pageCount(ports: 64)) * pageSize)
        #expect(Arena.offset(of: GrantReference(UInt32(Arena.pendingPage))) == Arena.pendingOffset)
        #expect(Arena.offset(of: GrantReference(UInt32(Arena.commandRingPage))) == Arena.commandRingOffset)
        #expect(Arena.offset(of: GrantReference(UInt32(Arena.argumentsPage))) == Arena.argumentsOffset)
        #expect(Arena.offset(of: GrantReference(UInt32(Arena.statusPage))) == Arena.statusOffset)
    }

    @Test("Arenas of every size keep their parts apart and their pending bits inside one page")
    func arenas() {
        for ports in stride(from: UInt32(64), through: 16384, by: 64) {
            #expect(Arena.isValid(ports: ports))
            let statusEnd = Arena.statusOffset(port: ports - 1) + StatusLine.size
            let first = Arena.firstGrantablePage(ports: ports)
            #expect(statusEnd == Int(first) * pageSize)
            let last = Arena.indexesPage(forPort: ports - 1, ports: ports)
            #expect(last.rawValue + Arena.pagesPerPort == Arena.pageCount(ports: ports))
            #expect(Arena.pendingOffset(port: ports - 1) + 8 <= Arena.commandRingOffset)
            #expect(Arena.summaryOffset(port: ports - 1) + 8 <= ArenaHeader.summary + 32)
        }
        for ports in [UInt32(0), 1, 63, 65, 16448, .max] {
            #expect(!Arena.isValid(ports: ports))
        }
        #expect(DataRingLayout(order: Arena.maximumOrder)!.pages + 1 == Int(Arena.pagesPerPort))
    }

    @Test("Each port has a pending bit of its own, under its word's summary bit")
    func pendingBits() {
        var bits = Set<[UInt64]>()
        for port in UInt32(0)..<16384 {
            bits.insert([UInt64(Arena.pendingOffset(port: port)), Arena.pendingBit(port: port)])
            let word = (Arena.pendingOffset(port: port) - Arena.pendingOffset) / 8
            #expect(Arena.summaryOffset(port: port) == ArenaHeader.summary + word / 64 * 8)
            #expect(Arena.summaryBit(port: port) == 1 << UInt64(word % 64))
        }
        #expect(bits.count == 16384)
    }

    @Test("Session frames")
    func frames() {
        typealias F = SessionFrame
        LayoutTests.expect([
            ("hello.type", F.type, 4), ("hello.argument", F.argument, 4),
            ("hello.wanted_ports", F.Hello.wantedPorts, 4), ("hello_answer.session", F.HelloAnswer.session, 4),
            ("hello_answer.ports", F.HelloAnswer.ports, 4), ("hello_answer.arena_id", F.HelloAnswer.arenaID, 8),
            ("port.id", F.Port.id, 8), ("attach.id", F.Attach.id, 8), ("attach_answer.id", F.AttachAnswer.id, 8),
            ("attach_answer.arena_id", F.AttachAnswer.arenaID, 8), ("attach_answer.port", F.AttachAnswer.port, 4),
            ("attach_answer.generation", F.AttachAnswer.generation, 4),
        ])
        #expect(c("hello_answer.nodes") == F.HelloAnswer.nodes)
        #expect(c("hello.size") == F.Hello.size)
        #expect(c("port.size") == F.Port.size)
        #expect(c("attach.size") == F.Attach.size)
        #expect(c("attach_answer.size") == F.AttachAnswer.size)
        #expect(c("frame.size") == F.maximumSize)
        #expect(F.maximumSize == F.payload + F.maximumPayload)
    }

    @Test("Resolver records")
    func resolver() {
        typealias R = Resolver
        LayoutTests.expect([
            ("query.length", R.Query.length, 4), ("query.kind", R.Query.kind, 4), ("query.flags", R.Query.flags, 4),
            ("query.family", R.AddressQuery.family, 4), ("query.type", R.AddressQuery.type, 4),
            ("query.protocol", R.AddressQuery.protocol, 4), ("query.node_length", R.AddressQuery.nodeLength, 4),
            ("query.service_length", R.AddressQuery.serviceLength, 4), ("query.names", R.AddressQuery.names, 0),
            ("query.address_length", R.NameQuery.addressLength, 4), ("query.address", R.NameQuery.address, 0),
            ("answer.length", R.Answer.length, 4), ("answer.status", R.Answer.status, 4),
            ("answer.error", R.Answer.errno, 4), ("answer.count", R.Answer.count, 4),
            ("answer.entries", R.Answer.entries, 0), ("entry.flags", R.Entry.flags, 4),
            ("entry.family", R.Entry.family, 4), ("entry.type", R.Entry.type, 4),
            ("entry.protocol", R.Entry.protocol, 4), ("entry.address_length", R.Entry.addressLength, 4),
            ("entry.name_length", R.Entry.nameLength, 4), ("entry.address", R.Entry.address, 0),
            ("answer.host_length", R.NameAnswer.hostLength, 4),
            ("answer.service_length", R.NameAnswer.serviceLength, 4), ("answer.names", R.NameAnswer.names, 0),
        ])
    }

    @Test("Address families are the kernel's")
    func families() {
        #expect(c("AF_UNSPEC") == Int(SocketAddress.unspecified))
        #expect(c("AF_UNIX") == Int(SocketAddress.unix))
        #expect(c("AF_INET") == Int(SocketAddress.inet))
        #expect(c("AF_INET6") == Int(SocketAddress.inet6))
        #expect(c("sockaddr_storage") == SocketAddress.capacity)
    }
}
