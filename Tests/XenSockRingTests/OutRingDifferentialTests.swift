import Testing
import XenSockTestSupport

@testable import XenSockRing

/// The fast `out` ring against the slow one, likewise.
struct OutRingDifferentialTests {
    @Test(
        "The fast and the slow out ring agree after every operation",
        arguments: [UInt64(11), 12, 13, 14, 15, 16], [UInt32(0), UInt32.max - 700])
    func agree(seed: UInt64, origin: UInt32) throws {
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        let size = [4096, 256, 16][Int(seed % 3)]
        let memory = SharedPages(pages: 3)
        let data = memory.base + 4096
        IndexWord(memory.base + OutProducer.offset).store(.init(index: origin, flags: 0))
        IndexWord(memory.base + OutConsumer.offset).store(.init(index: origin, flags: 0))
        var back = OutRingBack(indexes: memory.base, data: data, size: UInt32(size), startingAt: origin)
        let front = OutRingFront(indexes: memory.base, data: data, size: UInt32(size))
        let slow = SlowOutRing(size: size)
        let stream = PatternStream(salt: seed)
        var view = try front.view()
        var slowView = slow.view()
        for step in 0..<4000 {
            progress.step = step
            if random.oneIn(200) {
                slow.capacity = 1 + random.below(size)
                back.capacity = UInt32(slow.capacity)
            }
            switch random.below(10) {
            case 0, 1:
                view = try front.view()
                slowView = slow.view()
            case 2, 3, 4:
                // As a writer does: at most what was free in the view, which may be old.
                let free = size - (slowView.produced - slowView.consumed)
                let space = front.free(view, limit: UInt32(free == 0 ? 0 : random.below(free + 1)))
                let bytes = stream.bytes(slowView.produced..<slowView.produced + space.count)
                let expected = slow.publish(slowView, bytes)
                if expected != nil { bytes.copy(to: space) }
                switch try front.publish(view, UInt32(space.count)) {
                case .done(let ring): try progress.requireEqual(ring, expected, "doorbell of publish")
                case .moved: try progress.requireEqual(nil, expected, "publication that must not have moved")
                }
            case 5:
                let expected = slow.block(slowView)
                try progress.requireEqual(front.block(view.consumer).word, expected.word, "block")
            case 6:
                try front.fillerSent()
                slow.fillerSent()
            case 7, 8:
                let waiting = try back.waiting()
                try progress.requireEqual(Int(waiting), slow.content.count, "bytes waiting")
                let limit = random.below(Int(waiting) + 1)
                let read = back.bytes(waiting, limit: UInt32(limit)).array
                let (expected, drain) = slow.consume(limit)
                try progress.requireEqual(read, expected, "bytes read")
                try progress.requireEqual(try back.consume(UInt32(limit)).word, drain.word, "drain")
            default:
                switch random.below(step > 3500 ? 4 : 2) {
                case 0: try progress.requireEqual(try back.idle(), slow.idle(), "idle")
                case 1: try progress.requireEqual(try back.settleOwed(), slow.settleOwed(), "settleOwed")
                case 2: try progress.requireEqual(try back.decideConnect().word, slow.decideConnect().word, "connect")
                default: try progress.requireEqual(try back.breakDown().word, slow.breakDown().word, "break down")
                }
            }
            let now = try front.view()
            let state = slow.view()
            try progress.requireEqual(Int(now.used), slow.content.count, "bytes in the ring")
            try progress.requireEqual(now.consumer.flags, state.flags, "flags of out consumer")
            try progress.requireEqual(now.producer.has(OutProducer.idle), slow.isIdle, "IDLE")
            try progress.requireEqual(back.isOwed, state.filler == .owed, "owed")
            try progress.requireEqual(
                now.producer.index, origin &+ UInt32(truncatingIfNeeded: state.produced), "out_prod")
        }
    }
}

extension OutRingFront.Blocking {
    var word: String { "\(self)" }
}

extension OutRingBack.Drain {
    var word: String { "\(self)" }
}

extension SlowOutRing.Blocking {
    var word: String { "\(self)" }
}

extension SlowOutRing.Drain {
    var word: String { "\(self)" }
}

extension SlowOutRing.View {
    var flags: UInt32 {
        let fillerFlag: UInt32 =
            switch filler {
            case .none: 0
            case .pending: OutConsumer.fillerPending
            case .owed: OutConsumer.owed
            case .standing: OutConsumer.full
            }
        return fillerFlag | (isConnected ? OutConsumer.connected : 0) | (isBroken ? OutConsumer.broken : 0)
    }
}
