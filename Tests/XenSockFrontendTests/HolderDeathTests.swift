import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockBackend
@testable import XenSockFrontend
@testable import XenSockRing

/// A process that held a lock of the socket was killed. The service settles its part and frees the lock; the next call
/// settles the rest (docs/PROTOCOL.md, 3.4), and both streams go on.
struct HolderDeathTests {
    /// Where the holder was when it died.
    enum Death: CaseIterable {
        case receiverBeforeAnything
        case receiverBetweenDisarmAndToken
        case receiverBetweenDisarmAndTokenBeforeAnArrival
        case receiverWithEdgesAmongItsTokens
        case receiverBeforeRinging
        case senderBeforeAnything
        case senderBeforeRinging
        case senderBeforeTheFiller
        case senderBeforeTheFillerThatIsOwed
        case senderAfterTheFiller
    }

    private let ends = BothEnds(seed: 1)

    init() {
        #expect(ends.connect() == 0)
        ends.settle()
    }

    private func arrive(_ count: Int) {
        ends.kernel.peerSends(count)
        ends.settle()
    }

    /// Does what the dead did, step by step, up to its death.
    private func die(_ death: Death) throws {
        let input = ends.socket().input
        let output = ends.socket().output
        switch death {
        case .receiverBeforeAnything:
            arrive(100)
        case .receiverBetweenDisarmAndToken:
            arrive(10)
            try disarm(input)
        case .receiverBetweenDisarmAndTokenBeforeAnArrival:
            arrive(10)
            try disarm(input)
            arrive(50)
        case .receiverWithEdgesAmongItsTokens:
            ends.socket().status.set(StatusLine.Flag.edgeTriggered, true)
            for _ in 0..<5 { arrive(10) }
            try disarm(input)
            #expect(ends.pair.receive(at: .program, 2) == 2)
        case .receiverBeforeRinging:
            arrive(10_000)
            _ = try input.consume(input.view(), input.view().count)
        case .senderBeforeAnything:
            break
        case .senderBeforeRinging:
            try publish(100, output)
        case .senderBeforeTheFiller, .senderBeforeTheFillerThatIsOwed, .senderAfterTheFiller:
            try publish(4096, output)
            guard case .sendFiller = try output.block(output.view().consumer) else {
                Issue.record("no filler is announced")
                return
            }
            if death == .senderAfterTheFiller { #expect(ends.domain.sendFiller(BothEnds.descriptor)) }
            guard death == .senderBeforeTheFillerThatIsOwed else { break }
            ends.domain.notify(BothEnds.port)
            ends.settle()
            #expect(output.consumerValue().has(OutConsumer.owed))
        }
    }

    private func disarm(_ input: InRingFront) throws {
        _ = try input.consume(input.view(), input.view().count)
        #expect(try input.disarm(input.view()))
    }

    private func publish(_ count: Int, _ output: OutRingFront) throws {
        let view = try output.view()
        output.free(view, limit: UInt32(count)).first.copyBytes(from: ends.outbound.bytes(0..<count))
        _ = try output.publish(view, UInt32(count))
    }

    /// What the service does when the session of the dead ends.
    private func bury() {
        ends.service.settleDeadReader()
        ends.service.settleDeadSender()
        ends.service.doorbell()
    }

    @Test("Both streams go on after a death", arguments: Death.allCases)
    func goOn(death: Death) throws {
        var progress = Progress(seed: 1)
        try die(death)
        bury()
        let total = 20_000
        var received = Int(try ends.socket().input.view().consumer.index)
        var sent = Int(ends.socket().output.produced)
        ends.kernel.peerSends(total - ends.kernel.arrived)
        ends.kernel.peerFinishes()
        ends.peer = { [ends] in
            guard ends.kernel.taken < ends.kernel.sent else { return false }
            ends.kernel.peerReads(1000)
            return true
        }
        while received < total || sent < total {
            progress.step += 1
            try progress.require(progress.step < 1000, "no progress: \(received) received, \(sent) sent")
            if received < total {
                let (result, bytes) = ends.receive(1500, 0)
                try progress.require(result > 0, "receive returned \(result)")
                try progress.requireEqual(bytes, ends.inbound.bytes(received..<received + result), "bytes")
                received += result
            }
            if sent < total {
                let count = min(1500, total - sent)
                let result = ends.send(ends.outbound.bytes(sent..<sent + count), 0)
                try progress.requireEqual(result, count, "send")
                sent += result
            }
            ends.settle()
            try ends.checkReadiness(progress)
        }
        #expect(ends.receive(1, 0).result == 0)
        #expect(ends.kernel.taken == total && ends.pair.events(.program).contains(.output))
        #expect(ends.domain.deadlocks.isEmpty)
    }

    @Test(
        "An empty socket is exact again after one call",
        arguments: [Death.receiverBetweenDisarmAndToken, .receiverWithEdgesAmongItsTokens])
    func exactAgain(death: Death) throws {
        try die(death)
        bury()
        #expect(ends.pair.events(.program).contains(.input))
        #expect(ends.receive(10, MSG_DONTWAIT).result == -Int(EAGAIN))
        ends.settle()
        #expect(!ends.pair.events(.program).contains(.input))
        try ends.checkReadiness(Progress(seed: 1))
    }

    @Test func whoWaitsForALockGetsItWhenItIsFreed() throws {
        let fixture = SocketFixture()
        let lock = fixture.status.receiveLock
        let holder = lock.acquire(SocketFixture.tag)
        let worker = Worker {
            guard case .free = lock.acquire(SocketFixture.tag + 1) else { throw Mismatch("not free", seed: 0, step: 0) }
            lock.release(.free)
        }
        #expect(lock.word.load() == SocketFixture.tag)
        // Else the caller, who is no signal handler, would seem to have been left by one.
        xs_pop_held()
        #expect(lock.acquire(SocketFixture.tag).isReentered)
        lock.release(.reentered)
        xs_push_held(lock.word.address, -1)
        #expect(lock.word.load() == SocketFixture.tag)
        lock.release(holder)
        try worker.join()
        #expect(lock.word.load() == 0)
    }
}
