import Testing
import XenSockTestSupport

@testable import XenSockRing

/// The other side may write anything anywhere, at any time: a ring answers with RingViolation or works on, inside its
/// half, and never traps.
struct HostileWordTests {
    private static let words = [InProducer.offset, InConsumer.offset, OutProducer.offset, OutConsumer.offset]

    /// Values at the edges of every field.
    private static let edges: [UInt64] = {
        let indexes: [UInt64] = [0, 1, 15, 16, 4095, 4096, 4097, 1 << 31, (1 << 32) - 4096, (1 << 32) - 1]
        let flags: [UInt64] = [0, 1, 2, 4, 31, 0xff, 0x100, 0x1ff, 1 << 31, (1 << 32) - 1]
        return indexes.flatMap { index in flags.map { index << 32 | $0 } }
    }()

    /// Every operation of every end, on whatever stands in the words. Throws only what the rings throw.
    private func exercise(_ ring: DataRing, _ progress: Progress, _ random: inout SeededGenerator) throws {
        func allowed<T>(_ body: () throws(RingViolation) -> T) -> T? { try? body() }
        let size = Int(DataRing.size)
        func inside(_ segments: Segments, _ data: UnsafeMutableRawPointer, _ what: String) throws {
            try progress.require(segments.lie(in: data, size: size), "\(what) outside the half")
        }
        if let view = allowed({ () throws(RingViolation) in try ring.inFront.view() }) {
            try progress.require(view.count <= DataRing.size, "a view of \(view.count) bytes")
            let bytes = ring.inFront.bytes(
                view, skip: UInt32(truncatingIfNeeded: random.next() >> random.next() % 64), limit: .max)
            try inside(bytes, ring.inData, "bytes to receive")
            _ = allowed { () throws(RingViolation) in try ring.inFront.consume(view, UInt32(bytes.count)) }
            _ = ring.inFront.disarm(view)
        }
        if let view = allowed({ () throws(RingViolation) in try ring.outFront.view() }) {
            try progress.require(view.used <= DataRing.size, "a view of \(view.used) bytes used")
            let space = ring.outFront.free(view, limit: .max)
            try inside(space, ring.outData, "space to send")
            _ = allowed { () throws(RingViolation) in try ring.outFront.publish(view, UInt32(space.count)) }
            _ = ring.outFront.block(view.consumer)
        }
        _ = allowed { () throws(RingViolation) in try ring.outFront.fillerSent() }
        if let space = allowed({ () throws(RingViolation) in try ring.inBack.free(limit: .max) }) {
            try inside(space, ring.inData, "space to receive into")
            _ = allowed { () throws(RingViolation) in
                try ring.inBack.publish(UInt32(space.count), edge: random.oneIn(2))
            }
        }
        _ = allowed { () throws(RingViolation) in try ring.inBack.stall() }
        _ = allowed { () throws(RingViolation) in try ring.inBack.arm() }
        if let waiting = allowed({ () throws(RingViolation) in try ring.outBack.waiting() }) {
            try progress.require(waiting <= DataRing.size, "\(waiting) bytes waiting")
            let bytes = ring.outBack.bytes(waiting, limit: .max)
            try inside(bytes, ring.outData, "bytes to send")
            _ = allowed { () throws(RingViolation) in try ring.outBack.consume(UInt32(bytes.count)) }
        }
        _ = allowed { () throws(RingViolation) in try ring.outBack.idle() }
        _ = allowed { () throws(RingViolation) in try ring.outBack.settleOwed() }
        if random.oneIn(8) { _ = allowed { () throws(RingViolation) in try ring.outBack.decideConnect() } }
        if random.oneIn(8) { _ = allowed { () throws(RingViolation) in try ring.outBack.breakDown() } }
    }

    @Test("Edge values in any word leave every operation inside its half", arguments: words)
    func edgeValues(offset: Int) throws {
        var random = SeededGenerator(seed: UInt64(offset))
        var progress = Progress(seed: UInt64(offset))
        for value in Self.edges {
            let ring = DataRing()
            SharedWord64(ring.memory.base + offset).store(value)
            try exercise(ring, progress, &random)
            try exercise(ring, progress, &random)
            progress.step += 1
        }
    }

    @Test(
        "Random values in all words, rewritten between operations, do likewise",
        arguments: 21...26 as ClosedRange<UInt64>)
    func randomValues(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        let ring = DataRing()
        for step in 0..<3000 {
            progress.step = step
            for offset in Self.words where random.oneIn(2) {
                // Near what is plausible as often as anything.
                let near = ring.inBack.produced &+ UInt32(random.below(8192)) &- 4096
                let value = random.oneIn(2) ? random.next() : UInt64(near) << 32 | random.next() & 0x1ff
                SharedWord64(ring.memory.base + offset).store(value)
            }
            try exercise(ring, progress, &random)
        }
    }

    @Test("An index one byte beyond the half is a violation at each end, and the half itself is not")
    func beyond() throws {
        let ring = DataRing()
        ring.inProducer.store(.init(index: 4096, flags: 0))
        #expect(try ring.inFront.view().count == 4096)
        ring.inProducer.store(.init(index: 4097, flags: 0))
        #expect(throws: RingViolation.self) { _ = try ring.inFront.view() }
        ring.inConsumer.store(.init(index: 1, flags: 0))
        #expect(throws: RingViolation.self) { _ = try ring.inBack.unread() }
        #expect(throws: RingViolation.self) { _ = try ring.inBack.free(limit: 1) }
        #expect(throws: RingViolation.self) { _ = try ring.inBack.stall() }
        ring.outProducer.store(.init(index: 4097, flags: 0))
        #expect(throws: RingViolation.self) { _ = try ring.outBack.waiting() }
        #expect(throws: RingViolation.self) { _ = try ring.outBack.consume(0) }
        #expect(throws: RingViolation.self) { _ = try ring.outBack.idle() }
        #expect(throws: RingViolation.self) { _ = try ring.outFront.view() }
    }

    @Test("The backend writes its own index, whatever the frontend made of the word")
    func ownIndexes() throws {
        let ring = DataRing()
        _ = try ring.inBack.publish(10, edge: false)
        ring.inProducer.store(.init(rawValue: 0xdead_beef_0000_0000))
        _ = try ring.inBack.publish(10, edge: false)
        #expect(ring.inProducer.load() == .init(index: 20, flags: 1))
        ring.outConsumer.store(.init(rawValue: 0xdead_beef_0000_0000))
        try #require(throws: RingViolation.self) { _ = try ring.outFront.view() }
        ring.outProducer.store(.init(index: 5, flags: 0))
        _ = try ring.outBack.consume(5)
        #expect(ring.outConsumer.load().index == 5)
    }

    @Test("A socket without a data ring has no bytes and no room")
    func withoutRing() throws {
        let memory = SharedPages(pages: 1)
        let input = InRingFront(indexes: memory.base, data: memory.base, size: 0)
        let output = OutRingFront(indexes: memory.base, data: memory.base, size: 0)
        #expect(try input.view().count == 0)
        #expect(try output.free(output.view(), limit: .max).count == 0)
        SharedWord64(memory.base + InProducer.offset).store(1 << 32)
        #expect(throws: RingViolation.self) { _ = try input.view() }
    }
}
