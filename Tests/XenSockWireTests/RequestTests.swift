import Testing
import XenSockWire

@Suite("Requests")
struct RequestTests {
    @Test("Every request comes back from its entry as it went in", arguments: dialects)
    func roundTrip(dialect: Dialect) throws {
        let codec = RequestCodec(dialect)
        let arguments = SharedMemory.arguments()
        var pages = draft1Pages()
        for request in requests(dialect) {
            let slot = SharedMemory.slot(dialect)
            try codec.encode(request, requestID: 31, into: slot.base, arguments: arguments.area, pages: &pages)
            var found = Draft1Pages()
            let incoming = codec.decode(from: slot.base, arguments: arguments.area, pages: &found)
            #expect(try incoming.content.get() == request)
            #expect(incoming.requestID == 31)
            #expect(incoming.id == request.id)
            #expect(incoming.command == request.command.map { $0.number(in: dialect)! } ?? 0xffff_ffff)
            switch request {
            case .connect(_, _, _, .pages, _), .accept(_, _, .pages, _):
                for index in 0..<64 {
                    #expect(found.references[index] == pages.references[index])
                }
            default:
                break
            }
        }
    }

    @Test("The samples cover every command of the dialect", arguments: dialects)
    func coverage(dialect: Dialect) {
        let covered = Set(requests(dialect).compactMap(\.command))
        #expect(covered == Set(Command.allCases.filter { $0.number(in: dialect) != nil }))
    }

    @Test("Numbers of commands map back to the same command", arguments: dialects)
    func commandNumbers(dialect: Dialect) {
        var known = 0
        for number in UInt32(0)..<256 {
            guard let command = Command(number: number, in: dialect) else { continue }
            known += 1
            #expect(command.number(in: dialect) == number)
        }
        #expect(known == [Dialect.draft1: 6, .pvcalls1: 7, .xensock2: 17][dialect])
    }

    @Test("Bytes that a request does not use go out as zero", arguments: dialects)
    func padding(dialect: Dialect) throws {
        for request in requests(dialect) {
            let (first, second) = (SharedMemory.slot(dialect), SharedMemory.slot(dialect))
            second.bytes = [UInt8](repeating: 0, count: dialect.slotSize)
            let arguments = SharedMemory.arguments()
            var pages = draft1Pages()
            for slot in [first, second] {
                try RequestCodec(dialect).encode(
                    request, requestID: 1, into: slot.base, arguments: arguments.area, pages: &pages)
            }
            #expect(first.bytes == second.bytes)
        }
        let slot = SharedMemory.slot(dialect)
        try RequestCodec(dialect).encode(.release(id: 0, reuse: false), requestID: 0, into: slot.base)
        #expect(slot.bytes[8...].allSatisfy { $0 == 0 })
    }

    @Test("A command that the dialect does not have is refused before anything is written")
    func unsupported() {
        let slot = SharedMemory.slot(.draft1)
        let before = slot.bytes
        let socket = Request.socket(id: 1, domain: 2, type: 1, protocol: 0, eventChannel: 0, indexesPage: 0)
        #expect(throws: WireError.EOPNOTSUPP) {
            try RequestCodec(.draft1).encode(socket, requestID: 0, into: slot.base)
        }
        #expect(throws: WireError.EOPNOTSUPP) {
            try RequestCodec(.pvcalls1).encode(
                .shutdown(id: 1, how: 0, outProducer: 0), requestID: 0, into: slot.base)
        }
        #expect(throws: WireError.EOPNOTSUPP) {
            try RequestCodec(.xensock2).encode(.poll(id: 1), requestID: 0, into: slot.base)
        }
        #expect(slot.bytes == before)
    }

    @Test("An argument that the dialect cannot carry is refused before anything is written")
    func uncarried() {
        let slot = SharedMemory.slot(.draft1)
        let before = slot.bytes
        let long = address(family: SocketAddress.unix, length: 29)
        let short = SocketAddress.ipv4(1, port: 1)
        for dialect in [Dialect.draft1, .pvcalls1] {
            #expect(throws: WireError.EINVAL) {
                try RequestCodec(dialect).encode(
                    .bind(id: 1, address: long), requestID: 0, into: slot.base,
                    arguments: SharedMemory.arguments().area)
            }
        }
        #expect(throws: WireError.EINVAL, "no argument area") {
            try RequestCodec(.xensock2).encode(.bind(id: 1, address: long), requestID: 0, into: slot.base)
        }
        #expect(throws: WireError.EINVAL, "no argument slot of that number") {
            try RequestCodec(.xensock2).encode(
                .bind(id: 1, address: long), requestID: 32, into: slot.base, arguments: SharedMemory.arguments().area)
        }
        #expect(throws: WireError.EINVAL, "no list of pages") {
            try RequestCodec(.draft1).encode(
                .connect(id: 1, address: short, flags: 0, ring: .pages, eventChannel: 1), requestID: 0, into: slot.base)
        }
        #expect(throws: WireError.EINVAL, "no indexes page in this dialect") {
            try RequestCodec(.draft1).encode(
                .connect(id: 1, address: short, flags: 0, ring: .indexesPage(1), eventChannel: 1), requestID: 0,
                into: slot.base)
        }
        #expect(throws: WireError.EINVAL) {
            try RequestCodec(.xensock2).encode(
                .getsockopt(id: 1, level: 0, name: 0, length: 513), requestID: 0, into: slot.base)
        }
        #expect(slot.bytes == before)
    }

    @Test("A length above its place is answered with EINVAL, the request's numbers still known", arguments: dialects)
    func lengthsAreBounded(dialect: Dialect) throws {
        let codec = RequestCodec(dialect)
        let arguments = SharedMemory.arguments()
        var pages = draft1Pages()
        let limit: UInt32 = dialect == .xensock2 ? 128 : 28
        for request in requests(dialect) {
            guard case .bind = request else { continue }
            let slot = SharedMemory.slot(dialect)
            try codec.encode(request, requestID: 5, into: slot.base, arguments: arguments.area, pages: &pages)
            for length in [limit, limit + 1, 512, 0x8000_0000, .max] {
                slot.set(44, length)
                let incoming = codec.decode(from: slot.base, arguments: arguments.area)
                if length == limit {
                    #expect(throws: Never.self) { try incoming.content.get() }
                } else {
                    #expect(incoming.content == .failure(.EINVAL))
                }
                #expect(incoming.requestID == 5)
                #expect(incoming.id == socketID)
                #expect(incoming.response(-22).command == Command.bind.number(in: dialect))
            }
        }
    }

    @Test("Without an argument area a long address is refused, not looked for")
    func noArguments() {
        let slot = SharedMemory.slot(.xensock2)
        slot.set(0, UInt32(0))
        slot.set(4, UInt32(3))
        slot.set(44, UInt32(29))
        #expect(RequestCodec(.xensock2).decode(from: slot.base).content == .failure(.EINVAL))
    }

    @Test("A request number without an argument slot is refused in xensock2 and a peer's own business in pvcalls1")
    func requestNumbers() throws {
        let slot = SharedMemory.slot(.pvcalls1)
        for number in [UInt32(32), .max] {
            try RequestCodec(.pvcalls1).encode(.listen(id: 1, backlog: 5), requestID: number, into: slot.base)
            #expect(RequestCodec(.xensock2).decode(from: slot.base).content == .failure(.EINVAL))
            #expect(try RequestCodec(.pvcalls1).decode(from: slot.base).content.get() == .listen(id: 1, backlog: 5))
        }
    }

    @Test("Only exactly 1 asks for reuse, since Linux leaves the byte as it was")
    func reuse() throws {
        let slot = SharedMemory.slot(.pvcalls1)
        try RequestCodec(.pvcalls1).encode(.release(id: 9, reuse: true), requestID: 0, into: slot.base)
        for value in UInt8.min...UInt8.max {
            slot.base.storeBytes(of: value, toByteOffset: 16, as: UInt8.self)
            let request = try RequestCodec(.pvcalls1).decode(from: slot.base).content.get()
            #expect(request == .release(id: 9, reuse: value == 1))
        }
    }
}

extension IncomingRequest {
    /// The address of a CONNECT or BIND.
    var address: SocketAddress? {
        switch content {
        case .success(.connect(_, let address, _, _, _)), .success(.bind(_, let address)): address
        default: nil
        }
    }
}
