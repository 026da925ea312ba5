import Glibc
import Testing
import XenSockRing
import XenSockTestSupport

/// The words that stand for a placeholder beside a ring without flags, in random interleavings of both sides
/// (docs/PROTOCOL.md, 3.5). Tests/Models/v1.pml proves the same rules for few bytes; here the code itself runs.
@Suite("Readiness words") struct ReadinessWordTests {
    /// Shared words, and the placeholder as two counters.
    final class Shared: @unchecked Sendable {
        let page = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 64)
        init() { page.initializeMemory(as: UInt8.self, repeating: 0, count: 256) }
        deinit { page.deallocate() }
        var producer: SharedWord32 { SharedWord32(page) }
        var consumer: SharedWord32 { SharedWord32(page + 64) }
        var input: InReadiness { InReadiness(page + 128) }
        var output: OutReadiness { OutReadiness(page + 132) }
        /// Bytes or fillers in the placeholder: how many were sent, and received.
        var sent: SharedWord32 { SharedWord32(page + 192) }
        var received: SharedWord32 { SharedWord32(page + 196) }
        var rung: SharedWord32 { SharedWord32(page + 200) }
        /// What the producer ends with.
        var total: SharedWord32 { SharedWord32(page + 204) }
        var standing: UInt32 { sent.loadOrdered() &- received.loadOrdered() }
    }

    /// Fewer are exchanged where the two sides have one processor between them: each step is a turn of the scheduler's there.
    struct Patience {
        private let end = ContinuousClock.now + .seconds(10)

        /// Whether what follows `produced` is to be the last.
        func isOver(_ produced: UInt32) -> Bool { produced & 63 == 0 && ContinuousClock.now > end }
    }

    /// Looks again at once, and lets the other side have the processor after a while.
    struct Pause {
        private var rounds = 0

        mutating func wait() {
            rounds &+= 1
            if rounds > 1000 { sched_yield() }
        }
    }

    @Test("Data always has its token, and a token that a reader finds is worth its wait")
    func tokens() throws {
        let shared = Shared()
        shared.total.storeOrdered(200_000)
        let service = Worker {
            var produced: UInt32 = 0
            var total = shared.total.load()
            let patience = Patience()
            var pause = Pause()
            var random = SeededGenerator(seed: 1)
            func arm() throws {
                let send = try shared.input.arm(edge: false) { shared.consumer.loadOrdered() == produced }
                if send { shared.sent.storeOrdered(shared.sent.load() &+ 1) }
            }
            while shared.consumer.loadOrdered() != total {
                if shared.rung.exchange(0) != 0, shared.consumer.loadOrdered() != produced { try arm() }
                if produced < total, produced &- shared.consumer.loadOrdered() < 4, random.oneIn(2) {
                    if patience.isOver(produced) {
                        total = produced &+ 1
                        shared.total.storeOrdered(total)
                    }
                    produced &+= 1
                    shared.producer.storeOrdered(produced)
                    try arm()
                    pause = Pause()
                } else {
                    pause.wait()
                }
            }
        }
        let reader = Worker {
            var consumed: UInt32 = 0
            while consumed != shared.total.loadOrdered() {
                // poll(2)
                var pause = Pause()
                while shared.standing == 0 { pause.wait() }
                let before = consumed
                while true {
                    let produced = shared.producer.loadOrdered()
                    if produced != consumed {
                        consumed = produced
                        shared.consumer.storeOrdered(consumed)
                        shared.rung.storeOrdered(1)
                        continue
                    }
                    let value = shared.input.load()
                    let tokens = value & ReadinessFlag.tokens
                    if tokens == 0 { break }
                    guard shared.input.compareExchange(value, value & ~ReadinessFlag.tokens) else { continue }
                    while shared.standing < tokens { pause.wait() }
                    shared.received.storeOrdered(shared.received.load() &+ tokens)
                    if shared.producer.loadOrdered() != consumed { shared.rung.storeOrdered(1) }
                }
                if consumed == before {
                    throw Mismatch("poll promised what was not there", seed: 1, step: Int(consumed))
                }
            }
        }
        try reader.join()
        try service.join()
        #expect(shared.standing <= 1)
    }

    @Test("A full ring keeps the placeholder from being writable, and a drained one never does")
    func fillers() throws {
        let shared = Shared()
        shared.total.storeOrdered(200_000)
        let size: UInt32 = 4
        let service = Worker {
            var consumed: UInt32 = 0
            var debt: UInt32 = 0
            func drain() throws {
                guard size &- (shared.producer.loadOrdered() &- consumed) >= size / 2 else { return }
                if case .receiveFiller = try shared.output.drain() { debt &+= 1 }
            }
            func settle() throws {
                while debt > 0, shared.standing > 0 {
                    shared.received.storeOrdered(shared.received.load() &+ 1)
                    debt &-= 1
                }
                if debt == 0, shared.output.isOwed, shared.standing > 0, try shared.output.settleOwed() { debt = 1 }
            }
            var pause = Pause()
            while consumed != shared.total.loadOrdered() || shared.standing > 0 || shared.rung.loadOrdered() != 0 {
                if shared.rung.exchange(0) != 0 { try drain() }
                if shared.producer.loadOrdered() != consumed {
                    consumed &+= 1
                    shared.consumer.storeOrdered(consumed)
                    try drain()
                    pause = Pause()
                } else {
                    pause.wait()
                }
                try settle()
            }
        }
        let writer = Worker {
            var produced: UInt32 = 0
            var total = shared.total.load()
            let patience = Patience()
            while produced != total {
                if produced &- shared.consumer.loadOrdered() < size {
                    if patience.isOver(produced) {
                        total = produced &+ 1
                        shared.total.storeOrdered(total)
                    }
                    produced &+= 1
                    shared.producer.storeOrdered(produced)
                    shared.rung.storeOrdered(1)
                    continue
                }
                switch shared.output.block() {
                case .lookAgain: continue
                case .sendFiller:
                    shared.sent.storeOrdered(shared.sent.load() &+ 1)
                    try shared.output.fillerSent()
                    continue
                case .full: break
                }
                if produced &- shared.consumer.loadOrdered() < size {
                    shared.rung.storeOrdered(1)
                    continue
                }
                // poll(2)
                var pause = Pause()
                while shared.standing > 0 { pause.wait() }
            }
            shared.rung.storeOrdered(1)
        }
        try writer.join()
        try service.join()
        #expect(shared.standing == 0)
        #expect(shared.output.load() == 0)
    }
}
