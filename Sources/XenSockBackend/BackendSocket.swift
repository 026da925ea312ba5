import XenSockRing
import XenSockWire

/// Where a socket stands. The status line shows the same to the frontend, without the two last.
enum SocketPhase {
    case open
    case connecting
    case connected
    /// A datagram or raw socket, from SOCKET on.
    case datagram
    case listening
    /// An asynchronous connect failed; it may be tried again.
    case failed
    /// The connection broke; only the hang-up comes after this.
    case reset
    /// The program is gone; what it wrote is still sent.
    case draining
    /// Everything was given back.
    case gone
}

/// One socket of a frontend: the real socket, the data ring and the service's end of the placeholder, and the state
/// machine between them (docs/PROTOCOL.md, 2.2 and 2.3).
///
/// It takes events and requests, makes system calls through `kernel`, and never waits. It says what it wants in
/// `wantsTurn` and `phase`; the reactor looks there after every call. It belongs to the service, not to a session:
/// only the hang-up of the placeholder ends it.
final class BackendSocket<Kernel: SocketKernel> {
    /// Bytes moved at most in one direction in one turn, so that no socket starves another.
    static var budget: UInt32 { 128 * 1024 }
    /// Requests that wait for their place in the stream, at most.
    static var maximumDeferred: Int { 64 }
    /// Fillers that can lie in a placeholder, at most, with room to spare.
    static var maximumFillers: Int { 64 }
    /// How long bytes left behind by a program are offered to a peer that takes none, in nanoseconds.
    static var drainLimit: UInt64 { 60_000_000_000 }

    let kernel: Kernel
    let epoll: Int32
    let arena: SessionArena<Kernel>
    let port: UInt32
    let cookie: UInt64
    let domain: UInt32
    let type: UInt32
    /// The indexes page, and the port's status line; a copy once the arena's memory is gone (`leaveMemory`).
    var indexes: UnsafeMutableRawPointer
    var status: PortStatus
    /// What epoll gives back for the real socket and for the placeholder.
    let networkData: UInt64
    let placeholderData: UInt64

    /// The real socket; -1 for a resolver, and after it was closed.
    var network: Int32
    /// The service's end of the placeholder; -1 after the hang-up.
    var placeholder: Int32
    /// The data ring's pages, in the arena.
    var mapping: UnsafeMutableRawPointer?
    var inRing: InRingBack
    var outRing: OutRingBack
    var layout: DataRingLayout?
    var resolver: ResolverExchange?
    /// The placeholder carries the stream's own bytes.
    var relay: Relay?
    /// RELAY was asked for before the connection stood.
    var isRelayWanted = false
    /// On Xen, where the placeholder's other end is: the agent moves the bytes between it and the ring.
    var agentRelay: AgentRelay?
    var datagrams: DatagramTraffic?
    var bufferLimits = BufferLimits()

    var phase = SocketPhase.open
    /// The kernel may have data, or room; cleared by a short count or EAGAIN, set by an edge.
    var readable = false
    var writable = false
    /// The peer's FIN or RST was announced: a short count does not mean that the kernel has nothing more to say.
    var trustsShortReads: Bool
    var isWatched = false
    /// EOF stands in the ring.
    var endOfFile = false
    /// The program shut the read side down: EOF is not the peer's, and what it still sends can be read.
    var isReadShut = false
    /// Nothing more is taken from `out`.
    var outClosed = false
    /// Sending failed: the end of `in` is the end of the socket.
    var isBroken = false
    /// The service's end of the placeholder was shut down for writing, so its HUP means nothing any more.
    var placeholderShut = false
    /// Fillers that are on their way and must be received when they come, beyond the OWE of the ring.
    var fillerDebt = 0
    var watchesFiller = false
    /// The next turn looks whether a watched filler is there.
    var looksForFiller = false
    var deferred: [DeferredRequest] = []
    /// The seconds of SO_LINGER; nil while it is off. And whether it was ever set.
    var lingerSeconds: Int32?
    var hasSetLinger = false
    /// SO_RCVLOWAT in bytes, at least 1.
    var lowWater: UInt32 = 1
    /// The last urgent byte and its place in `in`, while the service has not read beyond it; and SO_OOBINLINE.
    var urgent: (byte: UInt8, mark: UInt32)?
    var isUrgentInline = false
    /// Where `out` ends for a draining socket, and when it last moved.
    var drainEnd: UInt32 = 0
    var lastProgress: UInt64 = 0
    /// Until when the program's close(2) may wait for the peer's acknowledgement; and whether the kernel has it all.
    var lingerEnd: UInt64?
    var isAwaitingPeer = false

    /// There is work: call `turn` soon. The reactor clears it.
    var wantsTurn = false
    /// In the reactor's list of sockets with work.
    var isQueued = false
    /// What the frontend did against the protocol, to be logged once.
    var violation: String?
    /// The sessions that know the socket, and by which id.
    var references: [SocketReference] = []
    /// Indexes of the two sources in the reactor's table.
    var networkSource: UInt32 = 0
    var placeholderSource: UInt32 = 0
    // The reactor's: in its list of draining sockets, out of the tables of names, out of everything.
    var isDraining = false
    var isDetached = false
    var isRemoved = false
    /// The program may still look at the ring, and reads what came: the guest's end of the device closed, not the program.
    var leavesWords = false
    /// What it goes on with when the arena's memory is gone. Owned.
    var ownMemory: UnsafeMutableRawPointer?
    /// Bytes in it that are counted against the guest.
    var leftover = 0

    /// - Parameters:
    ///   - pair: the service's end, taken over.
    ///   - network: the real socket, taken over; -1 for a resolver.
    ///   - indexes: the indexes page, in the arena.
    init(
        kernel: Kernel, epoll: Int32, arena: SessionArena<Kernel>, port: UInt32, pair: PendingPort, network: Int32,
        domain: UInt32, type: UInt32, indexes: UnsafeMutableRawPointer, networkData: UInt64, placeholderData: UInt64
    ) {
        self.kernel = kernel
        self.epoll = epoll
        self.arena = arena
        self.port = port
        self.network = network
        self.domain = domain
        self.type = type
        self.indexes = indexes
        self.networkData = networkData
        self.placeholderData = placeholderData
        cookie = pair.cookie
        placeholder = pair.placeholder
        status = arena.status(port)
        inRing = InRingBack(indexes: indexes, data: indexes, size: 0)
        outRing = OutRingBack(indexes: indexes, data: indexes, size: 0)
        trustsShortReads = domain == SocketDomain.inet || domain == SocketDomain.inet6
    }

    deinit { ownMemory?.deallocate() }

    /// Shows the socket to the frontend and begins to watch for the hang-up.
    ///
    /// - Returns: 0 or a negative errno; then the caller takes the pair and the real socket back.
    func open() -> Int32 {
        let result = kernel.epollAdd(
            epoll, placeholder, events: EpollEvents.readHangup | EpollEvents.edge, data: placeholderData)
        guard result == 0 else { return result }
        arena.liveSockets += 1
        status.open(domain: domain, type: type, state: .open)
        return 0
    }

    /// Takes the data ring that the indexes page lists, and begins at index 0 in both directions.
    func mapDataRing() -> Bool {
        releaseDataRing()
        guard let (mapping, layout) = arena.dataRing(indexes: indexes, port: port) else { return false }
        self.mapping = mapping
        self.layout = layout
        inRing = InRingBack(
            indexes: indexes, data: mapping + layout.inOffset, size: UInt32(truncatingIfNeeded: layout.inSize))
        outRing = OutRingBack(
            indexes: indexes, data: mapping + layout.outOffset, size: UInt32(truncatingIfNeeded: layout.outSize))
        limitRings()
        return true
    }

    func releaseDataRing() {
        guard mapping != nil else { return }
        mapping = nil
        arena.releaseRing(port: port)
        inRing = InRingBack(indexes: indexes, data: indexes, size: 0)
        outRing = OutRingBack(indexes: indexes, data: indexes, size: 0)
    }

    /// Begins to watch the real socket, or looks again after it changed under the watch.
    func watchNetwork(_ events: UInt32) -> Int32 {
        let wanted = events | EpollEvents.edge
        if isWatched { return kernel.epollModify(epoll, network, events: wanted, data: networkData) }
        let result = kernel.epollAdd(epoll, network, events: wanted, data: networkData)
        isWatched = result == 0
        return result
    }

    static var streamEvents: UInt32 {
        EpollEvents.input | EpollEvents.output | EpollEvents.readHangup | EpollEvents.urgent
    }

    /// The real socket is ready.
    func networkEvent(_ events: UInt32) {
        guarded { () throws(RingViolation) in
            switch phase {
            case .connecting: try decideConnect(events)
            case .listening: try announceArrival()
            case .connected, .draining: try streamEvent(events)
            case .datagram: try datagramEvent(events)
            case .open, .failed, .reset, .gone: break
            }
        }
    }

    private func streamEvent(_ events: UInt32) throws(RingViolation) {
        let broken = EpollEvents.error | EpollEvents.hangup
        if events & EpollEvents.urgent != 0, phase == .connected { takeUrgent() }
        if events & (broken | EpollEvents.readHangup | EpollEvents.urgent) != 0 { trustsShortReads = false }
        if events & (broken | EpollEvents.readHangup | EpollEvents.urgent | EpollEvents.input) != 0 { readable = true }
        if events & (broken | EpollEvents.output) != 0 { writable = true }
        let isUnixEnd = domain == SocketDomain.unix && events & EpollEvents.hangup != 0
        if isUnixEnd, phase == .connected, !outClosed, !isRelayed {
            // A TCP peer that has closed is found out by sending; one of AF_UNIX takes nothing more at once.
            try failSending(Errno.epipe)
        }
        if events & EpollEvents.error != 0, endOfFile, phase == .connected {
            // The peer had finished already, so no read will find this error.
            let error = takeNetworkError()
            if error != 0 {
                if let relay { return failReading(relay, error) }
                try breakConnection(error)
            }
        }
        wantsTurn = true
    }

    /// The port's pending bit was set: the frontend consumed or published.
    func doorbell() {
        wantsTurn = true
    }

    /// Moves bytes, at most `budget` in each direction.
    func turn() {
        guarded { () throws(RingViolation) in
            if looksForFiller {
                looksForFiller = false
                if placeholder >= 0 { try fillerEvent() }
            }
            if resolver != nil { return try resolverTurn() }
            if let relay { return relayTurn(relay) }
            switch phase {
            case .connected:
                try receiveTurn()
                if phase == .connected { try transmitTurn() }
            case .draining:
                if datagrams != nil { try drainDatagrams() } else { try transmitTurn() }
            case .datagram:
                try datagramTurn()
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

    /// The frontend broke the protocol: the connection is aborted, and the placeholder shows it. The port is free when
    /// the program has closed.
    func violate(_ reason: String) {
        if violation == nil { violation = reason }
        if phase == .draining || phase == .gone || isRelayed {
            if phase != .gone { finish(abort: true) }
            return
        }
        closeNetwork(abort: true)
        resolver = nil
        deferred = []
        endOfFile = true
        outClosed = true
        phase = .reset
        status.setError(Errno.eio)
        status.setState(.reset)
        // The byte marks the end: while it is unread the program's end is open (`isHangup`).
        _ = kernel.sendToken(placeholder)
        shutPlaceholder(ShutdownHow.both)
    }

    func takeNetworkError() -> Int32 {
        var error: Int32 = 0
        var length: UInt32 = 4
        let result = kernel.getsockopt(
            network, level: OptionNumber.solSocket, name: OptionNumber.soError, value: &error, length: &length)
        return result < 0 ? 0 &- result : error
    }
}

/// A session's name for a socket.
struct SocketReference {
    let session: UInt32
    let id: UInt64
}
