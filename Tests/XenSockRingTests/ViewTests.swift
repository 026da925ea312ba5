import Testing
import XenSockTestSupport

@testable import XenSockRing

/// A view reads two words, and between the two a signal handler of the same thread may consume or publish, while the
/// other side goes on. Here another thread plays both.
struct ViewTests {
    /// Moves both indexes on, as a handler and the other side do; the one that may lead first.
    private func move(_ first: IndexWord, _ second: IndexWord) -> Worker {
        Worker {
            for step in 1...400_000 as ClosedRange<UInt32> {
                first.store(.init(index: step &* 4096, flags: 0))
                second.store(.init(index: step &* 4096, flags: 0))
            }
        }
    }

    @Test func aViewTakenWhileAHandlerConsumesIsNoViolation() throws {
        let ring = DataRing()
        let front = ring.inFront
        try watch(move(ring.inProducer, ring.inConsumer)) { () throws(RingViolation) in _ = try front.view() }
    }

    @Test func aViewTakenWhileAHandlerPublishesIsNoViolation() throws {
        let ring = DataRing()
        let front = ring.outFront
        try watch(move(ring.outProducer, ring.outConsumer)) { () throws(RingViolation) in _ = try front.view() }
    }

    private func watch(_ other: Worker, _ look: () throws(RingViolation) -> Void) throws {
        while other.isRunning { try look() }
        try other.join()
    }
}
