import Testing
import XenSockTestSupport

@testable import XenSockRing

struct DoorbellTests {
    private let arena = SharedPages(pages: 2)

    private func taken(_ back: DoorbellBack) -> [UInt32] {
        var ports: [UInt32] = []
        back.takePending { ports.append($0) }
        return ports
    }

    @Test(
        "Rings are taken once each, in order, and a sleeping service is signalled exactly once",
        arguments: 61...66 as ClosedRange<UInt64>)
    func random(seed: UInt64) throws {
        let arena = SharedPages(pages: 2)
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        let ports: UInt32 = [64, 4096, 16384][Int(seed % 3)]
        let front = DoorbellFront(arena: arena.base)
        let back = DoorbellBack(arena: arena.base, ports: ports)
        var pending: Set<UInt32> = []
        var asleep = false
        for step in 0..<5000 {
            progress.step = step
            switch random.below(4) {
            case 0, 1:
                let port = UInt32(random.below(Int(ports)))
                try progress.requireEqual(front.ring(port), asleep, "signal")
                asleep = false
                pending.insert(port)
            case 2:
                let sleeps = back.sleep()
                try progress.requireEqual(sleeps, pending.isEmpty, "sleep")
                asleep = sleeps
            default:
                if random.oneIn(2) {
                    back.wake()
                    asleep = false
                }
                try progress.requireEqual(taken(back), pending.sorted(), "pending ports")
                pending = []
            }
            try progress.requireEqual(back.isPending, !pending.isEmpty, "pending")
        }
    }

    @Test func aRingAfterTheLookKeepsTheServiceAwake() {
        let back = DoorbellBack(arena: arena.base, ports: 64)
        #expect(taken(back).isEmpty)
        _ = DoorbellFront(arena: arena.base).ring(5)
        #expect(!back.sleep())
        #expect(taken(back) == [5])
    }

    @Test func portsThatTheArenaDoesNotHaveAreNotTaken() {
        let back = DoorbellBack(arena: arena.base, ports: 128)
        for word in 0..<256 { SharedWord64(arena.base + DoorbellLayout.pending + word * 8).store(.max) }
        for group in 0..<4 { SharedWord64(arena.base + DoorbellLayout.summary + group * 8).store(.max) }
        #expect(taken(back) == Array(0..<128))
        #expect(!back.isPending)
    }

    @Test func aSummaryBitWithoutPendingBitsIsNothing() {
        let back = DoorbellBack(arena: arena.base, ports: 64)
        SharedWord64(arena.base + DoorbellLayout.summary).store(1)
        #expect(back.isPending)
        #expect(taken(back).isEmpty)
        #expect(!back.isPending)
    }

    @Test func everyRingFindsItsPortAtTheEnds() {
        let front = DoorbellFront(arena: arena.base)
        let back = DoorbellBack(arena: arena.base, ports: 16384)
        for port: UInt32 in [0, 63, 64, 4095, 4096, 16383] {
            _ = front.ring(port)
            #expect(taken(back) == [port])
        }
    }
}
