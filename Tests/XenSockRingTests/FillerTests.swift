import Testing

@testable import XenSockRing

/// FPEND, FULL, OWE and IDLE (docs/PROTOCOL.md, 2.2): each order in which a blocking writer's three steps (announce,
/// send, confirm) and the backend's drain and settling can meet.
struct FillerTests {
    let ring = DataRing()

    private func fill() throws { try ring.send(4096 - ring.outFront.view().used) }

    private func announce() throws -> String { "\(ring.outFront.block(try ring.outFront.view().consumer))" }

    private var flags: UInt32 { ring.flags(ring.outConsumer) }

    @Test func announceThenConfirmThenDrainTakesOneFiller() throws {
        try fill()
        #expect(try announce() == "sendFiller")
        #expect(flags == OutConsumer.fillerPending)
        try ring.outFront.fillerSent()
        #expect(flags == OutConsumer.full)
        #expect(try "\(ring.outBack.consume(4096))" == "receiveFiller")
        #expect(flags == 0)
    }

    @Test func drainBetweenAnnouncementAndConfirmationOwes() throws {
        try fill()
        _ = try announce()
        #expect(try "\(ring.outBack.consume(4096))" == "owesFiller")
        #expect(flags == OutConsumer.owed && ring.outBack.isOwed)
        try ring.outFront.fillerSent()
        #expect(flags == OutConsumer.owed)
        #expect(try ring.outBack.settleOwed())
        #expect(flags == 0)
        #expect(try !ring.outBack.settleOwed())
    }

    @Test func aWriterThatFindsTheRingFullAgainReusesTheOwedFiller() throws {
        try fill()
        _ = try announce()
        _ = try ring.outBack.consume(4096)
        try ring.outFront.fillerSent()
        try fill()
        #expect(try announce() == "full")
        #expect(flags == OutConsumer.full)
        #expect(try !ring.outBack.settleOwed())
        #expect(try "\(ring.outBack.consume(2048))" == "receiveFiller")
        #expect(flags == 0)
    }

    @Test func settlingBetweenTheLookAndTheReuseWins() throws {
        try fill()
        _ = try announce()
        _ = try ring.outBack.consume(4096)
        try ring.outFront.fillerSent()
        try fill()
        let old = try ring.outFront.view().consumer
        #expect(try ring.outBack.settleOwed())
        #expect("\(ring.outFront.block(old))" == "lookAgain")
        #expect(try announce() == "sendFiller")
    }

    @Test func aDrainBetweenTheLookAndTheAnnouncementWins() throws {
        try fill()
        let old = try ring.outFront.view().consumer
        #expect(try "\(ring.outBack.consume(4096))" == "nothing")
        #expect("\(ring.outFront.block(old))" == "lookAgain")
        #expect(flags == 0)
    }

    @Test func blockingTwiceSendsOneFiller() throws {
        try fill()
        #expect(try announce() == "sendFiller")
        #expect(try announce() == "lookAgain")
        try ring.outFront.fillerSent()
        #expect(try announce() == "full")
        #expect(flags == OutConsumer.full)
    }

    @Test func aDrainOfLessThanHalfLeavesTheFiller() throws {
        try fill()
        _ = try announce()
        #expect(try "\(ring.outBack.consume(1))" == "nothing")
        #expect(flags == OutConsumer.fillerPending)
        try ring.outFront.fillerSent()
        #expect(try "\(ring.outBack.consume(2046))" == "nothing")
        #expect(flags == OutConsumer.full)
        #expect(try "\(ring.outBack.consume(1))" == "receiveFiller")
    }

    @Test func aDrainOfAnOwingRingOwesNoSecondFiller() throws {
        try fill()
        _ = try announce()
        _ = try ring.outBack.consume(2048)
        #expect(try "\(ring.outBack.consume(2048))" == "nothing")
        #expect(flags == OutConsumer.owed)
    }

    @Test(arguments: [false, true])
    func aDecidedConnectReleasesLikeADrain(confirmed: Bool) throws {
        _ = try announce()
        if confirmed { try ring.outFront.fillerSent() }
        #expect(try "\(ring.outBack.decideConnect())" == (confirmed ? "receiveFiller" : "owesFiller"))
        #expect(flags == (confirmed ? OutConsumer.connected : OutConsumer.connected | OutConsumer.owed))
        #expect(try ring.outFront.view().isConnected)
    }

    @Test(arguments: [false, true])
    func aBreakdownReleasesLikeADrain(confirmed: Bool) throws {
        try fill()
        _ = try announce()
        if confirmed { try ring.outFront.fillerSent() }
        #expect(try "\(ring.outBack.breakDown())" == (confirmed ? "receiveFiller" : "owesFiller"))
        #expect(try ring.outFront.view().isBroken)
        #expect(try "\(ring.outBack.breakDown())" == "nothing")
    }

    @Test func connectedStaysThroughFillersAndDrains() throws {
        _ = try ring.outBack.decideConnect()
        try fill()
        _ = try announce()
        try ring.outFront.fillerSent()
        #expect(flags == OutConsumer.connected | OutConsumer.full)
        _ = try ring.outBack.consume(4096)
        #expect(flags == OutConsumer.connected)
    }

    @Test func idleIsSetOnlyOnAnEmptyRingAndClearedByThePublish() throws {
        #expect(try ring.outBack.idle())
        #expect(try ring.outBack.idle())
        #expect(ring.flags(ring.outProducer) == OutProducer.idle)
        guard case .done(ring: true) = try ring.outFront.publish(ring.outFront.view(), 3) else {
            Issue.record("the idle backend was not told")
            return
        }
        #expect(ring.outProducer.load() == .init(index: 3, flags: 0))
        #expect(try !ring.outBack.idle())
        guard case .done(ring: false) = try ring.outFront.publish(ring.outFront.view(), 3) else {
            Issue.record("a busy backend was told")
            return
        }
    }

    @Test func idleSetBetweenViewAndPublishIsSeen() throws {
        let view = try ring.outFront.view()
        #expect(try ring.outBack.idle())
        guard case .done(ring: true) = try ring.outFront.publish(view, 3) else {
            Issue.record("the idle backend was not told")
            return
        }
    }

    @Test func aPublishInBetweenIsNoticed() throws {
        let view = try ring.outFront.view()
        try ring.send(1)
        guard case .moved = try ring.outFront.publish(view, 50) else {
            Issue.record("published over what another had published")
            return
        }
        #expect(ring.outProducer.load().index == 1)
    }
}
