import XenSockRing
import XenSockWire

/// The local platform below a socket of `draft1` or `pvcalls1`: its port's status line and placeholder
/// (docs/PROTOCOL.md, 3.5). What the frontend sends as the dialect's events comes in by `V1Socket.notified`; towards it
/// an event is what the placeholder shows.
final class LocalChannel<Kernel: SocketKernel>: V1Channel {
    let kernel: Kernel
    let epoll: Int32
    let arena: SessionArena<Kernel>
    let port: UInt32
    let placeholderData: UInt64
    /// The service's end of the placeholder; -1 after the hang-up. Owned.
    private(set) var placeholder: Int32
    private let status: PortStatus
    private let input: InReadiness
    private let output: OutReadiness
    /// How many POLLs of a listener were answered with a connection; what the frontend has used of them it says itself.
    private var arrivals: UInt32 = 0
    private let arrivalsWord: SharedWord32
    private let acceptedWord: SharedWord32
    /// Fillers that are on their way and must be received when they come, beyond the OWE of the word.
    private var fillerDebt = 0
    private var watchesFiller = false
    private var isClosed = false

    /// - Parameter placeholder: taken over.
    init(
        kernel: Kernel, epoll: Int32, arena: SessionArena<Kernel>, port: UInt32, placeholder: Int32,
        placeholderData: UInt64
    ) {
        self.kernel = kernel
        self.epoll = epoll
        self.arena = arena
        self.port = port
        self.placeholder = placeholder
        self.placeholderData = placeholderData
        status = arena.status(port)
        let line = status.base
        input = InReadiness(line + StatusLine.inReadiness)
        output = OutReadiness(line + StatusLine.outReadiness)
        arrivalsWord = SharedWord32(line + StatusLine.arrivals)
        acceptedWord = SharedWord32(line + StatusLine.accepted)
    }

    /// Begins to watch for the hang-up and shows the socket to the frontend.
    ///
    /// - Returns: 0 or a negative errno; then the placeholder is still the caller's.
    func open() -> Int32 {
        let events = EpollEvents.readHangup | EpollEvents.edge
        let result = kernel.epollAdd(epoll, placeholder, events: events, data: placeholderData)
        guard result == 0 else { return result }
        input.store(0)
        output.store(0)
        arrivalsWord.store(0)
        arena.liveSockets += 1
        status.open(domain: SocketDomain.inet, type: SocketType.stream, state: .open)
        return 0
    }

    // MARK: V1Channel

    func map(_ ring: RingReference, _ pages: Draft1Pages, _ eventChannel: EventChannelPort) -> V1Mapping? {
        guard eventChannel.rawValue == port, !isClosed else { return nil }
        // The arena is mapped as a whole: nothing is to be given back.
        switch ring {
        case .indexesPage(let reference):
            guard let indexes = arena.page(reference.rawValue), let (base, layout) = arena.dataRing(indexes: indexes)
            else { return nil }
            let half = UInt32(truncatingIfNeeded: layout.inSize)
            return V1Mapping(ring: V1Ring(indexes: indexes, data: base, half: half)) {}
        case .pages:
            let references = (0..<Draft1.pages).lazy.map { pages.references[$0].rawValue }
            guard let base = arena.run(references) else { return nil }
            return V1Mapping(ring: V1Ring(draft1: base)) {}
        }
    }

    func published(isEmpty: () -> Bool) throws(RingViolation) {
        if try input.arm(edge: status.isEdgeTriggered, isEmpty: isEmpty) { sendToken() }
    }

    func consumed(hasRoom: Bool) throws(RingViolation) {
        if hasRoom { settle(try output.drain()) }
    }

    func look(isEmpty: () -> Bool, hasRoom: Bool) throws(RingViolation) {
        let isQuiet = isEmpty() && hasNoArrival
        if !isQuiet, try input.arm(edge: false, isEmpty: { isEmpty() && hasNoArrival }) { sendToken() }
        if hasRoom { settle(try output.drain()) }
    }

    func show(_ state: StatusLine.State, error: Int32) {
        if error != 0 { status.setError(error) }
        status.setState(state)
    }

    func announceArrival() throws(RingViolation) {
        arrivals &+= 1
        arrivalsWord.storeOrdered(arrivals)
        try published(isEmpty: { hasNoArrival })
    }

    func losePoll() throws(RingViolation) {
        _ = try input.set(ReadinessFlag.pollLost)
        try published(isEmpty: { false })
    }

    private var hasNoArrival: Bool {
        acceptedWord.loadOrdered() == arrivals && input.load() & ReadinessFlag.pollLost == 0
    }

    func endInput() {
        if placeholder >= 0 { _ = kernel.shutdown(placeholder, how: ShutdownHow.write) }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        closePlaceholder()
        input.store(0)
        output.store(0)
        arrivalsWord.store(0)
        status.free(nextGeneration: arena.nextGeneration(port))
        arena.liveSockets -= 1
    }

    // MARK: The placeholder

    private func sendToken() { _ = kernel.sendToken(placeholder) }

    /// Does to the placeholder what a change of the word for `out` asks for.
    private func settle(_ drain: OutRingBack.Drain) {
        guard placeholder >= 0 else { return }
        switch drain {
        case .nothing: break
        case .receiveFiller:
            if kernel.receiveFiller(placeholder) < 0 {
                fillerDebt += 1
                watchFiller(true)
            }
        case .owesFiller: watchFiller(true)
        }
    }

    /// A filler may have come.
    func fillerEvent() throws(RingViolation) {
        guard watchesFiller, placeholder >= 0 else { return }
        while fillerDebt > 0, kernel.receiveFiller(placeholder) > 0 { fillerDebt -= 1 }
        if fillerDebt == 0, output.isOwed, kernel.poll(placeholder, .input).contains(.input) {
            if try output.settleOwed(), kernel.receiveFiller(placeholder) < 0 { fillerDebt += 1 }
        }
        if fillerDebt == 0, !output.isOwed { watchFiller(false) }
    }

    private func watchFiller(_ wanted: Bool) {
        guard watchesFiller != wanted, placeholder >= 0 else { return }
        watchesFiller = wanted
        let events = EpollEvents.readHangup | EpollEvents.edge | (wanted ? EpollEvents.input : 0)
        _ = kernel.epollModify(epoll, placeholder, events: events, data: placeholderData)
    }

    /// Whether the last copy of the program's end is closed. In these dialects the service never shuts both directions,
    /// and the library no direction of the program's end, so a hang-up is that.
    func isHangup(_ events: UInt32) -> Bool { events & (EpollEvents.hangup | EpollEvents.error) != 0 }

    /// Looks now.
    func isHungUp() -> Bool {
        guard placeholder >= 0 else { return true }
        let events = kernel.poll(placeholder, .readHangup)
        return isHangup(UInt32(UInt16(bitPattern: events.rawValue)))
    }

    func closePlaceholder() {
        guard placeholder >= 0 else { return }
        // The frontend may have kept a copy of our end, which would keep the watch alive.
        kernel.epollDelete(epoll, placeholder)
        kernel.closePlaceholder(placeholder)
        placeholder = -1
    }

    // MARK: Death of a holder (docs/PROTOCOL.md, 3.4)

    /// The holder of the receive lock died. Called before the lock is free.
    func settleDeadReader() throws(RingViolation) {
        guard placeholder >= 0 else { return }
        if try !input.set(ReadinessFlag.unsettled) { sendToken() }
    }

    /// The holder of the send lock died; nobody sends until the lock is free.
    func settleDeadSender(hasRoom: Bool) throws(RingViolation) {
        guard placeholder >= 0 else { return }
        if output.isFillerUnsettled {
            var count = 0
            while kernel.receiveFiller(placeholder) > 0 {
                count += 1
                guard count < BackendSocket<Kernel>.maximumFillers else { throw RingViolation() }
            }
            fillerDebt = 0
            try output.forgetFillers()
            watchFiller(false)
        } else if hasRoom {
            settle(try output.drain())
        }
    }
}
