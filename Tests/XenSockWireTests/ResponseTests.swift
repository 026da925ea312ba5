import Testing
import XenSockWire

@Suite("Responses")
struct ResponseTests {
    static let long = address(family: SocketAddress.unix, length: 110)
    static let payloads: [(Command, Int32, Response.Payload)] = [
        (.socket, 0, .none), (.connect, -115, .none), (.connect, -111, .none), (.release, 0, .none),
        (.bind, -98, .none), (.listen, 0, .none),
        (.accept, 0, .accepted(.ipv6(high: 1, low: 2, port: 3), empty: true, arrivals: .max)),
        (.accept, 0, .accepted(long, empty: false, arrivals: 0x8000_0000)),
        (.accept, -11, .accepted(SocketAddress(), empty: true, arrivals: 77)),
        (.shutdown, -107, .none), (.getsockname, 0, .address(.ipv4(0x7f00_0001, port: 1))),
        (.getsockname, 0, .address(SocketAddress())), (.getpeername, 0, .address(long)), (.getpeername, -107, .none),
        (.getsockopt, 0, .length(512)), (.getsockopt, -92, .none), (.setsockopt, 0, .none), (.ioctl, 0, .value(.min)),
        (.ioctl, -25, .none), (.sendOOB, 0, .none), (.relay, -22, .none), (.flush, -111, .none),
        (.recverr, 0, .length(512)), (.recverr, -11, .none), (.look, 0, .none),
    ]

    @Test("Every answer of xensock2 comes back as it went in")
    func roundTrip() throws {
        let codec = RequestCodec(.xensock2)
        for (command, ret, payload) in Self.payloads {
            let slot = SharedMemory.slot(.xensock2)
            let arguments = SharedMemory.arguments()
            let response = Response(
                requestID: 31, command: command.rawValue, ret: ret, id: socketID, payload: payload)
            try codec.encode(response, into: slot.base, arguments: arguments.area)
            #expect(codec.decodeResponse(from: slot.base, arguments: arguments.area) == response)
        }
        let covered = Set(Self.payloads.map(\.0))
        #expect(covered == Set(Command.allCases.filter { $0 != .poll }))
    }

    @Test("The plain dialects carry ret and the identifiers, and no payload", arguments: [Dialect.draft1, .pvcalls1])
    func plain(dialect: Dialect) throws {
        let codec = RequestCodec(dialect)
        for ret: Int32 in [0, -5, -22, -104, -111] {
            let slot = SharedMemory.slot(dialect)
            try codec.encode(
                Response(
                    requestID: .max, command: 5, ret: ret, id: socketID,
                    payload: .accepted(Self.long, empty: true, arrivals: 1)), into: slot.base)
            let found = codec.decodeResponse(from: slot.base)
            #expect(found == Response(requestID: .max, command: 5, ret: ret, id: socketID))
            #expect(slot.bytes[dialect.responseSize...].allSatisfy { $0 == 0 })
        }
    }

    @Test("ENOTSUP on the wire is EOPNOTSUPP at both ends")
    func notSupported() throws {
        for dialect in dialects {
            let codec = RequestCodec(dialect)
            let slot = SharedMemory.slot(dialect)
            for ret in [WireError.ENOTSUP.ret, WireError.EOPNOTSUPP.ret] {
                try codec.encode(Response(requestID: 0, command: 99, ret: ret, id: 0), into: slot.base)
                let raw = Int32(bitPattern: slot.u32(dialect == .draft1 ? 16 : 8))
                #expect(raw == (dialect == .draft1 ? -95 : -524))
                #expect(codec.decodeResponse(from: slot.base).ret == -95)
            }
        }
    }

    @Test("A ret that is no error number is EIO", arguments: dialects)
    func impossibleReturn(dialect: Dialect) {
        let slot = SharedMemory.slot(dialect)
        for ret: Int32 in [1, .max, .min, -134, -523, -525, -4096] {
            slot.set(dialect == .draft1 ? 16 : 8, UInt32(bitPattern: ret))
            #expect(RequestCodec(dialect).decodeResponse(from: slot.base).ret == -5)
        }
    }

    @Test("An answer whose payload is out of bounds is EIO without payload")
    func badPayload() throws {
        let codec = RequestCodec(.xensock2)
        let arguments = SharedMemory.arguments()
        for (command, good, bad) in [
            (Command.accept, UInt32(128), UInt32(129)), (.getsockname, 128, 129), (.getpeername, 28, .max),
            (.getsockopt, 512, 513),
        ] {
            let slot = SharedMemory.slot(.xensock2)
            try codec.encode(Response(requestID: 3, command: command.rawValue, ret: 0, id: 1), into: slot.base)
            slot.set(24, good)
            #expect(codec.decodeResponse(from: slot.base, arguments: arguments.area).ret == 0)
            slot.set(24, bad)
            let response = codec.decodeResponse(from: slot.base, arguments: arguments.area)
            #expect(response.ret == -5)
            #expect(response.payload == .none)
            #expect(response.requestID == 3)
        }
    }

    @Test("A long address without a slot of its request is EIO in an answer, and refused on encoding")
    func noSlot() {
        let codec = RequestCodec(.xensock2)
        let slot = SharedMemory.slot(.xensock2)
        let before = slot.bytes
        let arguments = SharedMemory.arguments()
        let response = Response(requestID: 32, command: 65, ret: 0, id: 1, payload: .address(Self.long))
        #expect(throws: WireError.EINVAL) {
            try codec.encode(response, into: slot.base, arguments: arguments.area)
        }
        #expect(slot.bytes == before)
        slot.set(0, UInt32(32))
        slot.set(4, UInt32(65))
        slot.set(8, UInt32(0))
        slot.set(24, UInt32(110))
        #expect(codec.decodeResponse(from: slot.base, arguments: arguments.area).ret == -5)
    }
}
