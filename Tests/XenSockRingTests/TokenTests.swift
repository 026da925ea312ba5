import Testing

@testable import XenSockRing

/// Tokens, end of file and STALL (docs/PROTOCOL.md, 2.2), one transition a test.
struct TokenTests {
    let ring = DataRing()

    @Test func theFirstPublishSetsOneTokenAndLaterOnesNone() throws {
        #expect(try ring.inBack.publish(10, edge: false))
        #expect(try !ring.inBack.publish(10, edge: false))
        #expect(ring.inProducer.load().tokens == 1)
        #expect(try ring.inFront.view().count == 20)
    }

    @Test func anEdgeTriggeredSocketGetsATokenForEveryPublish() throws {
        for count in 1...3 {
            #expect(try ring.inBack.publish(1, edge: true))
            #expect(ring.inProducer.load().tokens == UInt32(count))
        }
        #expect(try !ring.inBack.publish(1, edge: false))
        #expect(ring.inProducer.load().tokens == 3)
    }

    @Test func theTokenCountStopsAt255AndNeverReachesTheFlags() throws {
        for _ in 0..<255 { #expect(try ring.inBack.publish(1, edge: true)) }
        #expect(try !ring.inBack.publish(1, edge: true))
        let word = ring.inProducer.load()
        #expect(word.tokens == 255 && !word.has(InProducer.endOfFile) && word.index == 256)
    }

    @Test func armingSetsATokenOnlyIfNoneStandsAndMovesNothing() throws {
        #expect(try ring.inBack.arm())
        #expect(try !ring.inBack.arm())
        #expect(ring.inProducer.load() == .init(index: 0, flags: 1))
    }

    @Test func disarmingLosesToAPublish() throws {
        _ = try ring.inBack.publish(1, edge: false)
        _ = try ring.inFront.consume(ring.inFront.view(), 1)
        let view = try ring.inFront.view()
        #expect(view.count == 0 && view.producer.tokens == 1)
        _ = try ring.inBack.publish(5, edge: false)
        #expect(!ring.inFront.disarm(view))
        #expect(ring.inProducer.load() == .init(index: 6, flags: 1))
    }

    @Test func disarmingLosesToATokenThatEdgeModeAdds() throws {
        _ = try ring.inBack.publish(0, edge: true)
        let view = try ring.inFront.view()
        _ = try ring.inBack.publish(0, edge: true)
        #expect(!ring.inFront.disarm(view))
        #expect(ring.inProducer.load().tokens == 2)
    }

    @Test func disarmingLosesToTheEndOfFile() throws {
        _ = try ring.inBack.arm()
        let view = try ring.inFront.view()
        _ = try ring.inBack.publishEndOfFile()
        #expect(!ring.inFront.disarm(view))
        #expect(ring.inProducer.load() == .init(index: 0, flags: InProducer.endOfFile | 1))
    }

    @Test func disarmingClearsAllTokensAndTheNextPublishSetsOne() throws {
        for _ in 0..<7 { _ = try ring.inBack.publish(0, edge: true) }
        let view = try ring.inFront.view()
        #expect(ring.inFront.disarm(view))
        #expect(view.producer.tokens == 7 && ring.inProducer.load().tokens == 0)
        #expect(try ring.inBack.publish(1, edge: true))
        #expect(ring.inProducer.load().tokens == 1)
    }

    @Test func theEndOfFileKeepsTokensAndIndex() throws {
        _ = try ring.inBack.publish(9, edge: false)
        #expect(try !ring.inBack.publishEndOfFile())
        #expect(ring.inProducer.load() == .init(index: 9, flags: InProducer.endOfFile | 1))
        #expect(try ring.inFront.view().endOfFile)
    }

    @Test func theEndOfFileOfAnUnarmedRingSetsAToken() throws {
        #expect(!ring.inBack.isArmed)
        #expect(try ring.inBack.publishEndOfFile())
        #expect(ring.inProducer.load() == .init(index: 0, flags: InProducer.endOfFile | 1))
        #expect(ring.inBack.isArmed)
    }

    @Test func stallingIsRefusedWhileThereIsSpace() throws {
        _ = try ring.inBack.publish(4095, edge: false)
        #expect(try !ring.inBack.stall())
        #expect(ring.flags(ring.inConsumer) == 0)
    }

    @Test func stallingAFullRingAsksForTheDoorbellAtHalf() throws {
        _ = try ring.inBack.publish(4096, edge: false)
        #expect(try ring.inBack.stall())
        #expect(try ring.inBack.stall())
        #expect(try ring.consume(2047) == false)
        #expect(ring.inConsumer.load() == .init(index: 2047, flags: InConsumer.stall))
        #expect(try ring.consume(1) == true)
        #expect(ring.inConsumer.load() == .init(index: 2048, flags: 0))
        #expect(try ring.consume(2048) == false)
    }

    @Test func consumingWithoutStallNeverRings() throws {
        _ = try ring.inBack.publish(4096, edge: false)
        #expect(try ring.consume(4096) == false)
    }

    @Test func stallSetBetweenViewAndConsumptionIsSeen() throws {
        _ = try ring.inBack.publish(4096, edge: false)
        let view = try ring.inFront.view()
        #expect(try ring.inBack.stall())
        guard case .done(ring: true) = try ring.inFront.consume(view, 4096) else {
            Issue.record("the stalled backend was not told")
            return
        }
        #expect(ring.inConsumer.load() == .init(index: 4096, flags: 0))
    }

    @Test func aConsumptionInBetweenIsNoticedEvenIfItIsSmaller() throws {
        _ = try ring.inBack.publish(100, edge: false)
        let view = try ring.inFront.view()
        _ = try ring.inFront.consume(view, 1)
        guard case .moved = try ring.inFront.consume(view, 50) else {
            Issue.record("consumed what another had consumed")
            return
        }
        #expect(ring.inConsumer.load().index == 1)
    }
}

extension DataRing {
    /// Consumes, as a reader does; returns whether the doorbell rings, nil if another consumed.
    func consume(_ count: UInt32) throws -> Bool? {
        guard case .done(let ring) = try inFront.consume(inFront.view(), count) else { return nil }
        return ring
    }
}
