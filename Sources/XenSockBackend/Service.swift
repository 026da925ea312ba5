import CXenSockSystem
import Glibc
import Logging
import Synchronization
import XenSockPlatform
import XenSockRing
import XenSockWire

/// The service: listens for frontends and performs their calls (docs/PROTOCOL.md, chapter 3). One thread does
/// everything; no method but `stop` may be called from another.
public final class Service {
    typealias Socket = BackendSocket<LinuxKernel>
    typealias Arena = SessionArena<LinuxKernel>

    let kernel: LinuxKernel
    var configuration: ServiceConfiguration
    let policy: any BackendPolicy
    let resolver: any NameResolver
    var log: Logger
    let epoll: Int32
    let listener: Int32
    let wakeup: Int32
    let userID: UInt32
    private let isStopping = Atomic<Bool>(false)

    var sources = SourceTable()
    var sessions: [UInt32: Session] = [:]
    var sessionsOfUser: [UInt32: Int] = [:]
    /// Memory of local sessions, by user: those that have ended, too, while a socket of theirs has not.
    var arenasOfUser: [UInt32: Int] = [:]
    var nextSession: UInt32 = 1
    /// Doors of no living session.
    var doors: [Session] = []
    var nextArena: UInt64
    var socketCount = 0
    /// Sockets by SO_COOKIE of the program's end.
    var cookies: [UInt64: Socket] = [:]
    private var alertness: Alertness
    var v1Cookies: [UInt64: V1] = [:]
    /// Sockets whose query is with the resolver.
    var queries: [UInt64: Socket] = [:]
    var nextQuery: UInt64 = 1
    /// Sessions whose requests are being performed because another's come behind them.
    var postedDepth = 0
    /// What the requests cost that were performed in this turn because others came behind them, by `account`.
    var spentAhead: [UInt64: Int] = [:]
    /// Whether the sockets are of this kernel, whose options are known.
    let hasOwnNetwork: Bool

    // Work. Two lists each: what is queued during a turn comes in the next one.
    var readySockets: [Socket] = []
    var readySessions: [Session] = []
    var awakeArenas: [Arena] = []
    var draining: [Socket] = []
    var readyV1: [V1] = []
    var readyDevices: [XenSessions] = []
    var drainingV1: [V1] = []
    var deadArenas: [Arena] = []
    var nextDrainCheck: UInt64 = 0
    /// Sessions that may not have said HELLO yet, in the order of their deadlines.
    var silent: [Session] = []
    /// Refused connections that still hold their answer, and when they are closed. Owned.
    var refused: [Int32] = []
    var refusedEnd: UInt64 = 0
    static let maximumRefused = 16
    /// Sockets of `pvcalls1` of each guest.
    var domainSockets: [UInt16: Int] = [:]
    /// Open sockets that guests' sessions made, and bytes that those of closed devices have yet to send, by domain.
    var domainSessionSockets: [UInt16: Int] = [:]
    var domainLeftovers: [UInt16: Int] = [:]
    var listenerSource: UInt32 = 0
    /// What is done at the end of this turn, or of the next one if it comes then.
    private var tasks: [() -> Void] = []
    /// What is called about once a second, as long as it returns true.
    var secondly: [(UInt64) -> Bool] = []
    /// Accepting failed for want of descriptors: when to try again.
    var listenerResumes: UInt64?
    var violations = ViolationLog()

    let frame = UnsafeMutableRawBufferPointer.allocate(byteCount: SessionFrame.maximumSize, alignment: 8)
    private let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: 256)
    private var hooks: [Int32: UInt32] = [:]

    /// Begins to listen.
    ///
    /// - Parameter network: performs the calls on network sockets; nil for the kernel.
    /// - Throws: `ServiceError`.
    public init(
        configuration: ServiceConfiguration, policy: any BackendPolicy, resolver: any NameResolver, log: Logger,
        network: (any SocketNetwork)? = nil
    ) throws {
        StrangeDescriptors.prepare()
        kernel = LinuxKernel(network: network, placeholders: XenPlaceholders())
        // Another service behind this one looks around as well: both must leave a processor to who has work.
        alertness = Alertness(processors: sysconf(Int32(_SC_NPROCESSORS_ONLN)) - (network == nil ? 0 : 1))
        hasOwnNetwork = network == nil
        self.configuration = configuration
        self.policy = policy
        self.resolver = resolver
        self.log = log
        userID = kernel.effectiveUserID
        // Arena ids differ between services too, so that a frontend that met two of them does not mix them up.
        nextArena = UInt64.random(in: 1...(1 << 62))
        epoll = kernel.epollCreate()
        wakeup = kernel.eventDescriptor()
        switch configuration.listening {
        case .path(let path, let mode): listener = LinuxKernel().listen(path: path, mode: mode)
        case .descriptor(let descriptor): listener = descriptor
        }
        guard listener >= 0 else { throw ServiceError(call: "listen", errno: 0 &- listener) }
        guard epoll >= 0, wakeup >= 0 else { throw ServiceError(call: "epoll_create1", errno: 0 &- epoll) }
        listenerSource = try watch(listener, .listener)
        _ = try watch(wakeup, .wakeup)
        if resolver.completionDescriptor >= 0 { _ = try watch(resolver.completionDescriptor, .resolver) }
    }

    deinit {
        for session in Array(sessions.values) {
            session.isBroken = true
            end(session, reason: "the service ends")
        }
        closeDoors()
        for socket in Array(cookies.values) + draining {
            socket.finish(abort: true)
            settle(socket)
        }
        for local in Array(v1Cookies.values) + drainingV1 {
            local.socket.finish(abort: true)
            settle(local)
        }
        destroyDeadArenas()
        for descriptor in refused { kernel.close(descriptor) }
        kernel.close(listener)
        if case .path(let path, _) = configuration.listening { kernel.unlink(path: path) }
        kernel.close(wakeup)
        kernel.close(epoll)
        frame.deallocate()
        events.deallocate()
    }

    /// Whether nobody needs the service: no session, no socket.
    public var isIdle: Bool { sessions.isEmpty && socketCount == 0 }

    /// Makes `run` return. May be called from any thread and from a hook.
    public func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        kernel.signal(eventDescriptor: wakeup)
    }

    /// Calls `callback` on the service's thread whenever `descriptor` is readable (a signalfd, the read end of a
    /// lifeline). The descriptor stays the caller's, who calls `unwatch` before closing it.
    ///
    /// - Throws: `ServiceError`.
    public func watch(_ descriptor: Int32, _ callback: @escaping () -> Void) throws {
        hooks[descriptor] = try watch(descriptor, .hook(callback))
    }

    public func unwatch(_ descriptor: Int32) {
        guard let source = hooks.removeValue(forKey: descriptor) else { return }
        kernel.epollDelete(epoll, descriptor)
        sources.remove(source)
    }

    /// Runs `task` once, after the work of this turn; the service does not sleep before.
    func afterTurn(_ task: @escaping () -> Void) { tasks.append(task) }

    /// Calls `task` with the time about once a second, until it returns false.
    func everySecond(_ task: @escaping (UInt64) -> Bool) { secondly.append(task) }

    /// Watches a descriptor for input, level-triggered.
    func watch(_ descriptor: Int32, _ target: SourceTable.Target) throws -> UInt32 {
        let source = sources.add(target)
        let result = kernel.epollAdd(epoll, descriptor, events: EpollEvents.input, data: sources.data(source))
        guard result == 0 else {
            sources.remove(source)
            throw ServiceError(call: "epoll_ctl", errno: 0 &- result)
        }
        return source
    }

    /// Serves until `stop` is called.
    public func run() {
        while !isStopping.load(ordering: .relaxed) { turn() }
    }

    /// One turn: what is ready, what rang, what was left over.
    private func turn() {
        if !spentAhead.isEmpty { spentAhead.removeAll(keepingCapacity: true) }
        let isIdle =
            readySockets.isEmpty && readyV1.isEmpty && readySessions.isEmpty && readyDevices.isEmpty && tasks.isEmpty
        let count = isIdle ? rest() : kernel.epollWait(epoll, events, timeout: 0)
        if count > 0 {
            for index in 0..<count { dispatch(events[index].data.u64, events[index].events) }
        }
        takeDoorbells()
        work()
        checkDeadlines()
        destroyDeadArenas()
    }

    /// Waits until something is ready or rang.
    ///
    /// - Returns: the number of events.
    private func rest() -> Int {
        if alertness.patience > 0 {
            let end = kernel.now() &+ alertness.patience
            repeat {
                let count = kernel.epollWait(epoll, events, timeout: 0)
                if count != 0 || awakeArenas.contains(where: { $0.back.isPending }) {
                    alertness.found()
                    return count
                }
            } while kernel.now() < end
            alertness.lookedInVain()
        }
        guard fallAsleep() else { return kernel.epollWait(epoll, events, timeout: 0) }
        let start = kernel.now()
        let count = kernel.epollWait(epoll, events, timeout: untilDeadline())
        alertness.slept(kernel.now() &- start)
        for arena in awakeArenas { arena.back.wake() }
        return count
    }

    private func dispatch(_ data: UInt64, _ events: UInt32) {
        switch sources.target(data) {
        case .none: break
        case .network(let socket):
            awaken(socket.arena)
            socket.networkEvent(kernel.completed(socket.network, events: events))
            settle(socket)
        case .placeholder(let socket):
            if events & (EpollEvents.hangup | EpollEvents.error) != 0 {
                performPosted(of: socket, least: Self.commandBudget)
            }
            socket.placeholderEvent(events)
            settle(socket)
        case .v1Network(let local):
            // A draining socket has no more to do with its arena, which may be gone.
            if !local.isDetached { awaken(local.channel.arena) }
            local.socket.networkEvent(kernel.completed(local.socket.network, events: events))
            settle(local)
        case .v1Placeholder(let local):
            local.placeholderEvent(events)
            settle(local)
        case .doorbell(let arena): awaken(arena)
        case .session(let session):
            // The request behind a PORT comes next: while the arena is awake its doorbell costs nothing.
            if session.isClosed { return receiveDoors(session) }
            if let arena = session.arena { awaken(arena) }
            receiveFrames(session)
        case .process(let session): end(session, reason: "its process ended", keepingDoor: true)
        case .listener: acceptSessions()
        case .resolver: takeAnswers()
        case .wakeup: break
        case .hook(let callback): callback()
        case .events(let callback): callback(events)
        }
    }

    /// Announces to every awake arena that the service sleeps.
    ///
    /// - Returns: false if something rang meanwhile.
    private func fallAsleep() -> Bool {
        for arena in awakeArenas where !arena.back.sleep() { return false }
        return true
    }

    /// While an arena is awake its frontend rings without a system call.
    func awaken(_ arena: Arena) {
        guard !arena.isAwake, !arena.isSevered else { return }
        arena.isAwake = true
        arena.quietTurns = 0
        arena.back.wake()
        awakeArenas.append(arena)
    }

    private func takeDoorbells() {
        var index = 0
        while index < awakeArenas.count {
            let arena = awakeArenas[index]
            if arena.back.isPending {
                arena.quietTurns = 0
                arena.back.takePending { ring(arena, $0) }
            } else {
                arena.quietTurns += 1
            }
            // Nobody rings there for now: the next one may pay a system call, so that turns do not pay for it.
            if arena.quietTurns > 32, arena.back.sleep() {
                arena.isAwake = false
                awakeArenas.swapAt(index, awakeArenas.count - 1)
                awakeArenas.removeLast()
            } else {
                index += 1
            }
        }
    }

    func ring(_ arena: Arena, _ port: UInt32) {
        if port == XenSockWire.Arena.commandRingPort {
            if let session = arena.session { queue(session) }
        } else if let socket = arena.sockets[Int(port)] {
            if arena.xen != nil { lookAtLine(of: socket) }
            socket.doorbell()
            settle(socket)
        } else if let local = arena.v1Sockets[port] {
            local.socket.notified()
            settle(local)
        }
    }

    func queue(_ session: Session) {
        guard !session.isQueued, !session.isClosed else { return }
        session.isQueued = true
        readySessions.append(session)
    }

    private func work() {
        if !readyDevices.isEmpty { workDevices() }
        let sessions = readySessions
        readySessions.removeAll(keepingCapacity: true)
        if sessions.count > Self.sessionsInTurn {
            runSome(of: sessions)
        } else {
            for session in sessions {
                session.isQueued = false
                if !session.isClosed { runCommands(session) }
            }
        }
        let count = readySockets.count
        for index in 0..<count {
            let socket = readySockets[index]
            socket.isQueued = false
            socket.wantsTurn = false
            socket.turn()
            settle(socket)
        }
        readySockets.removeFirst(count)
        if !readyV1.isEmpty { workV1() }
        runTasks()
    }

    private func runTasks() {
        guard !tasks.isEmpty else { return }
        let due = tasks
        tasks.removeAll(keepingCapacity: true)
        for task in due { task() }
    }
}
