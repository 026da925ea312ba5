import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockFrontend
@testable import XenSockRing

/// A backend that writes anything anywhere: every call ends, in a count or an error that recv(2) and send(2) have.
struct HostileBackendTests {
    private static let words = [InProducer.offset, InConsumer.offset, OutProducer.offset, OutConsumer.offset]
    private static let errors = [EIO, EAGAIN, EPIPE, ECONNRESET, ENOTCONN, ECONNABORTED, EDEADLK].map { -Int($0) }

    @Test("Words, states and orders rewritten between and inside calls", arguments: 1...10 as ClosedRange<UInt64>)
    func anything(seed: UInt64) throws {
        let fixture = SocketFixture(seed: seed)
        fixture.steps = false
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        func scribble() {
            for offset in Self.words where random.oneIn(3) {
                let near = fixture.inProducer.index &+ UInt32(random.below(10_000)) &- 5000
                let value = random.oneIn(2) ? random.next() : UInt64(near) << 32 | random.next() & 0x1ff
                SharedWord64(fixture.memory.base + offset).store(value)
            }
            // The ring's memory is what this fixture has: an order beyond is what a real port's pages would bound.
            if random.oneIn(20) { fixture.status.setOrder(UInt32(random.below(2)) &* (random.oneIn(2) ? 1 : 200)) }
            if random.oneIn(10) {
                SharedWord32(fixture.line.base + StatusLine.state).store(random.oneIn(2) ? 3 : UInt32(random.below(9)))
            }
        }
        fixture.domain.before = { _ in
            if random.oneIn(2) { scribble() }
            // Whatever tokens are awaited stand, so that none is waited for in vain.
            for _ in 0..<3 { _ = fixture.placeholder.send(from: .service, 1) }
        }
        for step in 0..<1500 {
            progress.step = step
            if random.oneIn(2) { scribble() }
            let size = 1 + random.below(9000)
            let flags = (random.oneIn(4) ? 0 : MSG_DONTWAIT) | (random.oneIn(4) ? MSG_PEEK : 0)
            let result =
                random.oneIn(2)
                ? fixture.receive(size, flags).result
                : fixture.send([UInt8](repeating: 1, count: size), flags & MSG_DONTWAIT)
            try progress.require(
                result < 0 ? Self.errors.contains(result) : result <= size, "result \(result) of \(size)")
            try progress.requireEqual(fixture.status.receiveLock.word.load(), 0, "receive lock")
            try progress.requireEqual(fixture.status.sendLock.word.load(), 0, "send lock")
            // Unreceived bytes would fill the placeholder.
            _ = fixture.placeholder.receive(at: .program, 100_000)
            _ = fixture.placeholder.receive(at: .service, 100_000)
        }
    }

    @Test func tokensThatComeBackForEverAreEIO() {
        let fixture = SocketFixture()
        fixture.steps = false
        fixture.domain.before = { _ in
            IndexWord(fixture.memory.base + InProducer.offset).store(.init(index: 0, flags: 1))
            _ = fixture.placeholder.send(from: .service, 1)
        }
        IndexWord(fixture.memory.base + InProducer.offset).store(.init(index: 0, flags: 1))
        _ = fixture.placeholder.send(from: .service, 1)
        // The word is rewritten before each receiving of the token, so the ring is always empty and armed.
        #expect(fixture.receive(10, MSG_DONTWAIT).result == -Int(EIO))
        #expect(fixture.status.receiveLock.word.load() == 0)
    }

    @Test func aFillerThatIsAnnouncedForEverIsEIO() {
        let fixture = SocketFixture()
        fixture.steps = false
        #expect(fixture.send([UInt8](repeating: 0, count: 4096)) == 4096)
        IndexWord(fixture.memory.base + OutConsumer.offset).store(.init(index: 0, flags: OutConsumer.fillerPending))
        #expect(fixture.send([1], MSG_DONTWAIT) == -Int(EIO))
        #expect(fixture.send([1]) == -Int(EIO))
        #expect(fixture.status.sendLock.word.load() == 0)
    }

    @Test func anOrderThatAPortsPagesCannotHoldIsNoRing() {
        let fixture = SocketFixture()
        fixture.status.setOrder(9)
        #expect(fixture.socket(fixture.domain).input.size == 0)
        IndexWord(fixture.memory.base + InProducer.offset).store(.init(index: 5, flags: 1))
        #expect(fixture.receive(10, MSG_DONTWAIT).result == -Int(EIO))
    }

    @Test func tokensWithoutEndAreNotFrozen() {
        let fixture = SocketFixture()
        fixture.steps = false
        fixture.domain.before = { _ in _ = fixture.placeholder.send(from: .service, 255) }
        #expect(!fixture.socket(fixture.domain).freezeTokens())
        #expect(!fixture.inProducer.has(InProducer.unsettled))
        fixture.domain.before = { _ in }
        #expect(fixture.socket(fixture.domain).freezeTokens())
        #expect(fixture.placeholder.unread(at: .program) == 0 && fixture.inProducer.has(InProducer.unsettled))
    }

    // MARK: pvcalls1

    /// Receives without waiting while the backend does `disturb` before each operation of the domain.
    private func receiveV1(_ fixture: SocketFixture, _ disturb: @escaping () -> Void) -> Int {
        fixture.steps = false
        fixture.domain.before = { _ in disturb() }
        disturb()
        var byte: UInt8 = 0
        return withUnsafeMutableBytes(of: &byte) { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: 1)
            return V1StreamSocket(plain: fixture.socket(fixture.domain), dialect: .pvcalls1)
                .receive(&vector, 1, flags: Int32(MSG_DONTWAIT))
        }
    }

    @Test func tokensOfPVCallsThatComeBackForEverAreEIO() {
        let fixture = SocketFixture()
        let result = receiveV1(fixture) {
            SharedWord32(fixture.line.base + StatusLine.inReadiness).store(1)
            _ = fixture.placeholder.send(from: .service, 1)
        }
        #expect(result == -Int(EIO) && fixture.status.receiveLock.word.load() == 0)
    }

    @Test func aWordOfPVCallsThatIsNeverSettledIsEIO() {
        let fixture = SocketFixture()
        let result = receiveV1(fixture) {
            SharedWord32(fixture.line.base + StatusLine.inReadiness).store(ReadinessFlag.unsettled)
        }
        #expect(result == -Int(EIO) && fixture.status.receiveLock.word.load() == 0)
    }

    @Test func aFillerOfPVCallsThatIsNeverCountedIsEIO() {
        let fixture = SocketFixture()
        fixture.steps = false
        fixture.domain.before = { _ in SharedWord32(fixture.line.base + StatusLine.outReadiness).store(0) }
        var bytes = [UInt8](repeating: 1, count: 4097)
        let results = bytes.withUnsafeMutableBytes { buffer in
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            let socket = V1StreamSocket(plain: fixture.socket(fixture.domain), dialect: .pvcalls1)
            return (0..<2).map { _ in socket.send(&vector, 1, flags: Int32(MSG_DONTWAIT)) }
        }
        #expect(results == [4096, -Int(EIO)] && fixture.status.sendLock.word.load() == 0)
    }
}
