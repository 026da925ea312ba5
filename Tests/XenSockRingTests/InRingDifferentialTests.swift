import Testing
import XenSockTestSupport

@testable import XenSockRing

/// The fast `in` ring against the slow one, under the same random operations, from an index so near 2^32 that it wraps.
struct InRingDifferentialTests {
    private struct Pair {
        let memory = SharedPages(pages: 3)
        var back: InRingBack
        let front: InRingFront
        let slow: SlowInRing
        let origin: UInt32

        init(size: Int, origin: UInt32) {
            self.origin = origin
            IndexWord(memory.base + InProducer.offset).store(.init(index: origin, flags: 0))
            IndexWord(memory.base + InConsumer.offset).store(.init(index: origin, flags: 0))
            let data = memory.base + 4096
            back = InRingBack(indexes: memory.base, data: data, size: UInt32(size), startingAt: origin)
            front = InRingFront(indexes: memory.base, data: data, size: UInt32(size))
            slow = SlowInRing(size: size)
        }
    }

    @Test(
        "The fast and the slow in ring agree after every operation",
        arguments: [UInt64(1), 2, 3, 4, 5, 6], [UInt32(0), UInt32.max - 700])
    func agree(seed: UInt64, origin: UInt32) throws {
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        let size = [4096, 256, 16][Int(seed % 3)]
        var pair = Pair(size: size, origin: origin)
        let stream = PatternStream(salt: seed)
        var view = try pair.front.view()
        var slowView = pair.slow.view()
        var finished = false
        for step in 0..<4000 {
            progress.step = step
            if random.oneIn(200) {
                pair.slow.capacity = 1 + random.below(size)
                pair.back.capacity = UInt32(pair.slow.capacity)
            }
            switch random.below(8) {
            case 0, 1, 2:
                if finished { continue }
                let limit = random.oneIn(3) ? size : 1 + random.below(size)
                let space = try pair.back.free(limit: UInt32(limit))
                let free = max(pair.slow.capacity - pair.slow.content.count, 0)
                try progress.requireEqual(space.count, min(limit, free), "free space")
                let start = pair.slow.produced
                let bytes = stream.bytes(start..<start + space.count)
                bytes.copy(to: space)
                let edge = random.oneIn(4)
                let token = try pair.back.publish(UInt32(space.count), edge: edge)
                try progress.requireEqual(token, pair.slow.publish(bytes, edge: edge), "token of publish")
            case 3:
                try progress.requireEqual(try pair.back.stall(), pair.slow.stall(), "stall")
            case 4, 5:
                view = try pair.front.view()
                slowView = pair.slow.view()
            case 6:
                // The view may be as old as the last case 4: consuming must notice.
                let count = slowView.content.isEmpty ? 0 : random.below(slowView.content.count + 1)
                let read = pair.front.bytes(view, limit: UInt32(count))
                let expected = pair.slow.consume(slowView, count)
                if expected != nil {
                    try progress.requireEqual(read.array, Array(slowView.content.prefix(count)), "bytes read")
                }
                switch try pair.front.consume(view, UInt32(count)) {
                case .done(let ring): try progress.requireEqual(ring, expected, "doorbell of consume")
                case .moved: try progress.requireEqual(nil, expected, "consumption that must not have moved")
                }
            default:
                if step > 3000, random.oneIn(50) {
                    let token = try pair.back.publishEndOfFile()
                    try progress.requireEqual(token, pair.slow.publishEndOfFile(), "token of the end")
                    finished = true
                } else if slowView.content.isEmpty {
                    try progress.requireEqual(pair.front.disarm(view), pair.slow.disarm(slowView), "disarm")
                }
            }
            try compare(pair, progress)
        }
    }

    private func compare(_ pair: Pair, _ progress: Progress) throws {
        let now = try pair.front.view()
        try progress.requireEqual(Int(now.count), pair.slow.content.count, "bytes in the ring")
        try progress.requireEqual(Int(now.producer.tokens), pair.slow.tokens, "tokens")
        try progress.requireEqual(now.endOfFile, pair.slow.endOfFile, "end of file")
        try progress.requireEqual(now.consumer.has(InConsumer.stall), pair.slow.isStalled, "STALL")
        let index = pair.origin &+ UInt32(truncatingIfNeeded: pair.slow.produced)
        try progress.requireEqual(now.producer.index, index, "in_prod")
        try progress.requireEqual(pair.back.produced, index, "the backend's own in_prod")
    }

    @Test("Skipping bytes of a view gives what lies behind them, and nothing beyond the view")
    func skipping() throws {
        var pair = Pair(size: 16, origin: .max - 9)
        let space = try pair.back.free(limit: 12)
        [UInt8](0..<12).copy(to: space)
        _ = try pair.back.publish(12, edge: false)
        let view = try pair.front.view()
        for skip in 0...14 {
            for limit in 0...14 {
                let found = pair.front.bytes(view, skip: UInt32(skip), limit: UInt32(limit)).array
                #expect(found == Array([UInt8](0..<12).dropFirst(skip).prefix(limit)), "skip \(skip), limit \(limit)")
            }
        }
    }
}
