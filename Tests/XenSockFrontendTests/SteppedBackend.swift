import XenSockPlatform
import XenSockTestSupport
import XenSockWire

@testable import XenSockRing

/// The backend's side of one socket, one thing at a time. Between a change of a word and what it then does to the
/// placeholder others can run, as in the real service; what it does in a row it does in order.
final class SteppedBackend {
    var input: InRingBack
    var output: OutRingBack
    let placeholder: InMemoryPlaceholder
    let edge: () -> Bool
    /// What the peer has sent, and how much of it is in the ring.
    let inbound = PatternStream(salt: 1)
    var inboundLength = 0
    private(set) var delivered = 0
    /// EOF follows what the peer has sent.
    var finishes = false
    private(set) var finished = false
    /// What the peer got.
    let outbound = PatternStream(salt: 2)
    private(set) var taken = 0
    private(set) var mismatch: String?
    /// The peer takes no more when this is false.
    var peerReads = true

    /// What is to be done next, in order, before anything else.
    private enum Duty { case sendToken, receiveFiller, shutPlaceholder }
    private var duties: [Duty] = []
    private(set) var isStalled = false
    private(set) var isIdle = false

    init(
        memory: UnsafeMutableRawPointer, half: UInt32, placeholder: InMemoryPlaceholder, origin: UInt32,
        edge: @escaping () -> Bool
    ) {
        let data = memory + 4096
        input = InRingBack(indexes: memory, data: data, size: half, startingAt: origin)
        output = OutRingBack(indexes: memory, data: data + Int(half), size: half, startingAt: origin)
        self.placeholder = placeholder
        self.edge = edge
    }

    /// Tokens counted and not sent yet.
    var tokensDue: Int { duties.count { $0 == .sendToken } }
    /// Fillers released by the ring and not received yet.
    var fillersDue: Int { duties.count { $0 == .receiveFiller } }

    /// The port's event: whoever rang wants both directions looked at.
    func doorbell() {
        isStalled = false
        isIdle = false
    }

    /// Does one thing that can be done, chosen by `random`. Returns false if there is none.
    func step(_ random: inout SeededGenerator) throws -> Bool {
        if !duties.isEmpty {
            try fulfil(duties.removeFirst())
            return true
        }
        var enabled: [Action] = []
        if !finished, !isStalled, delivered < inboundLength { enabled.append(.produce) }
        if finishes, !finished, delivered == inboundLength { enabled.append(.finish) }
        if peerReads, !isIdle { enabled.append(.consume) }
        if output.isOwed, placeholder.unread(at: .service) > 0 { enabled.append(.settle) }
        if enabled.isEmpty { return false }
        switch enabled[random.below(enabled.count)] {
        case .produce: try produce(&random)
        case .finish: try finish()
        case .consume: try consume(&random)
        case .settle: if try output.settleOwed() { duties.append(.receiveFiller) }
        }
        return true
    }

    private enum Action { case produce, finish, consume, settle }

    private func fulfil(_ duty: Duty) throws {
        switch duty {
        case .sendToken: _ = placeholder.send(from: .service, 1)
        case .receiveFiller:
            let got = placeholder.receive(at: .service, LocalDomain.fillerSize)
            if got != LocalDomain.fillerSize { mismatch = "a filler of \(got) bytes" }
        case .shutPlaceholder: placeholder.shutdown(.service, reading: false, writing: true)
        }
    }

    private func produce(_ random: inout SeededGenerator) throws {
        let wanted = random.oneIn(3) ? Int(input.size) : 1 + random.below(Int(input.size))
        let space = try input.free(limit: UInt32(min(wanted, inboundLength - delivered)))
        if space.count == 0 {
            isStalled = try input.stall()
            return
        }
        let bytes = inbound.bytes(delivered..<delivered + space.count)
        space.first.copyBytes(from: bytes.prefix(space.first.count))
        space.second.copyBytes(from: bytes.dropFirst(space.first.count))
        delivered += space.count
        if try input.publish(UInt32(space.count), edge: edge()) { duties.append(.sendToken) }
    }

    private func finish() throws {
        finished = true
        if try input.publishEndOfFile() { duties.append(.sendToken) }
        duties.append(.shutPlaceholder)
    }

    private func consume(_ random: inout SeededGenerator) throws {
        let waiting = try output.waiting()
        if waiting == 0 {
            isIdle = try output.idle()
            return
        }
        let bytes = output.bytes(waiting, limit: UInt32(1 + random.below(Int(waiting))))
        let found = Array(bytes.first) + Array(bytes.second)
        if found != outbound.bytes(taken..<taken + found.count) { mismatch = "wrong bytes sent at \(taken)" }
        taken += found.count
        if case .receiveFiller = try output.consume(UInt32(found.count)) { duties.append(.receiveFiller) }
    }

    /// Nothing more can be sent: BROKEN.
    func breakDown() throws {
        if case .receiveFiller = try output.breakDown() { duties.append(.receiveFiller) }
    }

    /// A connect is decided, either way.
    func decideConnect() throws {
        if case .receiveFiller = try output.decideConnect() { duties.append(.receiveFiller) }
    }

    /// The service dies.
    func die() {
        placeholder.close(.service)
        duties = []
        peerReads = false
        isStalled = true
    }
}
