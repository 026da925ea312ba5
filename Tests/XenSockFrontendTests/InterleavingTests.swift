import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockFrontend
@testable import XenSockRing

/// Random calls of a program, with a backend that moves between and inside them. After every call tokens and fillers
/// are exact, and no byte is wrong, lost or too many.
struct InterleavingTests {
    /// A run of calls until both streams have ended; `deliver` lets held notifications through.
    private func run<D: FrontendDomain>(
        _ fixture: SocketFixture, _ progress: inout Progress, through domain: D,
        deliver: @escaping () -> Bool = { false }
    ) throws {
        var random = SeededGenerator(seed: progress.seed ^ 0xabcdef)
        let inbound = 30_000
        let outbound = 30_000
        var received = 0
        var sent = 0
        fixture.domain.step = { fixture.random.oneIn(2) && deliver() || fixture.step() || deliver() }
        fixture.domain.before = { _ in
            while fixture.random.oneIn(2) { _ = fixture.domain.step() }
        }
        while received < inbound || sent < outbound {
            progress.step += 1
            try progress.require(progress.step < 20_000, "no progress: \(received) received, \(sent) sent")
            while random.oneIn(2) { _ = fixture.domain.step() }
            if fixture.backend.inboundLength < inbound, random.oneIn(3) {
                fixture.backend.inboundLength = min(inbound, fixture.backend.inboundLength + random.below(9000))
                fixture.backend.finishes = fixture.backend.inboundLength == inbound
            }
            let size = random.oneIn(3) ? 1 + random.below(3 * fixture.half) : 1 + random.below(100)
            if random.oneIn(2) {
                let waits = fixture.backend.inboundLength > received && random.oneIn(3)
                let flags =
                    (waits ? 0 : MSG_DONTWAIT) | (random.oneIn(5) ? MSG_PEEK : 0)
                let promised = fixture.isReadable && !fixture.inProducer.has(InProducer.endOfFile)
                let (result, bytes) = fixture.receive(size, flags, through: domain)
                if result == -Int(EAGAIN) {
                    try progress.require(!waits, "EAGAIN of a call that may wait")
                    try progress.require(!promised || fixture.backend.finished, "EAGAIN although poll said readable")
                } else if received == inbound {
                    try progress.requireEqual(result, 0, "end of the stream")
                } else {
                    try progress.require(result > 0, "receive of \(size) with flags \(flags) returned \(result)")
                    try progress.requireEqual(
                        bytes, fixture.backend.inbound.bytes(received..<received + result), "bytes received")
                    if flags & MSG_PEEK == 0 { received += result }
                }
            } else if sent < outbound {
                let bytes = fixture.backend.outbound.bytes(sent..<min(outbound, sent + size))
                let waits = random.oneIn(3)
                let result = fixture.send(bytes, waits ? 0 : MSG_DONTWAIT, through: domain)
                if waits {
                    try progress.requireEqual(result, bytes.count, "a blocking send")
                } else {
                    try progress.require(result > 0 || result == -Int(EAGAIN), "send returned \(result)")
                }
                sent += max(result, 0)
            }
            try fixture.checkReadiness(progress)
        }
        fixture.domain.before = { _ in }
        while fixture.domain.step() {}
        try progress.requireEqual(fixture.receive(1, MSG_DONTWAIT, through: domain).result, 0, "end of the stream")
        while fixture.domain.step() {}
        try progress.requireEqual(fixture.backend.taken, outbound, "bytes that the peer got")
        try progress.require(fixture.isWritable && fixture.isReadable, "readiness at the end")
        try progress.require(fixture.domain.deadlocks.isEmpty, "deadlocks \(fixture.domain.deadlocks)")
        try fixture.checkReadiness(progress)
    }

    @Test("Level-triggered, near the wrap of the indexes", arguments: 1...12 as ClosedRange<UInt64>)
    func level(seed: UInt64) throws {
        var progress = Progress(seed: seed)
        let fixture = SocketFixture(seed: seed, order: UInt32(1 + seed % 2), origin: .max - 9000)
        try run(fixture, &progress, through: fixture.domain)
    }

    @Test("Edge-triggered: every arrival has its token", arguments: 13...20 as ClosedRange<UInt64>)
    func edge(seed: UInt64) throws {
        var progress = Progress(seed: seed)
        let fixture = SocketFixture(seed: seed)
        fixture.status.set(StatusLine.Flag.edgeTriggered, true)
        try run(fixture, &progress, through: fixture.domain)
    }

    @Test("Delayed notifications and tokens change nothing", arguments: 21...28 as ClosedRange<UInt64>)
    func delayed(seed: UInt64) throws {
        var progress = Progress(seed: seed)
        let fixture = SocketFixture(seed: seed)
        let delaying = DelayingDomain(fixture.domain, tokenDelay: { fixture.random.below(4) })
        try run(fixture, &progress, through: delaying, deliver: delaying.deliver)
    }

    @Test("Two sockets whose notifications overtake each other both finish", arguments: 29...34 as ClosedRange<UInt64>)
    func reordered(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        let fixture = SocketFixture(seed: seed)
        let reordering = ReorderingDomain(fixture.domain, choose: { random.below($0) })
        try run(fixture, &progress, through: reordering, deliver: reordering.deliver)
    }

    @Test("A lost notification is a deadlock that is noticed, in either direction", arguments: [true, false])
    func lostNotification(receiving: Bool) {
        let fixture = SocketFixture()
        let dropping = DroppingDomain(fixture.domain, drops: { $0 == .notify })
        fixture.backend.inboundLength = receiving ? 3 * fixture.half : 0
        fixture.settle()
        if receiving {
            #expect(fixture.receive(3 * fixture.half, MSG_WAITALL, through: dropping).result == fixture.half)
            #expect(fixture.domain.deadlocks == [.awaitToken])
        } else {
            #expect(fixture.send([UInt8](repeating: 0, count: 2 * fixture.half), through: dropping) == fixture.half)
            #expect(fixture.domain.deadlocks == [.awaitWritable])
        }
    }

    @Test("A lost filler shows as a wait that never waits")
    func lostFiller() {
        let fixture = SocketFixture()
        fixture.backend.peerReads = false
        let dropping = DroppingDomain(fixture.domain, drops: { $0 == .sendFiller })
        #expect(fixture.send([UInt8](repeating: 0, count: 5000), through: dropping) == fixture.half)
        #expect(fixture.domain.deadlocks == [.awaitWritable])
    }

    @Test("A token that was taken and not counted is waited for, a bounded time, and the data is right")
    func lostToken() throws {
        let fixture = SocketFixture()
        let dropping = DroppingDomain(fixture.domain, drops: { $0 == .receiveTokens })
        fixture.arrive(10)
        #expect(fixture.receive(100, through: dropping).bytes == fixture.backend.inbound.bytes(0..<10))
        fixture.arrive(10)
        #expect(fixture.receive(100).bytes == fixture.backend.inbound.bytes(10..<20))
        try fixture.checkReadiness()
    }
}
