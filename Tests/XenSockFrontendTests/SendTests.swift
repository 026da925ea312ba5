import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockFrontend
@testable import XenSockRing

/// send(2) on a stream socket: results and errors.
struct SendTests {
    private let fixture = SocketFixture()

    private func bytes(_ count: Int, from start: Int = 0) -> [UInt8] {
        fixture.backend.outbound.bytes(start..<start + count)
    }

    @Test(arguments: [StatusLine.State.open, .listening, .free])
    func withoutConnectionItIsEPIPE(state: StatusLine.State) {
        fixture.state = state
        #expect(fixture.send(bytes(10)) == -Int(EPIPE))
    }

    @Test func duringAConnectANonBlockingSendIsEAGAIN() {
        fixture.state = .connecting
        #expect(fixture.send(bytes(10), MSG_DONTWAIT) == -Int(EAGAIN))
    }

    @Test func duringAConnectATimeLimitIsEAGAINForASendAndEINPROGRESSForAConnect() {
        fixture.state = .connecting
        fixture.steps = false
        fixture.status.sendTimeout.store(1_000_000)
        #expect(fixture.send(bytes(10)) == -Int(EAGAIN))
        #expect(fixture.socket(fixture.domain).awaitConnect() == -Int(EINPROGRESS))
    }

    @Test(arguments: [StatusLine.State.failedConnect, .reset])
    func afterAnErrorItIsTheErrorOnceAndThenEPIPE(state: StatusLine.State) {
        fixture.state = state
        fixture.setError(ECONNREFUSED)
        #expect(fixture.send(bytes(10)) == -Int(ECONNREFUSED))
        #expect(fixture.send(bytes(10)) == -Int(EPIPE))
    }

    @Test func afterTheWriteSideWasShutItIsEPIPE() {
        fixture.status.set(StatusLine.Flag.writeShut, true)
        #expect(fixture.send(bytes(10)) == -Int(EPIPE))
    }

    @Test func aBrokenRingIsTheErrorOnceAndThenEPIPE() throws {
        try fixture.backend.breakDown()
        fixture.setError(ECONNRESET)
        #expect(fixture.send(bytes(10)) == -Int(ECONNRESET))
        #expect(fixture.send(bytes(10)) == -Int(EPIPE))
        try fixture.checkReadiness()
    }

    @Test func anIndexBeyondTheRingIsEIO() {
        IndexWord(fixture.memory.base + OutConsumer.offset).store(.init(index: 1, flags: 0))
        #expect(fixture.send(bytes(10)) == -Int(EIO))
        #expect(fixture.status.sendLock.word.load() == 0)
    }

    @Test func theIdleBackendIsToldOnce() {
        fixture.settle()
        #expect(fixture.backend.isIdle)
        #expect(fixture.send(bytes(10)) == 10)
        #expect(fixture.domain.takeNotifications() == [SocketFixture.port])
        #expect(fixture.send(bytes(10, from: 10)) == 10)
        #expect(!fixture.domain.hasNotifications)
    }

    @Test func aFullRingIsAShortCountThenEAGAINAndNotWritable() throws {
        fixture.steps = false
        #expect(fixture.isWritable)
        #expect(fixture.send(bytes(5000), MSG_DONTWAIT) == 4096)
        #expect(!fixture.isWritable)
        #expect(fixture.send(bytes(1), MSG_DONTWAIT) == -Int(EAGAIN))
        try fixture.checkReadiness()
        fixture.steps = true
        fixture.domain.notify(SocketFixture.port)
        fixture.settle()
        #expect(fixture.isWritable && fixture.backend.taken == 4096)
        try fixture.checkReadiness()
    }

    @Test func fillingTheRingExactlyLeavesItWritableUntilTheNextSend() throws {
        fixture.steps = false
        #expect(fixture.send(bytes(4096), MSG_DONTWAIT) == 4096)
        #expect(fixture.isWritable)
        #expect(fixture.send(bytes(1), MSG_DONTWAIT) == -Int(EAGAIN))
        #expect(!fixture.isWritable)
        try fixture.checkReadiness()
    }

    @Test func aBlockingSendTakesEverything() throws {
        #expect(fixture.send(bytes(50_000)) == 50_000)
        fixture.settle()
        #expect(fixture.backend.taken == 50_000)
        try fixture.checkReadiness()
    }

    @Test func aBlockingSendReturnsWhatWentBeforeTheSignal() {
        fixture.steps = false
        fixture.domain.before = { [fixture] in if $0 == .awaitWritable { fixture.domain.interruptions = 1 } }
        // Another test of the process may have a handler without SA_RESTART or not: both answers are right.
        fixture.status.sendTimeout.store(1_000_000_000)
        #expect(fixture.send(bytes(5000)) == 4096)
        #expect(fixture.send(bytes(10)) == -Int(EINTR))
    }

    @Test func aTimeLimitEndsABlockingSend() {
        fixture.steps = false
        fixture.status.sendTimeout.store(1_000_000)
        #expect(fixture.send(bytes(5000)) == 4096)
        #expect(fixture.send(bytes(10)) == -Int(EAGAIN))
    }

    @Test func theServicesDeathIsECONNRESETForWhoWaits() {
        fixture.backend.peerReads = false
        var steps = 0
        fixture.domain.step = { [fixture] in
            steps += 1
            if steps == 3 { fixture.backend.die() }
            return true
        }
        #expect(fixture.send(bytes(4096)) == 4096)
        #expect(fixture.send(bytes(10)) == -Int(ECONNRESET))
    }

    @Test func aBreakdownWakesWhoWaits() {
        fixture.backend.peerReads = false
        var steps = 0
        fixture.domain.step = { [fixture] in
            steps += 1
            if steps == 3 { try? fixture.backend.breakDown() }
            return fixture.step() || steps < 10
        }
        #expect(fixture.send(bytes(5000)) == 4096)
        #expect(fixture.send(bytes(10)) == -Int(EPIPE))
    }

    @Test func aBlockingSendDuringAConnectWaitsForItsOutcome() throws {
        fixture.state = .connecting
        var steps = 0
        fixture.domain.step = { [fixture] in
            steps += 1
            if steps == 4 {
                fixture.state = .connected
                try? fixture.backend.decideConnect()
            }
            return fixture.step() || steps < 10
        }
        #expect(fixture.send(bytes(10)) == 10)
        fixture.settle()
        #expect(fixture.isWritable && fixture.backend.taken == 10)
        try fixture.checkReadiness()
    }

    @Test func aConnectThatFailsWakesWhoWaitsWithItsError() throws {
        fixture.state = .connecting
        var steps = 0
        fixture.domain.step = { [fixture] in
            steps += 1
            if steps == 4 {
                fixture.setError(EHOSTUNREACH)
                fixture.state = .failedConnect
                try? fixture.backend.decideConnect()
            }
            return fixture.step() || steps < 10
        }
        #expect(fixture.socket(fixture.domain).awaitConnect() == -Int(EHOSTUNREACH))
        fixture.settle()
        try fixture.checkReadiness()
    }

    @Test func theServicesDeathEndsTheWaitForAConnect() {
        fixture.state = .connecting
        fixture.domain.step = { [fixture] in
            fixture.backend.die()
            return true
        }
        #expect(fixture.socket(fixture.domain).awaitConnect() == -Int(ENETDOWN))
    }
}
