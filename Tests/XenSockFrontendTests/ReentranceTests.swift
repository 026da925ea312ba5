import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockFrontend
@testable import XenSockRing

/// A signal handler that works on the socket whose call it interrupted, in the middle of a copy, or at a call of the
/// domain. The lock is the thread's own: nobody waits for anybody.
struct ReentranceTests {
    private let fixture = SocketFixture()

    private func inbound(_ range: Range<Int>) -> [UInt8] { fixture.backend.inbound.bytes(range) }

    /// Receives `count` bytes into a buffer that interrupts the copy.
    private func receive(
        _ count: Int, _ flags: Int = MSG_DONTWAIT, interruption: @escaping () -> Void
    ) -> (result: Int, bytes: [UInt8]) {
        FaultingPages.with(pages: (count + 4095) / 4096, interruption: interruption) { pages in
            var vector = iovec(iov_base: pages.base, iov_len: count)
            let result = fixture.socket(fixture.domain).receive(&vector, 1, flags: Int32(flags))
            return (result, pages.bytes(max(result, 0)))
        }
    }

    @Test func aHandlerThatReceivesInTheMiddleOfACopyTakesWhatComesFirst() throws {
        fixture.arrive(1000)
        var taken: [UInt8] = []
        let (result, bytes) = receive(600) { [fixture] in
            taken = fixture.receive(300, MSG_DONTWAIT).bytes
        }
        #expect(taken == inbound(0..<300))
        #expect(result == 600 && bytes == inbound(300..<900))
        try fixture.checkReadiness()
    }

    @Test func aHandlerThatTakesEverythingLeavesNothing() throws {
        fixture.arrive(500)
        var taken = 0
        let (result, _) = receive(600) { [fixture] in taken = fixture.receive(4000, MSG_DONTWAIT).result }
        #expect(taken == 500)
        #expect(result == -Int(EAGAIN))
        #expect(!fixture.isReadable)
        try fixture.checkReadiness()
    }

    @Test func aRingThatTurnsOverDuringTheCopyIsCopiedAgain() throws {
        fixture.arrive(2 * fixture.half)
        var taken: [UInt8] = []
        let (result, bytes) = receive(fixture.half) { [fixture] in
            taken = fixture.receive(fixture.half, MSG_DONTWAIT).bytes
            fixture.settle()
        }
        #expect(taken == inbound(0..<4096))
        #expect(result == 4096 && bytes == inbound(4096..<8192))
        try fixture.checkReadiness()
    }

    @Test func aPeekThatAHandlerOvertakesShowsWhatIsThereThen() throws {
        fixture.arrive(2 * fixture.half)
        let (result, bytes) = receive(fixture.half, MSG_PEEK) { [fixture] in
            _ = fixture.receive(fixture.half, MSG_DONTWAIT)
            fixture.settle()
        }
        #expect(result == 4096 && bytes == inbound(4096..<8192))
        #expect(fixture.receive(fixture.half, MSG_DONTWAIT).bytes == inbound(4096..<8192))
        try fixture.checkReadiness()
    }

    @Test func aHandlerThatSendsInTheMiddleOfAReceiveChangesNothingOfIt() throws {
        fixture.arrive(1000)
        let (result, bytes) = receive(600) { [fixture] in
            #expect(fixture.send(fixture.backend.outbound.bytes(0..<200)) == 200)
        }
        #expect(result == 600 && bytes == inbound(0..<600))
        fixture.settle()
        #expect(fixture.backend.taken == 200)
        try fixture.checkReadiness()
    }

    /// Sends `first` and then `count` bytes of 0xbb, whose copying is interrupted, from two vectors.
    private func send(_ first: [UInt8], _ count: Int, interruption: @escaping () -> Void) -> Int {
        FaultingPages.with(pages: (count + 4095) / 4096, interruption: interruption) { pages in
            pages.fill([UInt8](repeating: 0xbb, count: count))
            var first = first
            return first.withUnsafeMutableBytes { buffer in
                let vectors = [
                    iovec(iov_base: buffer.baseAddress, iov_len: buffer.count),
                    iovec(iov_base: pages.base, iov_len: count),
                ]
                return fixture.socket(fixture.domain).send(vectors, 2, flags: 0)
            }
        }
    }

    /// What waits in `out`, taken.
    private func takeOutput() throws -> [UInt8] {
        let waiting = try fixture.backend.output.waiting()
        let bytes = fixture.backend.output.bytes(waiting, limit: waiting)
        let taken = Array(bytes.first) + Array(bytes.second)
        _ = try fixture.backend.output.consume(waiting)
        return taken
    }

    private func bytes(_ value: UInt8, _ count: Int) -> [UInt8] { [UInt8](repeating: value, count: count) }

    @Test func aHandlerThatSendsInTheMiddleOfACopyLosesNothingAndDamagesNothing() throws {
        fixture.steps = false
        var result = 0
        let sent = send(bytes(0xaa, 100), 100) { [fixture] in result = fixture.send(bytes(0xcc, 150)) }
        #expect(sent == 200 && result == 150)
        #expect(try takeOutput() == bytes(0xaa, 100) + bytes(0xbb, 100) + bytes(0xcc, 150))
    }

    @Test func whatAHandlerSendsIsThereBeforeTheInterruptedCallGoesOn() throws {
        fixture.steps = false
        var found: [UInt8] = []
        let sent = send(bytes(0xaa, 100), 100) { [fixture] in
            _ = fixture.send(bytes(0xcc, 150))
            found = (try? takeOutput()) ?? []
        }
        #expect(sent == 200 && Array(found.suffix(150)) == bytes(0xcc, 150))
        #expect(try found + takeOutput() == bytes(0xaa, 100) + bytes(0xbb, 100) + bytes(0xcc, 150))
    }

    @Test func aHandlerDoesNotSendOverWhatTheInterruptedCallStillCopies() throws {
        fixture.steps = false
        var result = 0
        var found: [UInt8] = []
        // More than one turn of the ring: the handler's last bytes would come round to where the copy goes on.
        let sent = send(bytes(0xaa, 1000), 1000) { [fixture] in
            for _ in 0..<3 {
                result += max(0, fixture.send(bytes(0xcc, 1500), MSG_DONTWAIT))
                found += (try? takeOutput()) ?? []
            }
        }
        found += try takeOutput()
        #expect(sent == 2000 && result == fixture.half - 2000)
        #expect(found == bytes(0xaa, 1000) + bytes(0xbb, 1000) + bytes(0xcc, result))
    }

    @Test(
        "A handler at any call of the domain finds tokens that end up exact", arguments: 1...12 as ClosedRange<UInt64>)
    func anyCall(seed: UInt64) throws {
        let fixture = SocketFixture(seed: seed)
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        var pieces: [(at: Int, bytes: [UInt8])] = []
        var received = 0
        var depth = 0
        /// The consumer's index counts what was received, whoever did it and in whatever order the calls return.
        func receive(_ count: Int) {
            let (result, bytes) = fixture.receive(count, MSG_DONTWAIT)
            if result > 0 {
                received += result
                pieces.append((received, bytes))
            }
        }
        fixture.domain.before = { _ in
            guard depth == 0, random.oneIn(2) else { return }
            depth += 1
            defer { depth -= 1 }
            while random.oneIn(2) { _ = fixture.step() }
            SignalHandler.run { receive(1 + random.below(3000)) }
        }
        fixture.backend.inboundLength = 60_000
        for step in 0..<2000 where received < 60_000 {
            progress.step = step
            while random.oneIn(2) { _ = fixture.step() }
            receive(1 + random.below(3000))
            try fixture.checkReadiness(progress)
        }
        try progress.requireEqual(received, 60_000, "bytes received")
        try progress.requireEqual(
            pieces.flatMap(\.bytes).sorted(), fixture.backend.inbound.bytes(0..<60_000).sorted(), "bytes")
    }

    @Test func aHandlerThatWaitsForTheBackendTellsItWhatTheInterruptedCallHasNotYet() throws {
        fixture.backend.inboundLength = 2 * fixture.half
        fixture.settle()
        #expect(fixture.backend.isStalled)
        var taken = 0
        fixture.domain.before = { [fixture] operation in
            guard operation == .notify else { return }
            fixture.domain.before = { _ in }
            // STALL is cleared, the doorbell not rung: that is done after this handler.
            SignalHandler.run { taken = fixture.receive(fixture.half, MSG_WAITALL).result }
        }
        #expect(fixture.receive(fixture.half, MSG_DONTWAIT).result > 0)
        #expect(taken == fixture.half)
        #expect(fixture.domain.deadlocks.isEmpty)
    }

    @Test func aHandlerThatSendsWaitsForTheBackendThatTheInterruptedCallHasNotYetTold() throws {
        fixture.settle()
        #expect(fixture.backend.isIdle)
        var taken = 0
        fixture.domain.before = { [fixture] operation in
            guard operation == .notify else { return }
            fixture.domain.before = { _ in }
            SignalHandler.run { taken = fixture.send(fixture.backend.outbound.bytes(100..<10_000)) }
        }
        #expect(fixture.send(fixture.backend.outbound.bytes(0..<100)) == 100)
        #expect(taken == 9900)
        fixture.settle()
        #expect(fixture.backend.taken == 10_000 && fixture.domain.deadlocks.isEmpty)
        try fixture.checkReadiness()
    }

    @Test func aHandlerBetweenAnnouncementAndFillerDoesNotSpin() throws {
        fixture.backend.peerReads = false
        #expect(fixture.send(fixture.backend.outbound.bytes(0..<4096), MSG_DONTWAIT) == 4096)
        var result = 0
        fixture.domain.before = { [fixture] operation in
            guard operation == .sendFiller else { return }
            fixture.domain.before = { _ in }
            SignalHandler.run { result = fixture.send([0], MSG_DONTWAIT) }
        }
        #expect(fixture.send([0], MSG_DONTWAIT) == -Int(EAGAIN))
        #expect(result == -Int(EAGAIN))
        #expect(!fixture.isWritable)
        try fixture.checkReadiness()
    }

    @Test func aHandlerThatWaitsBetweenDisarmAndReceivingTakesNoTokenFromTheInterruptedCall() throws {
        fixture.arrive(10)
        var steps = 0
        var taken: [UInt8] = []
        fixture.domain.before = { [fixture] operation in
            guard operation == .receiveTokens else { return }
            fixture.domain.before = { _ in }
            // TOKENS is cleared, the byte stands.
            fixture.domain.step = {
                steps += 1
                if steps == 3 { fixture.backend.inboundLength += 5 }
                return fixture.step() || steps < 10
            }
            SignalHandler.run { taken = fixture.receive(100).bytes }
        }
        #expect(fixture.receive(100, MSG_DONTWAIT).bytes == inbound(0..<10))
        #expect(taken == inbound(10..<15))
        try fixture.checkReadiness()
    }
}
