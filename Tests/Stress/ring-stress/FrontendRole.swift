import CXenSockSystem
import XenSockFrontend
import XenSockPlatform
import XenSockTestSupport
import XenSockWire

/// The program's side: one thread receives, one sends, by every way of waiting.
struct FrontendRole {
    private let memory: SharedSocket
    private let placeholder: Int32
    private let doorbell: Int32
    private let seed: UInt64

    init(memory: SharedSocket, placeholder: Int32, doorbell: Int32, seed: UInt64) {
        self.memory = memory
        self.placeholder = placeholder
        self.doorbell = doorbell
        self.seed = seed
    }

    private func socket(thread: UInt32) -> StreamSocket<LocalDomain> {
        StreamSocket(
            domain: LocalDomain(arena: memory.base, doorbell: doorbell), placeholder: placeholder,
            port: SharedSocket.port, status: SocketStatus(line: memory.line), indexes: memory.indexes,
            tag: StatusLine.lock(session: 1, thread: thread))
    }

    /// Runs until both streams have passed. Returns the checksum of what came.
    func run() throws -> UInt64 {
        let sender = Worker { send() }
        let checksum = receive()
        try sender.join()
        return checksum
    }

    /// Whether poll(2) reports `events`, waiting for them or not.
    private func poll(_ events: Int32, wait: Bool) -> Bool {
        xs_wait_poll(placeholder, Int16(events), wait ? 20_000_000_000 : 0) > 0
    }

    private func receive() -> UInt64 {
        let socket = socket(thread: 10)
        let inbound = Pattern.inbound
        var random = SeededGenerator(seed: seed)
        var checksum = Checksum()
        var received = 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 300_000, alignment: 16)
        while true {
            let size = 1 + random.below(random.oneIn(2) ? 300_000 : 2000)
            var vector = iovec(iov_base: buffer.baseAddress, iov_len: size)
            let way = random.below(4)
            if way == 0, !poll(POLLIN, wait: true) { fail("not readable for 20 s after \(received)") }
            let promised = way == 1 && poll(POLLIN, wait: false)
            let flags = way == 0 || way == 1 ? MSG_DONTWAIT : way == 2 ? MSG_WAITALL : 0
            let result = socket.receive(&vector, 1, flags: Int32(flags))
            if result == 0 { break }
            if result == -Int(EAGAIN), way == 1, !promised { continue }
            if result < 0 { fail("receive, way \(way), returned \(result) after \(received)") }
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[0..<result])
            if !inbound.matches(bytes, at: received) { fail("wrong bytes near \(received) of in") }
            checksum.add(bytes)
            received += result
        }
        if received != SharedSocket.total { fail("\(received) bytes received") }
        return checksum.value
    }

    private func send() {
        let socket = socket(thread: 11)
        let outbound = Pattern.outbound
        var random = SeededGenerator(seed: seed ^ 0xffff)
        var sent = 0
        while sent < SharedSocket.total {
            let wanted = min(SharedSocket.total - sent, 1 + random.below(random.oneIn(2) ? 300_000 : 2000))
            let run = outbound.run(at: sent, limit: wanted)
            var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: run.baseAddress), iov_len: run.count)
            let waits = random.oneIn(2)
            let result = socket.send(&vector, 1, flags: waits ? 0 : Int32(MSG_DONTWAIT))
            if result == -Int(EAGAIN), !waits {
                if !poll(POLLOUT, wait: true) { fail("not writable for 20 s after \(sent)") }
                continue
            }
            if result <= 0 || (waits && result != run.count) { fail("send returned \(result) after \(sent)") }
            sent += result
        }
    }
}
