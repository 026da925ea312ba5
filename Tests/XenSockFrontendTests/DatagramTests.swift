import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockFrontend
@testable import XenSockRing

/// A datagram socket over the in-memory domain; the test plays the backend.
private final class DatagramFixture {
    static let half: UInt32 = 2048 << DatagramRecord.minimumOrder

    let memory = SharedPages(pages: 1 + 1 << Int(DatagramRecord.minimumOrder))
    let line = SharedPages(pages: 1)
    let domain = InMemoryDomain()
    let placeholder = InMemoryPlaceholder()
    var input: InRingBack
    var output: OutRingBack

    init() {
        let data = memory.base + pageSize
        input = InRingBack(indexes: memory.base, data: data, size: Self.half)
        output = OutRingBack(indexes: memory.base, data: data + Int(Self.half), size: Self.half)
        domain.placeholders[7] = placeholder
        status.setOrder(DatagramRecord.minimumOrder)
        status.set(StatusLine.Flag.nonBlocking, true)
        SharedWord32(line.base + StatusLine.state).store(StatusLine.State.connected.rawValue)
    }

    var status: SocketStatus { SocketStatus(line: line.base) }

    var socket: DatagramSocket<InMemoryDomain> {
        DatagramSocket(
            plain: StreamSocket(
                domain: domain, placeholder: 7, port: 3, status: status, indexes: memory.base,
                tag: StatusLine.lock(session: 5, thread: 50)))
    }

    private func token() { _ = placeholder.send(from: .service, 1) }

    /// A datagram arrives. False if there is no room for any.
    func arrive(
        _ payload: [UInt8], address: [UInt8] = [2, 0, 0, 80, 127, 0, 0, 1] + [UInt8](repeating: 0, count: 8),
        control: [UInt8] = []
    ) throws -> Bool {
        if try input.size - input.unread() < DatagramRecord.maximumSize {
            _ = try input.stall(unless: DatagramRecord.maximumSize)
            return false
        }
        let record = DatagramRecord(
            payload: UInt32(payload.count), address: UInt32(address.count), control: UInt32(control.count), flags: 0)
        input.storeHead(record.words)
        control.withUnsafeBytes {
            if let base = $0.baseAddress { input.space(at: record.controlOffset, record.control).copy(from: base) }
        }
        payload.withUnsafeBytes {
            if let base = $0.baseAddress { input.space(at: 24, record.payload).copy(from: base) }
        }
        address.withUnsafeBytes {
            if let base = $0.baseAddress { input.space(at: record.addressOffset, record.address).copy(from: base) }
        }
        if try input.publish(record.size, edge: status.has(StatusLine.Flag.edgeTriggered)) { token() }
        return true
    }

    func fail(_ error: Int32) throws {
        if try input.raise(InProducer.error, edge: false) { token() }
        SharedWord32(line.base + StatusLine.error).store(UInt32(error))
    }

    func receive(_ room: Int, _ flags: Int32 = 0) -> (result: Int, bytes: [UInt8], flags: Int32) {
        var bytes = [UInt8](repeating: 0xee, count: room)
        var message = msghdr()
        let result = bytes.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            return socket.receive(&vector, 1, flags: flags, message: &message)
        }
        return (result, Array(bytes.prefix(max(0, min(result, room)))), message.msg_flags)
    }

    /// Receives one with rooms for name and control messages, into a buffer whose first touch runs `interruption`.
    func receive(nameRoom: Int, controlRoom: Int, interruption: @escaping () -> Void = {}) -> Parts {
        var name = [UInt8](repeating: 0xee, count: 256)
        var control = [UInt8](repeating: 0xee, count: 256)
        var message = msghdr()
        let (result, payload) = FaultingPages.with(interruption: interruption) { pages in
            var vector = iovec(iov_base: pages.base, iov_len: 100)
            let result = name.withUnsafeMutableBytes { name in
                control.withUnsafeMutableBytes { control in
                    message.msg_name = name.baseAddress
                    message.msg_namelen = socklen_t(nameRoom)
                    message.msg_control = control.baseAddress
                    message.msg_controllen = controlRoom
                    return socket.receive(&vector, 1, flags: 0, message: &message)
                }
            }
            return (result, pages.bytes(max(0, result)))
        }
        return Parts(
            result: result, payload: payload, name: name, nameLength: Int(message.msg_namelen), control: control,
            controlLength: Int(message.msg_controllen), flags: message.msg_flags)
    }

    /// What recvmsg(2) gives; the buffers of name and control messages whole, 0xee where nothing was stored.
    struct Parts {
        let result: Int
        let payload: [UInt8]
        let name: [UInt8]
        let nameLength: Int
        let control: [UInt8]
        let controlLength: Int
        let flags: Int32
    }

    /// Publishes one record; the error if that fails.
    func send(_ payload: [UInt8]) -> Int {
        var payload = payload
        return payload.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            let none = UnsafeRawBufferPointer(start: nil, count: 0)
            let datagram = OutgoingDatagram(
                record: DatagramRecord(payload: UInt32(buffer.count), address: 0, control: 0, flags: 0),
                payload: VectorCursor(&vector, 1)!, address: none, control: none)
            var end: UInt32 = 0
            return socket.publish(datagram, blocking: false, end: &end)
        }
    }

    /// The backend takes one record; nil if there is none.
    func take() throws -> [UInt8]? {
        let waiting = try output.waiting()
        guard waiting > 0 else { return nil }
        let words = try #require(output.head())
        let record = try #require(DatagramRecord(words: words, available: waiting))
        var payload = [UInt8](repeating: 0, count: Int(record.payload))
        payload.withUnsafeMutableBytes {
            if let base = $0.baseAddress { output.bytes(at: 24, record.payload).copy(to: base) }
        }
        switch try output.consume(record.size) {
        case .nothing: break
        case .receiveFiller: #expect(placeholder.receive(at: .service, 256) == 256)
        case .owesFiller: Issue.record("a filler that was announced and not sent")
        }
        return payload
    }

    /// What must hold between calls: the placeholder holds TOKENS bytes, and shows what there is to see and no more.
    func check() throws {
        let value = input.value
        #expect(placeholder.unread(at: .program) == Int(value.tokens))
        let hasSomething = try input.unread() > 0 || value.has(InProducer.error | InProducer.errorQueue)
        #expect(hasSomething == (value.tokens > 0), "readable: \(value.tokens), something: \(hasSomething)")
        #expect(placeholder.unread(at: .service) <= 256)
        #expect(status.receiveLock.word.load() == 0 && status.sendLock.word.load() == 0)
    }
}

extension InRingBack {
    fileprivate var value: IndexWord.Value { producer.load() }
}

@Suite("Datagram sockets of the frontend")
struct DatagramTests {
    @Test("Boundaries, flags and readiness are exact whatever comes in which order", arguments: 1...8)
    func random(seed: Int) throws {
        let it = DatagramFixture()
        var random = SeededGenerator(seed: UInt64(seed))
        var queue: [[UInt8]] = []
        var error: Int32 = 0
        for round in 0..<4000 {
            switch random.below(8) {
            case 0...2:
                let size = random.oneIn(20) ? random.below(65536) : random.below(50)
                let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ round) }
                if try it.arrive(payload) { queue.append(payload) }
            case 3 where random.oneIn(4):
                error = Int32(100 + random.below(12))
                try it.fail(error)
            case 4 where error != 0:
                #expect(it.socket.takeErrorAndTidy() == Int(error))
                error = 0
            default:
                let room = random.below(60)
                let flags = [0, Int32(MSG_PEEK), Int32(MSG_TRUNC), Int32(MSG_PEEK | MSG_TRUNC)][random.below(4)]
                let (result, bytes, found) = it.receive(room, flags)
                if error != 0 {
                    #expect(result == -Int(error))
                    error = 0
                } else if let first = queue.first {
                    let isCut = first.count > room
                    #expect(result == (flags & Int32(MSG_TRUNC) != 0 ? first.count : min(room, first.count)))
                    #expect(bytes == Array(first.prefix(bytes.count)))
                    #expect(found == (isCut ? Int32(MSG_TRUNC) : 0))
                    if flags & Int32(MSG_PEEK) == 0 { queue.removeFirst() }
                } else {
                    #expect(result == -Int(EAGAIN))
                }
            }
            try it.check()
        }
    }

    @Test("Records go out whole and in order, and a full ring makes the socket not writable", arguments: 1...4)
    func sending(seed: Int) throws {
        let it = DatagramFixture()
        var random = SeededGenerator(seed: UInt64(seed))
        var queue: [[UInt8]] = []
        var refused = 0
        for round in 0..<3000 {
            if random.below(5) < (round / 300 % 2 == 0 ? 4 : 1) {
                let size = random.oneIn(3) ? random.below(65536) : random.below(3000)
                let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 3 &+ round) }
                let result = it.send(payload)
                if result == 0 {
                    queue.append(payload)
                } else {
                    #expect(result == -Int(EAGAIN))
                    #expect(!it.placeholder.events(.program).contains(.output))
                    refused += 1
                }
            } else if let taken = try it.take() {
                #expect(taken == queue.removeFirst())
            } else {
                #expect(queue.isEmpty)
            }
            if try it.output.waiting() == 0 { #expect(it.placeholder.events(.program).contains(.output)) }
            try it.check()
        }
        #expect(refused > 10)
    }

    @Test("Rubbish in the ring is EIO, and nothing is read beyond it", arguments: 1...4)
    func rubbish(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        var results: Set<Int> = []
        for _ in 0..<300 {
            let it = DatagramFixture()
            let data = it.memory.base + pageSize
            for word in 0..<64 {
                let value = random.oneIn(3) ? UInt64(random.below(4096)) : random.next()
                data.storeBytes(of: value, toByteOffset: word * 8, as: UInt64.self)
            }
            if random.oneIn(2) {
                let (size, payload) = (UInt32(random.below(512)), UInt32(random.below(512)))
                data.storeBytes(of: UInt64(payload) << 32 | UInt64(size & ~7), as: UInt64.self)
            }
            let index = random.oneIn(4) ? UInt32(random.below(1 << 20)) : UInt32(random.below(600))
            IndexWord(it.memory.base + InProducer.offset).store(.init(index: index, flags: 1))
            if random.oneIn(3) {
                let start = UInt32(random.below(16))
                IndexWord(it.memory.base + InConsumer.offset).store(.init(index: start, flags: 0))
            }
            _ = it.placeholder.send(from: .service, 1)
            let result = it.receive(2000).result
            #expect(result >= -133 && result <= 2000)
            _ = it.socket.nextSize()
            results.insert(max(result, -6))
        }
        #expect(results.contains(-Int(EIO)))
    }

    @Test("A destination's verdict holds for datagrams that are not larger, until something changes")
    func verdicts() {
        let page = SharedPages(pages: 1)
        let verdicts = DatagramVerdicts(page.base)
        func key(_ address: [UInt8], _ control: [UInt8] = [], _ flags: UInt32 = 0) -> DatagramVerdicts.Key {
            address.withUnsafeBytes { address in
                control.withUnsafeBytes { .init(address: address, control: $0, flags: flags) }
            }
        }
        let one = key([2, 0, 0, 80, 127, 0, 0, 1])
        #expect(!verdicts.has(one, 0))
        verdicts.add(one, 100)
        #expect(verdicts.has(one, 100) && verdicts.has(one, 0) && !verdicts.has(one, 101))
        for other in [
            key([2, 0, 0, 81, 127, 0, 0, 1]), key([2, 0, 0, 80, 127, 0, 0, 1], [1]), key([]),
            key([2, 0, 0, 80, 127, 0, 0, 1], [], 4),
        ] {
            #expect(!verdicts.has(other, 0))
        }
        verdicts.forget()
        #expect(!verdicts.has(one, 0))
        #expect(DatagramVerdicts.offset >= DataRingLayout.referenceOffset(page: 1 << Int(DataRingLayout.maximumOrder)))
        #expect(DatagramVerdicts.offset + DatagramVerdicts.count * 8 <= InProducer.offset)
    }

    private static let inet6 = [10, 0, 0, 80] + [UInt8](repeating: 7, count: 24)

    /// A control message of `length` bytes with its padding.
    private static func message(level: Int32, type: Int32, length: Int = 20) -> [UInt8] {
        var bytes = [UInt8](repeating: 9, count: (length + 7) & ~7)
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: UInt64(length), as: UInt64.self)
            $0.storeBytes(of: level, toByteOffset: 8, as: Int32.self)
            $0.storeBytes(of: type, toByteOffset: 12, as: Int32.self)
        }
        return bytes
    }

    private static func untouched(_ bytes: [UInt8], from: Int) -> Bool { bytes[from...].allSatisfy { $0 == 0xee } }

    @Test func aHandlerThatReceivesInBetweenLeavesTheRoomsOfTheInterruptedCall() throws {
        let it = DatagramFixture()
        let control = Self.message(level: 0, type: 8)
        #expect(try it.arrive([1], address: Self.inet6))
        #expect(try it.arrive([2], address: Self.inet6, control: control))
        var taken: [UInt8] = []
        let parts = it.receive(nameRoom: 16, controlRoom: 64) { taken = it.receive(10).bytes }
        #expect(taken == [1] && parts.payload == [2])
        #expect(parts.nameLength == 28 && Array(parts.name[..<16]) == Array(Self.inet6[..<16]))
        #expect(Self.untouched(parts.name, from: 16))
        #expect(parts.controlLength == control.count && Array(parts.control[..<20]) == Array(control[..<20]))
        #expect(parts.flags == 0)
        try it.check()
    }

    @Test func aHandlerThatReceivesTheLastLeavesTheMessageAsItWas() throws {
        let it = DatagramFixture()
        #expect(try it.arrive([1], address: Self.inet6))
        let parts = it.receive(nameRoom: 16, controlRoom: 64) { _ = it.receive(10) }
        #expect(parts.result == -Int(EAGAIN) && parts.nameLength == 16 && parts.controlLength == 64)
        #expect(Self.untouched(parts.name, from: 16))
    }

    @Test func controlMessagesOfUnixSocketsAreNotDelivered() throws {
        let it = DatagramFixture()
        let honest = Self.message(level: SOL_SOCKET, type: 29, length: 32)
        let forged = (Int32(1)...4).map { Self.message(level: SOL_SOCKET, type: $0) }
        #expect(try it.arrive([1], control: forged[0] + forged[1] + honest + forged[2] + forged[3]))
        let parts = it.receive(nameRoom: 16, controlRoom: 256)
        #expect(parts.result == 1 && parts.controlLength == 32 && parts.flags == 0)
        #expect(Array(parts.control[..<32]) == honest)
    }

    @Test(
        "An address that no kernel gives for the socket is EIO, and is not stored",
        arguments: [(2, 0), (2, 2), (2, 15), (2, 28), (2, 128), (10, 16), (10, 27), (1, 16), (1, 110), (0, 16)])
    func impossibleAddress(family: UInt8, length: Int) throws {
        let it = DatagramFixture()
        let address = Array(([family, 0] + [UInt8](repeating: 7, count: 128)).prefix(length))
        #expect(try it.arrive([1], address: address))
        let parts = it.receive(nameRoom: 128, controlRoom: 64)
        #expect(parts.result == -Int(EIO) && parts.nameLength == 128)
        #expect(Self.untouched(parts.name, from: 0))
    }

    @Test func anAddressOfTheOtherFamilyIsOneOfNoIPv4Socket() throws {
        let it = DatagramFixture()
        it.status.word(StatusLine.kind).store(StatusLine.kind(domain: SocketAddress.inet, type: 2))
        #expect(try it.arrive([1], address: Self.inet6))
        #expect(it.receive(nameRoom: 128, controlRoom: 64).result == -Int(EIO))
    }
}
