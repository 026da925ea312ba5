import CXenSockSystem
import Glibc
import Logging
import Synchronization
import XenSockPlatform
import XenSockRing
import XenSockWire
import XenSockXen

/// Serves sessions on the guest's device, in a thread of its own (docs/PROTOCOL.md, 3.7): grants their memory, holds the
/// other ends of their placeholders, and tells the backend of their beginning and end. Requests and bytes go past it.
///
/// The agent's own frontend opens its session at a private socket; programs of user 0 may at another, and, where gntalloc
/// is fenced, those of other users (DockAdmission.swift).
public final class Dock: @unchecked Sendable {
    public struct Configuration: Sendable {
        /// Where the agent's own frontend connects. Mode 0600; no other process is served there.
        public var ownPath: String
        /// Where programs of user 0 connect; nil for nowhere. Mode 0600, or 0666 when others are served there, too.
        public var directPath: String?
        /// Whom the direct socket serves beside user 0, if there is a fence.
        public var admission = DockAdmission.root
        /// To how many pages the limit of the gntalloc driver is raised; nil: a quarter of memory, 24,576 at most.
        public var grantLimit: Int?
        public var maximumSessions = 256
        /// Ports of a session, at most.
        public var maximumPorts: UInt32 = 4096

        public init(ownPath: String, directPath: String? = nil, grantLimit: Int? = nil) {
            self.ownPath = ownPath
            self.directPath = directPath
            self.grantLimit = grantLimit
        }
    }

    let configuration: Configuration
    let platform: XenPlatform
    let log: Logger
    let poller: Poller
    let budget: GrantBudget
    let fence: (any DockFence)?
    let admission: Mutex<DockAdmission>
    /// What the fence's last trial showed, and when that was.
    var isFenced = false
    var fenceTried: UInt64 = 0
    let retired: RetiredBells
    var sessionShares: Shares
    var descriptorShares: Shares
    /// Programs that were told that they are not served.
    var refused: [Int32] = []
    var refusedUntil = UInt64.max
    var tendingAt = UInt64.max
    var reports: (since: UInt64, count: Int) = (0, 0)
    private let device: GuestDevice
    private let wakeup: Int32
    private var listeners: [(descriptor: Int32, path: String)] = []
    private let isStopping = Atomic(false)
    private var thread: pthread_t?

    /// The device's connection, while it carries sessions.
    var connection: GuestConnection?
    var sessions: [UInt64: DockSession] = [:]
    var cookies: [UInt64: (session: DockSession, placeholder: DockPlaceholder)] = [:]
    var requests = DockRequests()
    /// Relayed placeholders that have work.
    var relaying: [DockPlaceholder] = []
    var nextSession: UInt64 = 1
    var nextArena = UInt64.random(in: 1...(1 << 62))
    private var targets: [UInt64: Target] = [:]
    private var nextTarget: UInt64 = 1
    private var awake: [DockSession] = []
    private var rungPorts: [UInt32] = []
    private var isDialectReported = false
    /// The earliest of the sessions' deadlines.
    private var nextDeadline = UInt64.max
    let frame = UnsafeMutableRawBufferPointer.allocate(byteCount: SessionFrame.maximumSize, alignment: 8)

    /// What a number of the poller's stands for.
    enum Target {
        case wakeup
        case device
        case listener(Int32, isOwn: Bool)
        case socket(DockSession)
        case process(DockSession)
        case channels(DockSession)
        /// The eventfd of a session whose event channel is no device's.
        case doorbell(DockSession)
        case placeholder(DockSession, DockPlaceholder)
    }

    static let second: UInt64 = 1_000_000_000
    /// How long the backend may take for SESSION.
    static let patience = 5 * second

    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - device: which the dock drives from now on; connected or not.
    ///   - fence: what lets users other than 0 have pages directly; nil: they are not served.
    /// - Throws: ``DockError``.
    public init(
        device: GuestDevice, platform: XenPlatform, configuration: Configuration, fence: (any DockFence)? = nil,
        log: Logger
    ) throws(DockError) {
        guard let poller = Poller() else { throw DockError("no descriptors are left") }
        StrangeDescriptors.prepare()
        self.device = device
        self.platform = platform
        self.configuration = configuration
        self.fence = fence
        self.log = log
        self.poller = poller
        admission = Mutex(configuration.admission)
        sessionShares = Shares("sessions on the direct socket", total: configuration.maximumSessions)
        // The rest is for the programs that the agent copies for.
        descriptorShares = Shares("descriptors", total: descriptorLimit() / 2)
        let memory = sysconf(Int32(_SC_PHYS_PAGES)) / 4
        budget = GrantBudget(
            platform.allocator, wanted: configuration.grantLimit ?? min(max(1024, memory), 24576), log: log)
        wakeup = eventDescriptor()
        retired = RetiredBells(wakeup: wakeup)
        watch(wakeup, .wakeup)
        watch(device.descriptor, .device)
        try listen(configuration.ownPath, isOwn: true)
        if let path = configuration.directPath {
            try listen(path, isOwn: false)
            establishFence()
            setMode()
        }
        device.connected = { [weak self] in self?.connected($0) }
        if let connection = device.connection { connected(connection) }
    }

    deinit {
        connection?.ended = {}
        for session in Array(sessions.values) { discard(session) }
        removeListeners()
        for descriptor in refused { close(descriptor) }
        retired.close()
        frame.deallocate()
    }

    private func listen(_ path: String, isOwn: Bool) throws(DockError) {
        let descriptor = FrameSocket.listen(path: path)
        guard descriptor >= 0 else {
            removeListeners()
            throw DockError("\(path): \(String(cString: strerror(-descriptor)))")
        }
        listeners.append((descriptor, path))
        watch(descriptor, .listener(descriptor, isOwn: isOwn))
    }

    private func removeListeners() {
        for (descriptor, path) in listeners {
            close(descriptor)
            unlink(path)
        }
        listeners = []
    }

    // MARK: The thread

    /// Begins to serve, in a thread of its own.
    public func start() {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Dock>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        self.thread = thread
    }

    /// Ends the device in order, and the thread. From the thread that called ``start()``.
    public func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        wake()
        if let thread { pthread_join(thread, nil) }
        thread = nil
    }

    func wake() {
        var one: UInt64 = 1
        _ = write(wakeup, &one, 8)
    }

    private func run() {
        while !isStopping.load(ordering: .sequentiallyConsistent) { turn() }
        device.close()
        removeListeners()
    }

    private func turn() {
        poller.wait(awake.isEmpty && relaying.isEmpty ? -1 : 0) { number, events in dispatch(number, events) }
        takeDoorbells()
        relayTurns()
        checkDeadlines()
    }

    private func dispatch(_ number: UInt64, _ events: UInt32) {
        switch targets[number] {
        case nil: break
        case .wakeup:
            acknowledge(wakeup)
            settleRetired()
            // The fence may have come since.
            _ = fenceHolds()
            setMode()
        case .device: device.handle()
        case .listener(let descriptor, let isOwn): accept(descriptor, isOwn: isOwn)
        case .socket(let session): receive(session)
        case .process(let session): processEnded(session)
        case .channels(let session): takeEvents(session)
        case .doorbell(let session):
            guard let memory = session.memory else { return }
            acknowledge(memory.doorbell)
            memory.channels.notify(memory.channel)
        case .placeholder(let session, let placeholder):
            if placeholder.event(events) { session.memory?.ring(placeholder.port) }
            if case .ended = session.phase { tendSoon() }
            if placeholder.descriptor < 0 { targets[placeholder.number] = nil }
            queue(placeholder)
        }
    }

    private func acknowledge(_ descriptor: Int32) {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }

    @discardableResult
    func watch(_ descriptor: Int32, _ target: Target) -> UInt64 {
        let number = reserve(target)
        poller.add(descriptor, number, EPOLLIN.rawValue)
        return number
    }

    /// A number for what is watched by another.
    func reserve(_ target: Target) -> UInt64 {
        let number = nextTarget
        nextTarget += 1
        targets[number] = target
        return number
    }

    func name(_ number: UInt64, _ target: Target) { targets[number] = target }

    /// Forgets the numbers of a session, or one of them.
    func forget(_ isMeant: (Target) -> Bool) {
        for (number, target) in targets where isMeant(target) { targets[number] = nil }
    }

    func forget(_ number: UInt64) { targets[number] = nil }

    // MARK: The reverse doorbell

    private func takeEvents(_ session: DockSession) {
        guard let memory = session.memory else { return }
        // What comes meanwhile is another event.
        if let port = memory.channels.nextPending() { memory.channels.unmask(port) }
        notice(session)
    }

    func notice(_ session: DockSession) {
        guard let memory = session.memory, !session.isAwake else { return }
        session.isAwake = true
        memory.back.wake()
        awake.append(session)
    }

    private func takeDoorbells() {
        var index = 0
        while index < awake.count {
            let session = awake[index]
            if let memory = session.memory {
                // What a ring asks for may be the end of the memory that the bells are in.
                rungPorts.removeAll(keepingCapacity: true)
                memory.back.takePending { rungPorts.append($0) }
                for port in rungPorts where session.memory != nil { rung(session, port) }
                // One whose backend rings without end is looked at once a turn.
                guard session.memory == nil || memory.back.sleep() else {
                    index += 1
                    continue
                }
            }
            session.isAwake = false
            awake.swapAt(index, awake.count - 1)
            awake.removeLast()
        }
    }

    private func rung(_ session: DockSession, _ port: UInt32) {
        if port == Arena.commandRingPort { return kick(session) }
        guard let placeholder = session.placeholders[port] else { return }
        look(at: placeholder, of: session)
        if placeholder.isClosed { drop(placeholder, of: session) }
    }

    /// The backend has given a pair up.
    func drop(_ placeholder: DockPlaceholder, of session: DockSession) {
        placeholder.close()
        descriptorShares.give(1, session.account)
        forget(placeholder.number)
        cookies[placeholder.cookie] = nil
        session.placeholders[placeholder.port] = nil
        collect(session)
    }

    // MARK: The device

    private func connected(_ connection: GuestConnection) {
        guard connection.dialect == .xensock2 else {
            if !isDialectReported { log.error("the backend has no sessions any more: start the agent again") }
            isDialectReported = true
            return
        }
        isDialectReported = false
        self.connection = connection
        requests = DockRequests()
        connection.notified = { [weak self] in self?.takeResponses() }
        connection.ended = { [weak self] in self?.disconnected() }
    }

    private func disconnected() {
        connection = nil
        requests = DockRequests()
        if sessions.values.contains(where: { $0.memory != nil }) {
            log.warning("the sessions of the device are over")
        }
        for session in Array(sessions.values) where session.memory != nil { discard(session) }
    }

    /// Gives a session a time by which it, or the backend, is to have answered.
    func limit(_ session: DockSession, _ nanoseconds: UInt64) {
        session.deadline = monotonicTime() &+ nanoseconds
        alarm(at: session.deadline)
    }

    func alarm(at time: UInt64) {
        guard time < nextDeadline else { return }
        nextDeadline = time
        let now = monotonicTime()
        poller.alarm(after: time > now ? time - now : 0)
    }

    private func checkDeadlines() {
        guard nextDeadline != .max else { return }
        let now = monotonicTime()
        guard now >= nextDeadline else { return }
        for session in Array(sessions.values) where session.deadline <= now {
            session.deadline = .max
            if case .fresh = session.phase {
                end(session, reason: "no HELLO")
            } else {
                log.warning("the backend does not answer")
                refuse(session, ENETDOWN)
            }
        }
        if now >= refusedUntil {
            for descriptor in refused { StrangeDescriptors.end(descriptor) }
            refused = []
            refusedUntil = .max
        }
        if now >= tendingAt { tend() }
        nextDeadline = min(refusedUntil, tendingAt, sessions.values.map(\.deadline).min() ?? .max)
        poller.alarm(after: nextDeadline == .max ? nil : nextDeadline - now)
    }
}

/// How many descriptors the process may have.
private func descriptorLimit() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
    return Int(clamping: limit.rlim_cur)
}

/// Why the dock cannot be, in one line.
public struct DockError: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
