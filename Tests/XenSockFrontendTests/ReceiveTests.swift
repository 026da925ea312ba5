import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockFrontend
@testable import XenSockRing

/// recv(2) on a stream socket: results, errors and flags.
struct ReceiveTests {
    private let fixture = SocketFixture()

    private func expected(_ range: Range<Int>) -> [UInt8] { fixture.backend.inbound.bytes(range) }

    @Test(arguments: [StatusLine.State.open, .listening, .free])
    func withoutConnectionItIsENOTCONN(state: StatusLine.State) {
        fixture.state = state
        #expect(fixture.receive(10).result == -Int(ENOTCONN))
    }

    @Test func duringAConnectItIsEAGAINWithoutWaitingAndAtTheTimeLimit() {
        fixture.state = .connecting
        fixture.steps = false
        #expect(fixture.receive(10, MSG_DONTWAIT).result == -Int(EAGAIN))
        fixture.status.set(StatusLine.Flag.nonBlocking, true)
        #expect(fixture.receive(10).result == -Int(EAGAIN))
        fixture.status.set(StatusLine.Flag.nonBlocking, false)
        fixture.status.receiveTimeout.store(1_000_000)
        #expect(fixture.receive(10).result == -Int(EAGAIN))
        #expect(fixture.domain.deadlocks.isEmpty)
    }

    @Test func duringAConnectAReceiveWaitsForTheOutcomeAndForBytes() throws {
        fixture.state = .connecting
        var steps = 0
        fixture.domain.step = { [fixture] in
            steps += 1
            if steps == 4 {
                fixture.state = .connected
                try? fixture.backend.decideConnect()
            }
            if steps == 8 { fixture.arrive(100) }
            return fixture.step() || steps < 20
        }
        #expect(fixture.receive(100).bytes == expected(0..<100))
        #expect(steps >= 8 && fixture.domain.deadlocks.isEmpty)
        fixture.settle()
        try fixture.checkReadiness()
    }

    @Test func aConnectThatFailsEndsAReceiveWithItsError() {
        fixture.state = .connecting
        var steps = 0
        fixture.domain.step = { [fixture] in
            steps += 1
            if steps == 4 {
                fixture.setError(ECONNREFUSED)
                fixture.state = .failedConnect
                try? fixture.backend.decideConnect()
            }
            return fixture.step() || steps < 10
        }
        #expect(fixture.receive(10).result == -Int(ECONNREFUSED))
        #expect(fixture.receive(10).result == 0)
    }

    @Test func afterAFailedConnectTheErrorComesOnceAndThenTheEnd() {
        fixture.state = .failedConnect
        fixture.setError(ECONNREFUSED)
        #expect(fixture.receive(10).result == -Int(ECONNREFUSED))
        #expect(fixture.receive(10).result == 0)
    }

    @Test(arguments: [true, false])
    func nothingThereIsEAGAINWithoutWaiting(byFlag: Bool) throws {
        fixture.steps = false
        fixture.status.set(StatusLine.Flag.nonBlocking, !byFlag)
        for _ in 0..<3 { #expect(fixture.receive(10, byFlag ? MSG_DONTWAIT : 0).result == -Int(EAGAIN)) }
        #expect(fixture.domain.deadlocks.isEmpty)
        try fixture.checkReadiness()
    }

    @Test func aShortReceiveReturnsWhatIsThereAndTakesTheToken() throws {
        fixture.arrive(100)
        #expect(fixture.isReadable)
        let (result, bytes) = fixture.receive(1000)
        #expect(result == 100 && bytes == expected(0..<100))
        #expect(!fixture.isReadable)
        try fixture.checkReadiness()
    }

    @Test func aReceiveThatLeavesBytesLeavesTheToken() throws {
        fixture.arrive(100)
        #expect(fixture.receive(99).bytes == expected(0..<99))
        #expect(fixture.isReadable)
        try fixture.checkReadiness()
        #expect(fixture.receive(1).bytes == expected(99..<100))
        #expect(!fixture.isReadable)
        try fixture.checkReadiness()
    }

    @Test func aReceiveOfNothingReturnsNothingAndTakesNothing() throws {
        fixture.arrive(3)
        #expect(fixture.receive(0).result == 0)
        #expect(fixture.isReadable)
        try fixture.checkReadiness()
    }

    @Test func peekingShowsTheBytesAndLeavesThemAndTheToken() throws {
        fixture.arrive(50)
        for _ in 0..<2 { #expect(fixture.receive(20, MSG_PEEK).bytes == expected(0..<20)) }
        #expect(fixture.receive(80, MSG_PEEK | MSG_DONTWAIT).bytes == expected(0..<50))
        try fixture.checkReadiness()
        #expect(fixture.receive(80).bytes == expected(0..<50))
        #expect(fixture.receive(80, MSG_PEEK | MSG_DONTWAIT).result == -Int(EAGAIN))
        try fixture.checkReadiness()
    }

    @Test func peekingAtANullBufferOfNoSizeIsNothing() {
        fixture.arrive(5)
        #expect(fixture.receive(0, MSG_PEEK).result == 0)
    }

    @Test func waitAllFillsTheBufferOverManyArrivals() throws {
        fixture.backend.inboundLength = 20_000
        let (result, bytes) = fixture.receive(15_000, MSG_WAITALL)
        #expect(result == 15_000 && bytes == expected(0..<15_000))
        fixture.settle()
        try fixture.checkReadiness()
    }

    @Test func waitAllEndsEarlyAtTheEndOfTheStream() throws {
        fixture.backend.inboundLength = 300
        fixture.backend.finishes = true
        #expect(fixture.receive(1000, MSG_WAITALL).bytes == expected(0..<300))
        #expect(fixture.receive(1000, MSG_WAITALL).result == 0)
        try fixture.checkReadiness()
    }

    @Test func waitAllThatMayNotWaitIsShort() {
        fixture.arrive(30)
        #expect(fixture.receive(50, MSG_WAITALL | MSG_DONTWAIT).result == 30)
        #expect(fixture.receive(50, MSG_WAITALL | MSG_DONTWAIT).result == -Int(EAGAIN))
    }

    @Test func truncatingDiscardsAsManyBytesAndTouchesNoBuffer() throws {
        fixture.arrive(100)
        var bytes = [UInt8](repeating: 0x55, count: 60)
        let result = bytes.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: 60)
            return fixture.socket(fixture.domain).receive(&vector, 1, flags: Int32(MSG_TRUNC))
        }
        #expect(result == 60 && bytes == [UInt8](repeating: 0x55, count: 60))
        #expect(fixture.receive(100).bytes == expected(60..<100))
        try fixture.checkReadiness()
    }

    @Test func truncatingNeedsNoBuffer() {
        fixture.arrive(100)
        var vector = iovec(iov_base: nil, iov_len: 60)
        #expect(fixture.socket(fixture.domain).receive(&vector, 1, flags: Int32(MSG_TRUNC)) == 60)
        #expect(fixture.receive(100).bytes == expected(60..<100))
    }

    @Test func theErrorQueueIsEmpty() {
        fixture.arrive(5)
        #expect(fixture.receive(5, MSG_ERRQUEUE).result == -Int(EAGAIN))
    }

    @Test func theEndOfTheStreamComesAfterTheDataAndStays() throws {
        fixture.backend.inboundLength = 5000
        fixture.backend.finishes = true
        var total = 0
        while true {
            let (result, bytes) = fixture.receive(700)
            if result == 0 { break }
            try #require(result > 0)
            #expect(bytes == expected(total..<total + result))
            total += result
        }
        #expect(total == 5000)
        fixture.settle()
        #expect(fixture.receive(1).result == 0 && fixture.receive(1, MSG_DONTWAIT).result == 0)
        #expect(fixture.isReadable)
        try fixture.checkReadiness()
    }

    @Test func aResetComesAfterTheDataOnceAndThenTheEnd() {
        fixture.backend.inboundLength = 10
        fixture.backend.finishes = true
        fixture.settle()
        fixture.state = .reset
        fixture.setError(ECONNRESET)
        #expect(fixture.receive(4).result == 4)
        #expect(fixture.receive(100).result == 6)
        #expect(fixture.receive(100).result == -Int(ECONNRESET))
        #expect(fixture.receive(100).result == 0)
    }

    @Test func aPendingErrorIsTakenByAReceiveThatFindsNoData() {
        fixture.setError(ETIMEDOUT)
        #expect(fixture.receive(100, MSG_DONTWAIT).result == -Int(ETIMEDOUT))
        #expect(fixture.receive(100, MSG_DONTWAIT).result == -Int(EAGAIN))
    }

    @Test func aReadSideShutByTheProgramEndsAtTheLastByte() {
        fixture.arrive(10)
        fixture.status.set(StatusLine.Flag.readShut, true)
        #expect(fixture.receive(100).result == 10)
        #expect(fixture.receive(100).result == 0)
    }

    @Test func theServicesDeathIsECONNRESETForWhoWaits() {
        var steps = 0
        fixture.domain.step = { [fixture] in
            steps += 1
            if steps == 3 { fixture.backend.die() }
            return true
        }
        #expect(fixture.receive(10).result == -Int(ECONNRESET))
    }

    @Test func theServicesDeathIsECONNRESETAtTheSecondMissOfWhoDoesNotWait() {
        fixture.backend.die()
        #expect(fixture.receive(10, MSG_DONTWAIT).result == -Int(EAGAIN))
        #expect(fixture.receive(10, MSG_DONTWAIT).result == -Int(ECONNRESET))
    }

    @Test func dataThatArrivedBeforeTheServicesDeathIsReceived() {
        fixture.arrive(10)
        fixture.backend.die()
        #expect(fixture.receive(100).bytes == expected(0..<10))
        #expect(fixture.receive(100).result == -Int(ECONNRESET))
    }

    @Test func aSignalOrATimeLimitEndsTheWaitUnlessBytesCame() {
        fixture.steps = false
        fixture.domain.interruptions = 1
        #expect(fixture.receive(10).result == -Int(EINTR))
        fixture.domain.receiveTimeLimit = 0
        #expect(fixture.receive(10).result == -Int(EAGAIN))
        fixture.steps = true
        fixture.domain.receiveTimeLimit = nil
        fixture.arrive(4)
        fixture.domain.interruptions = 1
        #expect(fixture.receive(10, MSG_WAITALL).result == 4)
        fixture.domain.interruptions = 0
    }

    @Test func anIndexBeyondTheRingIsEIO() {
        IndexWord(fixture.memory.base + InProducer.offset).store(.init(index: 4097, flags: 1))
        #expect(fixture.receive(10).result == -Int(EIO))
        #expect(fixture.status.receiveLock.word.load() == 0)
    }

    @Test func aFullRingIsTakenAndTheStalledBackendTold() throws {
        fixture.backend.inboundLength = 3 * fixture.half
        fixture.settle()
        #expect(fixture.backend.isStalled && fixture.inProducer.index == UInt32(fixture.half))
        #expect(fixture.receive(fixture.half / 2 - 1).result == fixture.half / 2 - 1)
        #expect(!fixture.domain.hasNotifications)
        #expect(fixture.receive(1).result == 1)
        #expect(fixture.domain.hasNotifications)
        fixture.settle()
        try fixture.checkReadiness()
    }
}
