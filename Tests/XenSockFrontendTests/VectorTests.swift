import CXenSockSystem
import Testing
import XenSockTestSupport

@testable import XenSockFrontend
@testable import XenSockRing

/// Scatter and gather over many small vectors, against one long array.
struct VectorTests {
    /// Vectors over `bytes`, of random sizes, some of them empty, some of those null.
    private func vectors(
        _ bytes: UnsafeMutableRawBufferPointer, _ random: inout SeededGenerator
    ) -> [iovec] {
        var vectors: [iovec] = []
        var offset = 0
        while offset < bytes.count {
            if random.oneIn(6) {
                vectors.append(iovec(iov_base: random.oneIn(2) ? nil : bytes.baseAddress, iov_len: 0))
            }
            let size = min(bytes.count - offset, 1 + random.below(random.oneIn(8) ? 3000 : 9))
            vectors.append(iovec(iov_base: bytes.baseAddress! + offset, iov_len: size))
            offset += size
        }
        return vectors
    }

    @Test("What was gathered is scattered byte for byte", arguments: 1...8 as ClosedRange<UInt64>)
    func scatterAndGather(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var progress = Progress(seed: seed)
        let fixture = SocketFixture(seed: seed, origin: .max - 5000)
        var received = 0
        var sent = 0
        for step in 0..<60 {
            progress.step = step
            let size = 1 + random.below(5000)
            fixture.backend.inboundLength += size
            var bytes = [UInt8](repeating: 0, count: size)
            let result = bytes.withUnsafeMutableBytes { buffer in
                let vectors = vectors(buffer, &random)
                return fixture.socket(fixture.domain).receive(vectors, vectors.count, flags: Int32(MSG_WAITALL))
            }
            try progress.requireEqual(result, size, "bytes received")
            try progress.requireEqual(bytes, fixture.backend.inbound.bytes(received..<received + size), "scattered")
            received += size
            var outgoing = fixture.backend.outbound.bytes(sent..<sent + size)
            let taken = outgoing.withUnsafeMutableBytes { buffer in
                let vectors = vectors(buffer, &random)
                return fixture.socket(fixture.domain).send(vectors, vectors.count, flags: 0)
            }
            try progress.requireEqual(taken, size, "bytes sent")
            sent += size
            try fixture.checkReadiness(progress)
        }
        fixture.settle()
        try progress.requireEqual(fixture.backend.taken, sent, "bytes that the peer got")
        try fixture.checkReadiness(progress)
    }

    @Test func negativeSizesAreEINVAL() {
        let fixture = SocketFixture()
        let negative = [iovec(iov_base: fixture.line.base, iov_len: 1 << 63)]
        #expect(fixture.socket(fixture.domain).receive(negative, 1, flags: 0) == -Int(EINVAL))
        #expect(fixture.socket(fixture.domain).send(negative, 1, flags: 0) == -Int(EINVAL))
    }

    @Test func sizesThatOverflowAreTheMostThatOneCallMoves() {
        let huge = [iovec(iov_base: nil, iov_len: .max), iovec(iov_base: nil, iov_len: .max)]
        #expect(VectorCursor(huge, huge.count)?.total == 0x7fff_f000)
    }

    @Test func noVectorsAreNothingOnceThereIsSomething() {
        let fixture = SocketFixture()
        #expect(fixture.socket(fixture.domain).receive([], 0, flags: Int32(MSG_DONTWAIT)) == -Int(EAGAIN))
        fixture.arrive(1)
        #expect(fixture.socket(fixture.domain).receive([], 0, flags: 0) == 0)
        #expect(fixture.socket(fixture.domain).send([], 0, flags: 0) == 0)
    }

    @Test func aNullBufferWithASizeIsEFAULTAndLosesNothing() throws {
        let fixture = SocketFixture()
        fixture.arrive(100)
        let vectors = [iovec(iov_base: fixture.line.base + 256, iov_len: 60), iovec(iov_base: nil, iov_len: 1)]
        #expect(fixture.socket(fixture.domain).receive(vectors, 2, flags: 0) == -Int(EFAULT))
        #expect(fixture.socket(fixture.domain).send(vectors, 2, flags: 0) == -Int(EFAULT))
        #expect(fixture.receive(100).bytes == fixture.backend.inbound.bytes(0..<100))
        #expect(fixture.outProducer.index == 0)
        try fixture.checkReadiness()
    }
}
