import XenSockRing
import XenSockWire

/// One socket of a frontend that speaks `draft1` or `pvcalls1`: the real socket, the data ring, requests that are held,
/// and the state machine between them (docs/PROTOCOL.md, 5.4 to 5.10).
///
/// Like `BackendSocket` it takes events and requests, makes system calls through `kernel`, and never waits. It knows
/// nothing of the platform but `V1Channel`. Answers to held requests are left in `answers`; the caller sends them before
/// it answers the request at hand.
final class V1Socket<Kernel: SocketKernel> {
    enum Phase {
        case open
        case bound
        case connecting
        case connected
        case listening
        /// A connect failed; it may be tried again.
        case failed
        /// The frontend broke the protocol; only the release comes after this.
        case broken
        /// Released; what was taken from `out` is still sent.
        case draining
        case gone
    }

    /// A request that is answered later, and who sent it.
    struct Held {
        let request: IncomingRequest
        let session: UInt32
    }

    struct HeldAccept {
        let held: Held
        let socket: V1Socket
        let mapping: V1Mapping
    }

    struct Answer {
        let session: UInt32
        let response: Response
    }

    /// Bytes moved at most in one direction in one turn, so that no socket starves another.
    static var budget: UInt32 { 128 * 1024 }
    /// How long bytes left behind are offered to a peer that takes none, in nanoseconds.
    static var drainLimit: UInt64 { 60_000_000_000 }

    let kernel: Kernel
    let epoll: Int32
    let dialect: Dialect
    let channel: any V1Channel
    /// What epoll gives back for the real socket.
    let networkData: UInt64

    /// The real socket; -1 before SOCKET, CONNECT, BIND or ACCEPT made one, and after it was closed.
    var network: Int32 = -1
    var phase = Phase.open
    var mapping: V1Mapping?
    /// The indexes that this side writes, never read back.
    var produced: UInt32 = 0
    var consumed: UInt32 = 0
    /// What stands in in_error and out_error.
    var inError: Int32 = 0
    var outError: Int32 = 0
    var readable = false
    var writable = false
    var trustsShortReads = true
    var isWatched = false
    /// What BIND answered, for LISTEN: Linux's frontend does not look.
    var bindError: Int32 = 0

    var connectRequest: Held?
    var acceptRequest: HeldAccept?
    var pollRequest: Held?
    /// The listener whose ACCEPT will make this socket.
    weak var listener: V1Socket?
    var answers: [Answer] = []

    /// What the frontend left in `out`, and how much of it was sent.
    var leftover: UnsafeMutableRawBufferPointer?
    var leftoverSent = 0
    var lastProgress: UInt64 = 0

    /// There is work: call `turn` soon. The reactor clears it.
    var wantsTurn = false
    /// What the frontend did against the protocol, to be logged once.
    var violation: String?

    /// - Parameter channel: kept until `gone`.
    init(kernel: Kernel, epoll: Int32, dialect: Dialect, channel: any V1Channel, networkData: UInt64) {
        self.kernel = kernel
        self.epoll = epoll
        self.dialect = dialect
        self.channel = channel
        self.networkData = networkData
    }

    deinit { leftover?.deallocate() }

    // MARK: Events

    /// The real socket is ready.
    func networkEvent(_ events: UInt32) {
        guarded { () throws(RingViolation) in
            switch phase {
            case .connecting: try decideConnect(events)
            case .listening: try serveArrivals()
            case .connected, .draining: streamEvent(events)
            case .open, .bound, .failed, .broken, .gone: break
            }
        }
    }

    private func streamEvent(_ events: UInt32) {
        let broken = EpollEvents.error | EpollEvents.hangup
        if events & (broken | EpollEvents.readHangup) != 0 { trustsShortReads = false }
        if events & (broken | EpollEvents.readHangup | EpollEvents.input) != 0 { readable = true }
        if events & (broken | EpollEvents.output) != 0 { writable = true }
        wantsTurn = true
    }

    /// The frontend's event: it consumed, published, or asks to look again.
    func notified() {
        wantsTurn = true
        guarded { () throws(RingViolation) in
            try channel.look(isEmpty: { isInputEmpty }, hasRoom: try hasRoom())
        }
    }

    /// Moves bytes, at most `budget` in each direction.
    func turn() {
        guarded { () throws(RingViolation) in
            switch phase {
            case .connected:
                try receiveTurn()
                if phase == .connected { try transmitTurn() }
            case .draining:
                drainTurn()
            default:
                break
            }
        }
    }

    /// Runs a step; what the frontend did against the protocol ends the socket, and only that.
    func guarded(_ body: () throws(RingViolation) -> Void) {
        do {
            try body()
        } catch {
            violate("indexes beyond the ring")
        }
    }

    private func violate(_ reason: String) {
        if violation == nil { violation = reason }
        guard phase != .gone, phase != .broken, phase != .draining else { return }
        closeNetwork(abort: true)
        phase = .broken
        answerHeld(0 &- Errno.eio)
        setErrors(0 &- Errno.eio)
        channel.show(.reset, error: Errno.eio)
        try? channel.published(isEmpty: { false })
        try? channel.consumed(hasRoom: true)
    }

    // MARK: What both directions need

    /// Whether the frontend has nothing to read and no error to see.
    var isInputEmpty: Bool {
        guard let mapping else { return true }
        return mapping.ring.input.consumer.loadOrdered() == produced && inError == 0
    }

    /// Whether a program's write has room or gets an error.
    func hasRoom() throws(RingViolation) -> Bool {
        switch phase {
        case .broken: return true
        case .connected: break
        case .open, .bound, .connecting, .listening, .failed, .draining, .gone: return false
        }
        guard outError == 0, let output = mapping?.ring.output else { return true }
        let queued = try output.queued(produced: output.producer.loadOrdered(), consumed: consumed)
        return output.size - queued >= output.size / 2
    }

    /// Sets the error words that are not set yet.
    func setErrors(_ ret: Int32) {
        let word = WireError.toWire(ret, in: dialect)
        if inError == 0 {
            inError = word
            mapping?.ring.input.error.storeOrdered(UInt32(bitPattern: word))
        }
        if outError == 0 {
            outError = word
            mapping?.ring.output.error.storeOrdered(UInt32(bitPattern: word))
        }
    }

    func watchNetwork(_ events: UInt32) -> Int32 {
        let wanted = events | EpollEvents.edge
        if isWatched { return kernel.epollModify(epoll, network, events: wanted, data: networkData) }
        let result = kernel.epollAdd(epoll, network, events: wanted, data: networkData)
        isWatched = result == 0
        return result
    }

    static var streamEvents: UInt32 { EpollEvents.input | EpollEvents.output | EpollEvents.readHangup }

    func takeNetworkError() -> Int32 {
        var error: Int32 = 0
        var length: UInt32 = 4
        let result = kernel.getsockopt(
            network, level: OptionNumber.solSocket, name: OptionNumber.soError, value: &error, length: &length)
        return result < 0 ? 0 &- result : error
    }

    func setOption(_ level: Int32, _ name: Int32, _ value: Int32) {
        _ = withUnsafeBytes(of: value) { kernel.setsockopt(network, level: level, name: name, value: $0) }
    }

    func unmap() {
        mapping?.unmap()
        mapping = nil
        produced = 0
        consumed = 0
        inError = 0
        outError = 0
    }

    func answer(_ held: Held, _ ret: Int32) {
        answers.append(Answer(session: held.session, response: held.request.response(ret)))
    }
}
