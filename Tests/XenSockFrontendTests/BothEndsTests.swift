import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockBackend
@testable import XenSockFrontend
@testable import XenSockRing

/// The frontend's socket and the service's, whole, over one arena in one thread: every byte goes through both.
struct BothEndsTests {
    @Test("Both streams pass whole, whatever the order of things", arguments: 1...16 as ClosedRange<UInt64>)
    func streams(seed: UInt64) throws {
        var progress = Progress(seed: seed)
        let ends = BothEnds(seed: seed, order: UInt32(1 + seed % 2))
        var random = SeededGenerator(seed: seed ^ 0x5555)
        let total = 40_000
        var received = 0
        var sent = 0
        #expect(ends.connect() == 0)
        if seed % 4 == 0 { ends.socket().status.set(StatusLine.Flag.edgeTriggered, true) }
        ends.peer = {
            if ends.kernel.arrived < total, ends.random.oneIn(2) {
                ends.kernel.peerSends(min(total - ends.kernel.arrived, 1 + ends.random.below(6000)))
            } else if ends.kernel.arrived == total, !ends.kernel.isFinished {
                ends.kernel.peerFinishes()
            } else if ends.kernel.taken < ends.kernel.sent {
                ends.kernel.peerReads(1 + ends.random.below(4000))
            } else {
                return ends.kernel.arrived < total
            }
            return true
        }
        /// Another thread of the program, in the middle of what the service does.
        ends.kernel.meanwhile = {
            guard random.oneIn(3) else { return }
            let (result, bytes) = ends.receive(1 + random.below(3000), MSG_DONTWAIT, thread: 51)
            if result > 0 {
                #expect(bytes == ends.inbound.bytes(received..<received + result), "seed \(seed)")
                received += result
            }
        }
        while received < total || sent < total {
            progress.step += 1
            try progress.require(progress.step < 20_000, "no progress: \(received) received, \(sent) sent")
            while random.oneIn(2) { _ = ends.step() }
            let size = 1 + random.below(random.oneIn(3) ? 9000 : 200)
            if random.oneIn(2) {
                let promised = ends.pair.events(.program).contains(.input)
                let (result, bytes) = ends.receive(size, MSG_DONTWAIT)
                if result > 0 {
                    try progress.requireEqual(bytes, ends.inbound.bytes(received..<received + result), "received")
                    received += result
                } else {
                    try progress.require(result == -Int(EAGAIN) || received == total, "receive returned \(result)")
                    try progress.require(!promised || received == total, "poll lied")
                }
            } else if sent < total {
                let waits = random.oneIn(3)
                let bytes = ends.outbound.bytes(sent..<min(total, sent + size))
                let result = ends.send(bytes, waits ? 0 : MSG_DONTWAIT)
                try progress.require(
                    result == bytes.count || (!waits && (result > 0 || result == -Int(EAGAIN))),
                    "send returned \(result)")
                sent += max(0, result)
            }
            try ends.checkReadiness(progress)
        }
        ends.settle()
        try progress.requireEqual(ends.receive(10, MSG_DONTWAIT).result, 0, "end of the stream")
        try progress.requireEqual(ends.kernel.taken, total, "bytes that the peer got")
        try progress.require(ends.pair.events(.program).contains(.output), "not writable at the end")
        try progress.require(ends.domain.deadlocks.isEmpty, "deadlocks \(ends.domain.deadlocks)")
        try ends.checkReadiness(progress)
    }

    @Test func aConnectUnderWayIsNotWritableUntilItIsDecided() throws {
        let ends = BothEnds(seed: 1)
        ends.kernel.connectResult = -EINPROGRESS
        #expect(ends.connect() == -EINPROGRESS)
        #expect(!ends.socket().obstructUntilDecided())
        #expect(!ends.pair.events(.program).contains(.output))
        ends.peer = {
            guard ends.kernel.connectResult != 0 else { return false }
            ends.kernel.connectResult = 0
            ends.kernel.decide(0)
            return true
        }
        #expect(ends.socket().awaitConnect() == 0)
        ends.settle()
        #expect(ends.pair.events(.program).contains(.output))
        try ends.checkReadiness(Progress(seed: 1))
    }

    @Test func aRefusedConnectTellsItsErrorAndCanBeTriedAgain() throws {
        let ends = BothEnds(seed: 1)
        ends.kernel.connectResult = -EINPROGRESS
        #expect(ends.connect() == -EINPROGRESS)
        ends.kernel.decide(ECONNREFUSED)
        #expect(ends.socket().awaitConnect() == -Int(ECONNREFUSED))
        ends.settle()
        #expect(ends.pair.events(.program).isSuperset(of: [.input, .output]))
        ends.socket().prepareConnect()
        #expect(!ends.pair.events(.program).contains(.input))
        ends.kernel.connectResult = 0
        #expect(ends.connect() == 0)
        ends.kernel.peerSends(10)
        ends.settle()
        #expect(ends.receive(100, 0).bytes == ends.inbound.bytes(0..<10))
        #expect(ends.send(ends.outbound.bytes(0..<10), 0) == 10)
        ends.settle()
        #expect(ends.kernel.sent == 10)
        try ends.checkReadiness(Progress(seed: 1))
    }

    @Test func aResetComesBehindTheDataAndEndsBothDirections() throws {
        let ends = BothEnds(seed: 1)
        #expect(ends.connect() == 0)
        ends.kernel.peerSends(10)
        ends.settle()
        ends.kernel.peerResets(ECONNRESET)
        ends.settle()
        #expect(ends.receive(100, 0).bytes == ends.inbound.bytes(0..<10))
        #expect(ends.receive(100, 0).result == -Int(ECONNRESET))
        #expect(ends.receive(100, 0).result == 0)
        #expect(ends.send([1], 0) == -Int(EPIPE))
    }

    @Test func bytesLeftBehindByAClosedProgramAreStillSent() throws {
        let ends = BothEnds(seed: 1)
        #expect(ends.connect() == 0)
        ends.settle()
        #expect(ends.send(ends.outbound.bytes(0..<4000), MSG_DONTWAIT) == 4000)
        ends.pair.close(.program)
        ends.peer = {
            guard ends.kernel.taken < ends.kernel.sent else { return false }
            ends.kernel.peerReads(1000)
            return true
        }
        ends.settle()
        #expect(ends.kernel.sent == 4000 && ends.kernel.mismatch == nil)
        #expect(ends.kernel.isClosed && ends.arena.liveSockets == 0)
    }
}
