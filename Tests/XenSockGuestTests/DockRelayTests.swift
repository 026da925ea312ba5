import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire
import XenSockXen

@testable import XenSockGuest

/// Relayed sockets of a session on the device (docs/PROTOCOL.md, 3.7). The tests are the backend and the program.
@Suite(.serialized) struct DockRelayTests {
    private static let port: UInt32 = 5
    private static let order: UInt32 = 4
    private static let half: UInt32 = 2048 << order

    /// A port with a pair and a ring, whose backend's side is here.
    private final class Relayed {
        let fixture: DockFixture
        let program: DockProgram
        /// The program's end.
        var end: Int32
        let indexes: GrantMapping
        let ring: GrantMapping
        var input: InRingBack
        var output: OutRingBack
        private var looks: UInt32 = 0

        init() throws {
            fixture = try DockFixture()
            program = try fixture.open(direct: true)
            let answer = try program.ask(port, order: order)
            #expect(answer.u32(SessionFrame.RingAnswer.order) == order)
            let line = try #require(program.control?.base) + Arena.statusOffset(port: port)
            let indexes = try fixture.map([SharedWord32(line + StatusLine.reference).load()])
            let ring = try fixture.map(
                (0..<(1 << Int(order))).map {
                    indexes.base.load(fromByteOffset: DataRingLayout.referenceOffset(page: $0), as: UInt32.self)
                })
            (self.indexes, self.ring) = (indexes, ring)
            input = InRingBack(indexes: indexes.base, data: ring.base, size: half)
            output = OutRingBack(indexes: indexes.base, data: ring.base + Int(half), size: half)
            end = try program.bind(port).descriptor
            var size: Int32 = 200_000
            setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, 4)
        }

        deinit {
            if end >= 0 { close(end) }
            fixture.stop()
        }

        func word(_ offset: Int) -> UInt32 { program.line(port, offset).loadOrdered() }
        func set(_ offset: Int, _ value: UInt32) { program.set(port, offset, value) }

        /// A word of the port's status line.
        func status(_ offset: Int) -> SharedWord32 {
            SharedWord32(program.control!.base + Arena.statusOffset(port: port) + offset)
        }

        func begin() {
            set(PlaceholderLine.ends, PlaceholderLine.End.relay)
            look()
        }

        func look() {
            looks += 1
            set(PlaceholderLine.looks, looks)
            #expect(eventually { word(PlaceholderLine.looked) == looks })
        }

        /// What came from the network.
        func publish(_ bytes: [UInt8]) throws {
            let room = try input.free(limit: UInt32(bytes.count))
            try #require(room.count == bytes.count)
            bytes.withUnsafeBytes {
                room.first.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<room.first.count]))
                room.second.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[room.first.count...]))
            }
            if try input.publish(UInt32(bytes.count), edge: false) { sendToken() }
        }

        private func sendToken() { set(PlaceholderLine.tokens, word(PlaceholderLine.tokens) &+ 1) }

        func publishEnd() throws { if try input.publishEndOfFile() { sendToken() } }

        /// What goes to the network; counts a filler when the ring asks for that.
        func take(_ limit: UInt32 = .max) throws -> [UInt8] {
            let waiting = min(try output.waiting(), limit)
            let bytes = output.bytes(waiting, limit: waiting)
            let taken = Array(bytes.first) + Array(bytes.second)
            if case .receiveFiller = try output.consume(waiting) {
                set(PlaceholderLine.fillers, word(PlaceholderLine.fillers) &+ 1)
            }
            return taken
        }

        func await(_ count: UInt32) throws -> [UInt8] {
            #expect(eventually { (try? output.waiting()) ?? 0 >= count })
            return try take()
        }

        func write(_ bytes: [UInt8]) -> Int { send(end, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT)) }

        func read(_ limit: Int = 1 << 16) -> [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: limit)
            guard eventually({ unread(end) > 0 || events(end) & Int16(XS_POLLRDHUP) != 0 }) else { return nil }
            let count = recv(end, &bytes, limit, Int32(MSG_DONTWAIT))
            return count < 0 ? nil : Array(bytes[..<count])
        }
    }

    @Test func `What stands in both rings goes first, then what comes, and no token`() throws {
        let it = try Relayed()
        try it.publish([1, 2, 3])
        #expect(it.read() == [1])
        // As the library does before it asks.
        let front = InRingFront(indexes: it.indexes.base, data: it.ring.base, size: Self.half)
        #expect(front.freeze(front.producerValue()))
        try it.publish([4])
        it.begin()
        #expect(it.read() == [1, 2, 3, 4])
        try it.publish([5])
        #expect(it.read() == [5])
        #expect(eventually { front.producerValue().flags == 0 })
        #expect(it.write([6, 7]) == 2)
        #expect(try it.await(2) == [6, 7])
        try it.publish([8])
        #expect(it.read() == [8])
    }

    @Test func `Tokens that were asked for and not sent are no bytes of the stream`() throws {
        let it = try Relayed()
        it.program.line(Self.port, PlaceholderLine.tokens).store(3)
        it.begin()
        try it.publish([9])
        #expect(it.read() == [9])
    }

    @Test func `Fillers go before the stream: those that are there, and one that is to come`() throws {
        let it = try Relayed()
        let filler = [UInt8](repeating: 0, count: 256)
        #expect(it.write(filler) == 256)
        it.program.line(Self.port, PlaceholderLine.purges).store(1)
        it.begin()
        #expect(it.write([1]) == 1)
        #expect(try it.await(1) == [1])
        let other = try Relayed()
        other.program.line(Self.port, PlaceholderLine.fillers).store(1)
        other.begin()
        #expect(other.write(filler + [2]) == 257)
        #expect(try other.await(1) == [2])
    }

    @Test func `A program that reads nothing stops the ring, and one that reads goes on`() throws {
        let it = try Relayed()
        it.begin()
        var sent: [UInt8] = []
        var next: UInt8 = 0
        while sent.count < 4 << 20 {
            let room = try it.input.free(limit: 4096)
            if room.count == 0, !eventually(within: 2, { (try? it.input.free(limit: 1).count) ?? 0 > 0 }) { break }
            let bytes = [UInt8](repeating: next, count: try it.input.free(limit: 4096).count)
            next &+= 1
            try it.publish(bytes)
            sent += bytes
        }
        #expect(sent.count > Int(Self.half) && sent.count < 4 << 20)
        #expect(try it.input.stall())
        var read: [UInt8] = []
        while read.count < sent.count, let bytes = it.read() { read += bytes }
        #expect(read == sent)
        // STALL was cleared, as whoever consumes half of the ring does.
        #expect(SharedWord64(it.indexes.base + InConsumer.offset).load() & 1 == 0)
    }

    @Test func `A network that takes nothing stops the program, and one that takes wakes it`() throws {
        let it = try Relayed()
        it.begin()
        let bytes = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
        var written = 0
        var idle = 0
        while idle < 50 {
            let count = it.write(Array(bytes[written..<min(bytes.count, written + 8192)]))
            if count > 0 { (written, idle) = (written + count, 0) } else { (idle, _) = (idle + 1, usleep(5000)) }
        }
        #expect(written < bytes.count && UInt32(written) > Self.half)
        #expect(try it.output.waiting() == Self.half)
        var taken: [UInt8] = []
        while taken.count < bytes.count {
            taken += try it.take()
            if written < bytes.count {
                written += max(0, it.write(Array(bytes[written..<min(bytes.count, written + 8192)])))
            }
            guard taken.count < bytes.count else { break }
            #expect(eventually { (try? it.output.waiting()) ?? 0 > 0 })
        }
        #expect(taken == bytes)
    }

    @Test func `The end of the stream comes behind the last byte, and the other direction goes on`() throws {
        let it = try Relayed()
        it.begin()
        try it.publish([1, 2])
        try it.publishEnd()
        #expect(it.read() == [1, 2])
        #expect(it.read() == [])
        #expect(it.write([3]) == 1)
        #expect(try it.await(1) == [3])
        #expect(it.word(PlaceholderLine.hangup) == 0)
        shutdown(it.end, Int32(SHUT_WR))
        #expect(eventually { it.word(PlaceholderLine.hangup) == PlaceholderLine.Hangup.closed })
    }

    @Test func `The program's end for writing is told behind its last byte`() throws {
        let it = try Relayed()
        it.begin()
        #expect(it.write([1, 2]) == 2)
        shutdown(it.end, Int32(SHUT_WR))
        #expect(eventually { it.word(PlaceholderLine.ended) == 1 })
        #expect(try it.take() == [1, 2])
        try it.publish([3])
        #expect(it.read() == [3])
        #expect(it.word(PlaceholderLine.hangup) == 0)
    }

    @Test func `What a program left is taken while there is room, and the backend knows that more comes`() throws {
        let it = try Relayed()
        it.begin()
        let bytes = [UInt8](repeating: 7, count: 30_000)
        var written = 0
        for _ in 0..<4 where it.write(bytes) == bytes.count { written += bytes.count }
        #expect(written > Int(Self.half))
        let copy = dup(it.end)
        close(it.end)
        it.end = -1
        usleep(20_000)
        #expect(it.word(PlaceholderLine.hangup) == 0)
        close(copy)
        #expect(eventually { it.word(PlaceholderLine.hangup) == PlaceholderLine.Hangup.finishing })
        var taken = 0
        #expect(
            eventually {
                taken += (try? it.take().count) ?? 0
                return it.word(PlaceholderLine.hangup) == PlaceholderLine.Hangup.closed
            })
        #expect(taken + (try it.take().count) == written)
    }

    @Test func `A close over unread bytes is told as one, behind what was written`() throws {
        let it = try Relayed()
        it.begin()
        try it.publish([1])
        #expect(eventually { unread(it.end) == 1 })
        #expect(it.write([2]) == 1)
        close(it.end)
        it.end = -1
        #expect(eventually { it.word(PlaceholderLine.hangup) == PlaceholderLine.Hangup.reset })
        #expect(try it.take() == [2])
    }

    @Test func `A program that sends what nobody takes gets an error, and the end behind the last byte`() throws {
        let it = try Relayed()
        it.begin()
        try it.publish([1])
        _ = try it.output.breakDown()
        it.look()
        #expect(it.write([2]) == -1 && errno == EPIPE)
        it.status(StatusLine.state).store(StatusLine.State.reset.rawValue)
        try it.publishEnd()
        #expect(it.read() == [1])
        #expect(it.read() == [])
        #expect(eventually { it.word(PlaceholderLine.hangup) == PlaceholderLine.Hangup.closed })
    }

    @Test func `A reset over bytes that nobody took is one for every program`() throws {
        let it = try Relayed()
        it.begin()
        // What is in the placeholder when the reset comes: the ring has no room for it.
        #expect(it.write([UInt8](repeating: 1, count: Int(Self.half) + 5)) == Int(Self.half) + 5)
        #expect(eventually { (try? it.output.waiting()) ?? 0 == Self.half })
        it.status(StatusLine.state).store(StatusLine.State.reset.rawValue)
        try it.publishEnd()
        #expect(eventually { it.word(PlaceholderLine.hangup) == PlaceholderLine.Hangup.closed })
        var byte: UInt8 = 0
        #expect(recv(it.end, &byte, 1, Int32(MSG_DONTWAIT)) == -1 && errno == ECONNRESET)
    }

    @Test func `The place where the program's bytes end is told at each look`() throws {
        let it = try Relayed()
        it.begin()
        let bytes = [UInt8](repeating: 1, count: Int(Self.half))
        #expect(it.write(bytes) == bytes.count)
        #expect(it.write([2, 3, 4]) == 3)
        it.look()
        #expect(it.word(PlaceholderLine.written) == Self.half + 3)
    }

    @Test func `Indexes that make no sense end the relaying, and nothing else`() throws {
        for offset in [InConsumer.offset, OutProducer.offset] {
            let it = try Relayed()
            it.begin()
            SharedWord64(it.indexes.base + offset).store(UInt64(Self.half + 1) << 32)
            it.look()
            #expect(eventually { it.word(PlaceholderLine.hangup) == PlaceholderLine.Hangup.reset })
            #expect(try it.program.bind(6).error == 0)
        }
    }

    @Test func `Garbage in ring and lines harms its socket only`() throws {
        for seed in UInt64(1)...3 {
            var random = SeededGenerator(seed: seed)
            let it = try Relayed()
            let other = try it.program.bind(6).descriptor
            defer { close(other) }
            it.begin()
            for round in UInt32(1)...400 {
                let words = [InProducer.offset, InConsumer.offset, OutProducer.offset, OutConsumer.offset]
                let value = UInt64(random.next() as UInt32 >> (random.next() & 31)) << 32 | random.next() & 0xfff
                SharedWord64(it.indexes.base + words.randomElement(using: &random)!).store(value)
                let offset = [PlaceholderLine.tokens, PlaceholderLine.fillers, PlaceholderLine.purges]
                    .randomElement(using: &random)!
                it.set(offset, random.next())
                it.status(StatusLine.state).store(UInt32(random.next() & 7))
                _ = it.write([UInt8](repeating: 1, count: 100))
                if round % 40 == 0 { it.program.set(6, PlaceholderLine.tokens, round / 40) }
            }
            #expect(eventually { unread(other) == 10 })
            it.look()
        }
    }

    @Test func `An order beyond what was granted is refused`() throws {
        let it = try Relayed()
        it.indexes.base.storeBytes(of: Self.order + 1, toByteOffset: IndexesPage.ringOrder, as: UInt32.self)
        it.begin()
        #expect(it.word(PlaceholderLine.hangup) == PlaceholderLine.Hangup.reset)
    }

    @Test func `A device that ends hands over what had come, and says why there is no more`() throws {
        let it = try Relayed()
        it.begin()
        try it.publish([1, 2])
        #expect(eventually { unread(it.end) == 2 })
        // The dock's thread is the one that looks.
        let device = it.fixture.device
        try device.store.write("\(device.backend)/state", "\(XenBusState.closing.rawValue)")
        #expect(eventually { it.status(StatusLine.error).load() == UInt32(ECONNRESET) })
        #expect(it.read() == [1, 2])
        #expect(it.read() == [])
    }
}
