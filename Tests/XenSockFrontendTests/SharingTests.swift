import CXenSockSystem
import Testing
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockFrontend
@testable import XenSockRing

/// Several threads share one socket over a real socket pair and a real doorbell; another thread is its backend. The
/// thread sanitizer watches this.
struct SharingTests {
    private static let total = 1 << 20

    /// A socket of the local platform in this process: arena, pair and doorbell.
    private final class LocalSocket: @unchecked Sendable {
        static let half: UInt32 = 4096
        static let port: UInt32 = 9
        let arena = SharedPages(pages: 2)
        let line = SharedPages(pages: 1)
        let memory = SharedPages(pages: 3)
        let program: Int32
        let service: Int32
        let doorbell: Int32

        init() {
            let pair = Kernel.socketPair(type: Int32(SOCK_STREAM.rawValue))
            program = pair.first
            service = pair.second
            var smallest: Int32 = 1
            _ = Kernel.setOption(program, SOL_SOCKET, SO_SNDBUF, &smallest, 4)
            doorbell = Int32(Kernel.call(Int(SYS_eventfd2), 0, Int(O_NONBLOCK)))
            SharedWord32(line.base + StatusLine.state).store(StatusLine.State.connected.rawValue)
            SharedWord32(line.base + StatusLine.order).store(1)
        }

        deinit { for fd in [program, service, doorbell] { _ = Kernel.close(fd) } }

        func socket(thread: UInt32) -> StreamSocket<LocalDomain> {
            StreamSocket(
                domain: LocalDomain(arena: arena.base, doorbell: doorbell), placeholder: program, port: Self.port,
                status: SocketStatus(line: line.base), indexes: memory.base,
                tag: StatusLine.lock(session: 1, thread: thread))
        }
    }

    /// Bytes by value: what passed, whoever took it and in whatever pieces.
    private struct Census: Equatable {
        private(set) var counts = [Int](repeating: 0, count: 256)

        mutating func add(_ bytes: some Sequence<UInt8>) { for byte in bytes { counts[Int(byte)] += 1 } }

        mutating func add(_ other: Census) { for value in 0..<256 { counts[value] += other.counts[value] } }

        var total: Int { counts.reduce(0, +) }
    }

    @Test("Two receivers and two senders of one socket lose and invent nothing", arguments: [1, 2] as [UInt64])
    func share(seed: UInt64) throws {
        let local = LocalSocket()
        var results = [Census](repeating: Census(), count: 5)
        try results.withUnsafeMutableBufferPointer { results in
            let results = results.baseAddress!
            let backend = Worker { results[4] = try Self.serve(local, seed: seed) }
            let receivers = (0..<2).map { index in
                Worker { results[index] = try Self.receive(local, UInt32(20 + index), seed: seed) }
            }
            let senders = (0..<2).map { index in
                Worker { results[2 + index] = try Self.send(local, UInt32(30 + index), seed: seed) }
            }
            for worker in receivers + senders + [backend] { try worker.join() }
        }
        var expected = Census()
        expected.add((0..<Self.total).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        var received = results[0]
        received.add(results[1])
        #expect(received == expected)
        var sent = results[2]
        sent.add(results[3])
        #expect(sent.total == Self.total && results[4] == sent)
        #expect(local.socket(thread: 1).isQuiet)
    }

    private static func receive(_ local: LocalSocket, _ thread: UInt32, seed: UInt64) throws -> Census {
        let socket = local.socket(thread: thread)
        var random = SeededGenerator(seed: seed ^ UInt64(thread))
        var census = Census()
        var bytes = [UInt8](repeating: 0, count: 6000)
        while true {
            let size = 1 + random.below(6000)
            let flags = random.oneIn(2) ? MSG_DONTWAIT : 0
            let result = bytes.withUnsafeMutableBytes { buffer in
                var vector = iovec(iov_base: buffer.baseAddress, iov_len: size)
                return socket.receive(&vector, 1, flags: Int32(flags))
            }
            if result == 0 { return census }
            if result == -Int(EAGAIN), flags != 0 { continue }
            guard result > 0 else { throw Mismatch("receive returned \(result)", seed: seed, step: census.total) }
            census.add(bytes[0..<result])
        }
    }

    private static func send(_ local: LocalSocket, _ thread: UInt32, seed: UInt64) throws -> Census {
        let socket = local.socket(thread: thread)
        var random = SeededGenerator(seed: seed ^ UInt64(thread))
        var census = Census()
        while census.total < total / 2 {
            var bytes = (0..<min(total / 2 - census.total, 1 + random.below(6000))).map { _ in UInt8(thread) }
            let waits = random.oneIn(2)
            let result = bytes.withUnsafeMutableBytes { buffer in
                var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
                return socket.send(&vector, 1, flags: waits ? 0 : Int32(MSG_DONTWAIT))
            }
            if result == -Int(EAGAIN), !waits {
                _ = xs_wait_poll(local.program, Int16(POLLOUT), 10_000_000)
                continue
            }
            guard result > 0 else { throw Mismatch("send returned \(result)", seed: seed, step: census.total) }
            census.add(bytes[0..<result])
        }
        return census
    }

    /// The backend's loop: sends `total` bytes and EOF, takes as many.
    private static func serve(_ local: LocalSocket, seed: UInt64) throws -> Census {
        let base = local.memory.base
        var input = InRingBack(indexes: base, data: base + 4096, size: LocalSocket.half)
        var output = OutRingBack(indexes: base, data: base + 8192, size: LocalSocket.half)
        let bell = DoorbellBack(arena: local.arena.base, ports: 64)
        var random = SeededGenerator(seed: seed)
        var census = Census()
        var produced = 0
        var finished = false
        func sendToken() {
            var byte: UInt8 = 0
            _ = Kernel.send(local.service, &byte, 1, Int32(MSG_DONTWAIT))
        }
        func receiveFiller() throws {
            var bytes = [UInt8](repeating: 0, count: 256)
            let got = Kernel.receive(local.service, &bytes, 256, Int32(MSG_DONTWAIT))
            if got != 256 { throw Mismatch("a filler of \(got) bytes", seed: seed, step: census.total) }
        }
        while !finished || census.total < total {
            var worked = false
            if produced < total {
                let space = try input.free(limit: UInt32(min(total - produced, 1 + random.below(4096))))
                if space.count > 0 {
                    let bytes = (produced..<produced + space.count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
                    space.first.copyBytes(from: bytes.prefix(space.first.count))
                    space.second.copyBytes(from: bytes.dropFirst(space.first.count))
                    produced += space.count
                    if try input.publish(UInt32(space.count), edge: random.oneIn(3)) { sendToken() }
                    worked = true
                } else if try !input.stall() {
                    worked = true
                }
            } else if !finished {
                finished = true
                if try input.publishEndOfFile() { sendToken() }
                _ = Kernel.shutdown(local.service, 1)
                worked = true
            }
            let waiting = try output.waiting()
            if waiting > 0 {
                let bytes = output.bytes(waiting, limit: UInt32(1 + random.below(4096)))
                census.add(bytes.first)
                census.add(bytes.second)
                if case .receiveFiller = try output.consume(UInt32(bytes.count)) { try receiveFiller() }
                worked = true
            } else if try !output.idle() {
                worked = true
            }
            if output.isOwed, xs_wait_poll(local.service, Int16(POLLIN), 0) & Int(POLLIN) != 0 {
                if try output.settleOwed() { try receiveFiller() }
                worked = true
            }
            if !worked, bell.sleep() {
                // An owed filler comes without a doorbell.
                _ = xs_wait_poll(local.doorbell, Int16(POLLIN), output.isOwed ? 100_000 : 20_000_000_000)
                var count: UInt64 = 0
                _ = read(local.doorbell, &count, 8)
                bell.wake()
            }
            bell.takePending { _ in }
        }
        return census
    }
}

extension StreamSocket {
    /// Whether neither lock is held.
    fileprivate var isQuiet: Bool { status.receiveLock.word.load() == 0 && status.sendLock.word.load() == 0 }
}
