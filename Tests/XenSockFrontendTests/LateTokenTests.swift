import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport

@testable import XenSockFrontend
@testable import XenSockRing

/// Bytes in the placeholder that TOKENS does not count: those that came after their receiver had given up.
struct LateTokenTests {
    private let fixture = SocketFixture()

    init() { _ = fixture.placeholder.send(from: .service, 1) }

    @Test func whoWaitsTakesThemAndGoesOnWaiting() throws {
        var steps = 0
        fixture.domain.step = { [fixture] in
            steps += 1
            if steps == 5 { fixture.backend.inboundLength = 10 }
            return fixture.step() || steps < 20
        }
        #expect(fixture.receive(100).result == 10)
        try fixture.checkReadiness()
        #expect(!fixture.isReadable)
    }

    @Test func whoDoesNotWaitTakesThemAtTheSecondMiss() throws {
        #expect(fixture.receive(100, MSG_DONTWAIT).result == -Int(EAGAIN))
        #expect(fixture.receive(100, MSG_DONTWAIT).result == -Int(EAGAIN))
        #expect(!fixture.isReadable)
        try fixture.checkReadiness()
    }

    @Test func anArrivalMeanwhileKeepsItsToken() throws {
        fixture.domain.before = { [fixture] operation in
            guard operation != .awaitToken else { return }
            fixture.domain.before = { _ in }
            fixture.arrive(10)
        }
        #expect(fixture.receive(4).result == 4)
        #expect(fixture.isReadable)
        fixture.domain.before = { _ in }
        #expect(fixture.receive(100).result == 6)
        for _ in 0..<2 { #expect(fixture.receive(100, MSG_DONTWAIT).result == -Int(EAGAIN)) }
        #expect(!fixture.isReadable)
        try fixture.checkReadiness()
    }

    @Test func aListenersAreCountedAndTaken() throws {
        fixture.state = .listening
        let socket = fixture.socket(fixture.domain)
        socket.countLateArrivals()
        #expect(fixture.inProducer.tokens == 1)
        socket.clearArrivals(0)
        #expect(fixture.inProducer.tokens == 0 && !fixture.isReadable)
        try fixture.checkReadiness()
    }

    @Test func aListenersArrivalMeanwhileKeepsItsToken() throws {
        fixture.state = .listening
        fixture.domain.before = { [fixture] operation in
            fixture.domain.before = { _ in }
            if try! fixture.backend.input.publish(1, edge: false) {
                _ = fixture.placeholder.send(from: .service, 1)
            }
        }
        fixture.socket(fixture.domain).countLateArrivals()
        #expect(fixture.isReadable && fixture.inProducer.tokens == 1)
    }
}
