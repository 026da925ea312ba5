import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockTestSupport

/// The service's side: produces `in`, consumes `out`, sleeps on the doorbell.
struct BackendRole {
    private let placeholder: Int32
    private let doorbell: Int32
    private let bell: DoorbellBack
    private var input: InRingBack
    private var output: OutRingBack
    private var random: SeededGenerator
    private var produced = 0
    private var consumed = 0
    private var isStalled = false
    private var isIdle = false
    private var finished = false
    private let inbound = Pattern.inbound
    private let outbound = Pattern.outbound
    private var checksum = Checksum()

    init(memory: SharedSocket, placeholder: Int32, doorbell: Int32, seed: UInt64) {
        self.placeholder = placeholder
        self.doorbell = doorbell
        bell = DoorbellBack(arena: memory.base, ports: 64)
        input = InRingBack(indexes: memory.indexes, data: memory.input, size: SharedSocket.half)
        output = OutRingBack(indexes: memory.indexes, data: memory.output, size: SharedSocket.half)
        random = SeededGenerator(seed: seed)
    }

    /// Runs until both streams have passed. Returns the checksum of what came.
    mutating func run() throws(RingViolation) -> UInt64 {
        while consumed < SharedSocket.total || !finished {
            var worked = false
            if !finished, !isStalled { worked = try produce() || worked }
            if !isIdle { worked = try consume() || worked }
            if output.isOwed, standing() >= LocalDomain.fillerSize {
                if try output.settleOwed() { receiveFiller() }
                worked = true
            }
            if !worked { sleep() }
            bell.takePending { port in
                if port != SharedSocket.port { fail("an event of port \(port)") }
                isStalled = false
                isIdle = false
            }
        }
        return checksum.value
    }

    private mutating func produce() throws(RingViolation) -> Bool {
        if produced == SharedSocket.total {
            finished = true
            if try input.publishEndOfFile() { sendToken() }
            _ = Kernel.shutdown(placeholder, 1)
            return true
        }
        let wanted = min(SharedSocket.total - produced, 1 + random.below(random.oneIn(2) ? 200_000 : 600))
        let space = try input.free(limit: UInt32(wanted))
        if space.count == 0 {
            isStalled = try input.stall()
            return !isStalled
        }
        inbound.fill(space.first, at: produced)
        inbound.fill(space.second, at: produced + space.first.count)
        produced += space.count
        if try input.publish(UInt32(space.count), edge: false) { sendToken() }
        return true
    }

    private mutating func consume() throws(RingViolation) -> Bool {
        let waiting = try output.waiting()
        if waiting == 0 {
            isIdle = try output.idle()
            return !isIdle
        }
        let bytes = output.bytes(waiting, limit: UInt32(1 + random.below(random.oneIn(2) ? 200_000 : 600)))
        for run in [bytes.first, bytes.second] where run.count > 0 {
            let run = UnsafeRawBufferPointer(run)
            if !outbound.matches(run, at: consumed) { fail("wrong bytes near \(consumed) of out") }
            checksum.add(run)
            consumed += run.count
        }
        if case .receiveFiller = try output.consume(UInt32(bytes.count)) { receiveFiller() }
        return true
    }

    private func sendToken() {
        var byte: UInt8 = 0
        if Kernel.send(placeholder, &byte, 1, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) != 1 {
            fail("a token does not go out")
        }
    }

    private func receiveFiller() {
        withUnsafeTemporaryAllocation(byteCount: LocalDomain.fillerSize, alignment: 8) { buffer in
            let got = Kernel.receive(placeholder, buffer.baseAddress!, LocalDomain.fillerSize, Int32(MSG_DONTWAIT))
            if got != LocalDomain.fillerSize { fail("a filler of \(got) bytes") }
        }
    }

    private func standing() -> Int {
        var count: Int32 = 0
        _ = Kernel.ioctl(placeholder, UInt(FIONREAD), &count)
        return Int(count)
    }

    private func sleep() {
        guard bell.sleep() else { return }
        var count: UInt64 = 0
        var entries = [
            pollfd(fd: doorbell, events: Int16(POLLIN), revents: 0),
            pollfd(fd: placeholder, events: output.isOwed ? Int16(POLLIN) : 0, revents: 0),
        ]
        let ready = poll(&entries, 2, 20_000)
        if ready <= 0 { fail("no event for 20 s: \(produced) produced, \(consumed) consumed") }
        if entries[0].revents != 0 { _ = read(doorbell, &count, 8) }
        if entries[1].revents & Int16(POLLHUP) != 0, !finished { fail("the frontend is gone") }
        bell.wake()
    }
}
