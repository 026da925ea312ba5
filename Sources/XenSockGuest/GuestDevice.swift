import CXenSockSystem
import Glibc
import Logging
import XenSockRing
import XenSockWire
import XenSockXen

/// The guest's one PV Calls device: XenBus's frontend (docs/PROTOCOL.md, 5.1 to 5.3).
///
/// It finds the device, waits for one, connects, and connects again whenever the backend comes back, the toolstack makes
/// the device anew, or the guest was resumed. No thread of its own: whoever uses it watches ``descriptor`` for input and
/// calls ``handle()``, always in one thread.
public final class GuestDevice {
    /// Readable when there is something to do. Owned by this object.
    public var descriptor: Int32 { poller.descriptor }
    /// Called when the device is connected. Set `notified` and `ended` of the connection then.
    public var connected: (GuestConnection) -> Void = { _ in }
    /// The connection, while there is one.
    public private(set) var connection: GuestConnection?
    /// What the backend offered when it was last asked; nil before. Known before the device is connected.
    public private(set) var dialect: Dialect?

    /// Whether sessions are wanted where the backend has them; without, the dialect is always `pvcalls1`.
    public var wantsSessions: Bool
    private let platform: XenPlatform
    private let log: Logger
    private let poller: Poller

    private var handles: Handles?
    private var phase = Phase.absent
    private var directory = ""
    private var backendDirectory = ""
    private var backend = DomainID.control
    /// The state that was last written.
    private var state = XenBusState.unknown
    private var isWaitingReported = false
    private var lastError = ""
    private var failures: UInt64 = 0
    private var connectedAt: UInt64 = 0

    /// XenStore and event channels of /dev/xen, as they were opened together: after a resume all are new.
    private struct Handles {
        let store: any XenStore
        let channels: any EventChannels
    }

    private enum Phase {
        /// There is no device, or no /dev/xen.
        case absent
        /// Initialising since a time: the backend is to publish.
        case waiting(since: UInt64)
        /// Initialised: the backend is to map.
        case offered(GuestConnection)
        case connected
        /// Closing, until the backend has answered or this time has come.
        case closing(until: UInt64)
        /// Closed since a time, not to be left before another.
        case closed(since: UInt64, until: UInt64)
    }

    private enum Number {
        static let store: UInt64 = 0
        static let channels: UInt64 = 1
    }

    private static let second: UInt64 = 1_000_000_000
    /// How long a backend may take to answer Closing.
    private static let patience = 5 * second
    private static let kind = "device/\(Node.device)"

    /// Opens nothing yet: the first ``handle()`` does, for which ``descriptor`` is readable at once.
    ///
    /// - Throws: if the process has no descriptors left.
    public init(platform: XenPlatform, wantsSessions: Bool = true, log: Logger) throws(XenError) {
        guard let poller = Poller() else { throw XenError(call: "epoll_create1", errno: EMFILE) }
        self.platform = platform
        self.wantsSessions = wantsSessions
        self.log = log
        self.poller = poller
        poller.alarm(after: 0)
    }

    deinit { connection?.finish() }

    /// Does what there is to do. Does not wait, but for XenStore's answers.
    public func handle() {
        var mustLook = false
        poller.wait(0) { number, _ in
            switch number {
            case Number.store:
                while handles?.store.nextEvent() != nil { mustLook = true }
            case Number.channels: takeEvents()
            default: mustLook = true
            }
        }
        var looks = 0
        while mustLook, looks < 16 {
            look()
            looks += 1
            // What came with XenStore's answers is kept by its connection, whose descriptor does not tell.
            mustLook = false
            while handles?.store.nextEvent() != nil { mustLook = true }
        }
        if mustLook { poller.alarm(after: 0) }
    }

    private func takeEvents() {
        guard let channels = handles?.channels else { return }
        // A hostile backend notifies without end; the others have their turn too.
        for _ in 0..<256 {
            guard let port = channels.nextPending() else { return }
            channels.unmask(port)
            connection?.take(port)
        }
    }

    /// Ends the connection in order. Waits for the backend, a second at most.
    public func close() {
        guard handles != nil else { return }
        endConnection()
        if case .absent = phase { return }
        write(.closing)
        let end = monotonicTime() &+ Self.second
        while monotonicTime() < end, let other = try? backendState(), other.rawValue < XenBusState.closing.rawValue {
            var entry = pollfd(fd: handles?.store.descriptor ?? -1, events: Int16(POLLIN), revents: 0)
            poll(&entry, 1, 20)
            while handles?.store.nextEvent() != nil {}
        }
        write(.closed)
        phase = .absent
        forget()
    }

    // MARK: Looking

    private func look() {
        do throws(XenError) {
            if handles == nil { try open() }
            guard try find() else { return }
            try step(try backendState())
        } catch {
            failed(error)
        }
    }

    private func open() throws(XenError) {
        let store = try platform.store()
        let channels = try platform.channels()
        try store.watch(Self.kind, token: "device")
        handles = Handles(store: store, channels: channels)
        guard poller.add(store.descriptor, Number.store, EPOLLIN.rawValue),
            poller.add(channels.descriptor, Number.channels, EPOLLIN.rawValue)
        else { throw XenError(call: "epoll_ctl", errno: errno) }
    }

    /// Closes everything of /dev/xen.
    private func forget() {
        guard let handles else { return }
        poller.remove(handles.store.descriptor)
        poller.remove(handles.channels.descriptor)
        self.handles = nil
        directory = ""
        backendDirectory = ""
        state = .unknown
    }

    /// XenStore or a device of /dev/xen failed: all are opened anew, later.
    private func failed(_ error: XenError) {
        if error.description != lastError { log.error("\(error)") }
        lastError = error.description
        endConnection()
        phase = .absent
        forget()
        retryLater()
    }

    /// Seconds until the next attempt: 1, 2, 4 and so on, 30 at most.
    private func retryLater() {
        poller.alarm(after: pause())
    }

    private func pause() -> UInt64 {
        failures += 1
        return min(30, 1 << min(failures - 1, 5)) * Self.second
    }

    /// Finds the device, and whether it is still the one that was found before.
    ///
    /// - Returns: whether there is one.
    private func find() throws(XenError) -> Bool {
        guard let store = handles?.store else { return false }
        let numbers = try store.list(Self.kind) ?? []
        guard let number = numbers.compactMap({ UInt32($0) }).min(),
            let path = try store.read("\(Self.kind)/\(number)/\(Node.backend)"),
            let domain = try store.read("\(Self.kind)/\(number)/\(Node.backendID)").flatMap({ UInt16($0) })
        else {
            if !directory.isEmpty { log.warning("the device is gone") }
            vanish()
            if !isWaitingReported {
                isWaitingReported = true
                log.notice(
                    "no \(Self.kind)/<n> in XenStore: waiting for one (pvcalls=[\"backend=0\"] in the guest's xl.cfg, or \"xensock attach\" in the backend domain)"
                )
            }
            return false
        }
        let found = "\(Self.kind)/\(number)"
        let own = try state(store.read("\(found)/\(Node.state)"))
        if found == directory, path == backendDirectory, domain == backend.rawValue, own == state { return true }
        if !directory.isEmpty {
            // Made anew by the toolstack, or the guest was resumed: then nothing of before is worth anything.
            log.warning("the device was made anew")
            // One that a toolstack takes away says goodbye: without it, this is another life of the domain.
            platform.resumed()
            vanish()
            forget()
            try open()
        }
        isWaitingReported = false
        try begin(found, path, DomainID(domain), own)
        return true
    }

    private func vanish() {
        endConnection()
        phase = .absent
        if let store = handles?.store, !backendDirectory.isEmpty {
            try? store.unwatch("\(backendDirectory)/\(Node.state)", token: "backend")
        }
        directory = ""
        backendDirectory = ""
    }

    private func begin(
        _ found: String, _ path: String, _ domain: DomainID, _ own: XenBusState
    ) throws(XenError) {
        guard let store = handles?.store else { return }
        try store.watch("\(path)/\(Node.state)", token: "backend")
        directory = found
        backendDirectory = path
        backend = domain
        state = own
        log.debug("found \(found), backend \(path)")
        switch own {
        case .initialising: phase = .waiting(since: monotonicTime())
        case .closed: phase = .closed(since: 0, until: 0)
        case .unknown:
            write(.initialising)
            phase = .waiting(since: monotonicTime())
        default:
            // Whoever wrote that is dead; the backend may still map its pages.
            write(.closed)
            phase = .closed(since: monotonicTime(), until: 0)
        }
    }

    private func backendState() throws(XenError) -> XenBusState {
        guard let store = handles?.store, !backendDirectory.isEmpty else { return .unknown }
        return state(try store.read("\(backendDirectory)/\(Node.state)"))
    }

    private func state(_ value: String?) -> XenBusState {
        value.flatMap { UInt32($0) }.flatMap { XenBusState(rawValue: $0) } ?? .unknown
    }

    // MARK: The state machine (docs/PROTOCOL.md, 5.2)

    private func step(_ other: XenBusState) throws(XenError) {
        switch phase {
        case .absent: break
        case .waiting(let start):
            switch other {
            case .initWait: try offer()
            case .closing: reset("the backend closes")
            case .closed:
                // It has not seen our state yet; or it has, and failed: ask again now and then.
                let now = monotonicTime()
                if now &- start >= Self.second {
                    write(.initialising)
                    phase = .waiting(since: now)
                }
                poller.alarm(after: 2 * Self.second)
            default: break
            }
        case .offered(let connection):
            switch other {
            case .connected: establish(connection)
            case .closing, .closed:
                connection.finish()
                reset("the backend refuses: \(backendError)")
            default: break
            }
        case .connected:
            if other != .connected { reset(other == .unknown ? "the backend is gone" : "the backend closes") }
        case .closing(let end):
            if other == .closing || other == .closed || monotonicTime() >= end {
                write(.closed)
                let now = monotonicTime()
                phase = .closed(since: now, until: now &+ pause())
                try step(other)
            } else {
                poller.alarm(after: end &- monotonicTime())
            }
        case .closed(let start, let end):
            let now = monotonicTime()
            if now < end { return poller.alarm(after: end &- now) }
            switch other {
            case .closed: try returnIfOnline()
            // Either it is about to see that this side closed, or it has begun anew without seeing it.
            case .initWait where now &- start >= Self.second: try returnIfOnline()
            case .initWait: poller.alarm(after: Self.second)
            default: break
            }
        }
    }

    private var backendError: String {
        guard let store = handles?.store, let text = try? store.read("\(backendDirectory)/\(Node.error)") else {
            return "no error in \(backendDirectory)"
        }
        return text
    }

    private func returnIfOnline() throws(XenError) {
        guard let store = handles?.store else { return }
        guard try store.read("\(backendDirectory)/\(Node.online)") != "0" else { return }
        write(.initialising)
        phase = .waiting(since: monotonicTime())
        try step(try backendState())
    }

    /// Leaves whatever there was for Closed.
    private func reset(_ reason: String) {
        log.warning("the device closes: \(reason)")
        endConnection()
        write(.closed)
        let now = monotonicTime()
        // One that closes as soon as it connects is not asked again at once.
        let isStable = connectedAt > 0 && now &- connectedAt >= Self.second
        if isStable { failures = 0 }
        phase = .closed(since: now, until: isStable ? 0 : now &+ pause())
        connectedAt = 0
        // What the backend wrote meanwhile has an event of its own.
        poller.alarm(after: 0)
    }

    private func endConnection() {
        let ended = connection
        connection = nil
        if case .offered(let offered) = phase { offered.finish() }
        ended?.finish()
    }

    /// Publishes the command ring: Initialised.
    private func offer() throws(XenError) {
        guard let handles else { return }
        let store = handles.store
        let versions = try store.read("\(backendDirectory)/\(Node.versions)") ?? ""
        guard versions.split(separator: ",").contains("1") else {
            return refuse("the backend speaks versions \"\(versions)\", not 1")
        }
        let order = try store.read("\(backendDirectory)/\(Node.maximumPageOrder)").flatMap { UInt32($0) } ?? 1
        let calls = try store.read("\(backendDirectory)/\(Node.functionCalls)") == "1"
        let offers = try store.read("\(backendDirectory)/\(Node.featureXenSock2)") == "1"
        let dialect = offers && wantsSessions ? Dialect.xensock2 : .pvcalls1
        self.dialect = dialect
        let made: GuestConnection.Offer
        do throws(XenError) {
            let page = try platform.allocator.allocate(pages: 1, for: backend)
            let port = try handles.channels.bindUnbound(for: backend)
            made = GuestConnection.Offer(
                page: page, ring: CommandRingFront(page: page.base, layout: .pvcalls), port: port)
        } catch {
            return refuse("\(error)")
        }
        let connection = GuestConnection(
            made, dialect: dialect, backend: backend, maximumPageOrder: min(max(order, 1), 9), performsCalls: calls,
            allocator: platform.allocator, channels: handles.channels
        ) { [unowned self] in violated($0) }
        let reference = made.page.references[0]
        let directory = directory
        try store.transaction { (nodes) throws(XenError) in
            try nodes.write("\(directory)/\(Node.version)", "1")
            try nodes.write("\(directory)/\(Node.ringReference)", "\(reference)")
            try nodes.write("\(directory)/\(Node.port)", "\(made.port)")
            if dialect == .xensock2 {
                try nodes.write("\(directory)/\(Node.xensock2)", "1")
            } else {
                try nodes.remove("\(directory)/\(Node.xensock2)")
            }
            try nodes.remove("\(directory)/\(Node.error)")
        }
        phase = .offered(connection)
        write(.initialised)
    }

    private func establish(_ connection: GuestConnection) {
        phase = .connected
        write(.connected)
        connectedAt = monotonicTime()
        lastError = ""
        self.connection = connection
        log.info("connected to domain \(backend) (\(connection.dialect))")
        connected(connection)
    }

    /// A step of this side failed (5.2, rule 7).
    private func refuse(_ reason: String) {
        if reason != lastError { log.error("cannot connect: \(reason)") }
        lastError = reason
        report(reason)
        write(.closing)
        phase = .closing(until: monotonicTime() &+ Self.patience)
        poller.alarm(after: 0)
    }

    /// Ends the connection and makes another: the command ring is of no more use.
    public func reconnect(_ reason: String) {
        guard connection != nil else { return }
        log.warning("the device connects anew: \(reason)")
        close(because: reason)
    }

    private func violated(_ reason: String) {
        log.error("the backend broke the protocol: \(reason)")
        close(because: reason)
    }

    private func close(because reason: String) {
        report(reason)
        endConnection()
        write(.closing)
        phase = .closing(until: monotonicTime() &+ Self.patience)
        poller.alarm(after: 0)
    }

    private func report(_ reason: String) {
        try? handles?.store.write("\(directory)/\(Node.error)", reason)
    }

    /// An error here is XenStore's and shows at the next look as well.
    private func write(_ new: XenBusState) {
        guard let store = handles?.store, !directory.isEmpty else { return }
        do throws(XenError) {
            try store.write("\(directory)/\(Node.state)", "\(new.rawValue)")
            state = new
        } catch {
            log.error("\(error)")
            poller.alarm(after: Self.second)
        }
    }
}
