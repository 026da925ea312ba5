import CXenSockSystem
import Glibc
import Logging
import XenSockBackend
import XenSockRing
import XenSockWire
import XenSockXen

/// The network of a backend domain that speaks PV Calls version 1, Linux's own above all, as the sockets of a service in
/// the guest use it (docs/PROTOCOL.md, chapter 5 and 3.6): each of its sockets is one socket there, with a granted data
/// ring and an event channel of its own.
///
/// What such a backend cannot carry fails as in 5.12; what Linux's kernel does not survive, or never answers, is never
/// sent (5.11). A descriptor is an eventfd, written whenever its owner is to look; `poll` and `completed` say what there
/// is. One thread, the reactor's, does everything. bind(2) and listen(2) of a port wait for the backend, a second at
/// most.
public final class PVCallsNetwork: SocketNetwork {
    /// The device of the sockets that are not lost.
    var connection: (any PVCallsConnection)?
    var commands = PVCallsCommands()
    /// By descriptor.
    var sockets: [Int32: PVCallsSocket] = [:]
    /// Sockets in the phase `closing`: `out` is being taken, or the release is under way.
    var closing: [PVCallsSocket] = []
    /// Those whose CONNECT waits until others are decided.
    var connects: [PVCallsSocket] = []
    /// The backend was seen to answer other requests while a CONNECT was under way. Linux's does not.
    var connectsAside = false
    /// A call waited in vain, and nothing was answered since.
    var isStalled = false
    var nextID: UInt64 = 1
    /// Sockets whose backend is told later, if it has not found out.
    private var unheard: [PVCallsSocket] = []
    let log: Logger
    let clock: () -> UInt64
    /// Fires when ``nextDue`` has come.
    let timer: Int32
    var nextDue: UInt64?
    /// When the want of pages, or of slots, was last reported.
    var shortageReported: UInt64?
    /// Since when nothing has used a device whose command ring is half lost.
    var idleSince: UInt64?
    private var isWithoutReported = false
    /// Called when the backend owes answers that it will never give, and nothing uses the device: to connect it again
    /// makes the command ring whole.
    public var renew: (() -> Void)?
    /// How long a backend may refuse to make a socket again before that is given up, in nanoseconds.
    public var renewalPatience: UInt64 = 70_000_000_000

    /// How long bind(2) and listen(2) wait for the backend, in nanoseconds; less than a frontend waits for its service.
    static let answerLimit: UInt64 = 1_000_000_000
    /// How long `out` of a closed socket may stand still, in nanoseconds.
    static let drainLimit: UInt64 = 60_000_000_000
    /// Likewise of one that is to be reset: natively what was sent before is mostly with the peer.
    static let abortLimit: UInt64 = 1_000_000_000
    /// Connections accepted ahead of accept(2) for each listener. The others wait in the backend.
    static let acceptedAhead = 4
    /// How long nothing is to use the device before it is connected again, in nanoseconds.
    static let idleLimit: UInt64 = 1_000_000_000
    /// How long bytes may stand in `out` that the backend was not told of, in nanoseconds.
    static let takingLimit: UInt64 = 20_000_000
    /// Pages that gntalloc's limit is raised to at most: the grant table of a domain as Xen makes it.
    static let grantedPages = 32_768

    /// - Parameter clock: CLOCK_MONOTONIC in nanoseconds; tests have their own.
    /// - Throws: if the process has no descriptors left.
    public init(log: Logger, clock: @escaping () -> UInt64 = PVCallsNetwork.monotonicTime) throws(XenError) {
        self.log = log
        self.clock = clock
        timer = Int32(
            truncatingIfNeeded: xs_syscall(
                Int(SYS_timerfd_create), Int(CLOCK_MONOTONIC), Int(O_CLOEXEC | O_NONBLOCK), 0, 0, 0, 0))
        guard timer >= 0 else { throw XenError(call: "timerfd_create", errno: 0 &- timer) }
    }

    deinit {
        for socket in sockets.values where socket.descriptor >= 0 { Glibc.close(socket.descriptor) }
        Glibc.close(timer)
    }

    public static func monotonicTime() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Takes part in the reactor of the service that uses this network.
    ///
    /// - Throws: `ServiceError`.
    public func join(_ service: Service) throws {
        try service.watch(timer) { [unowned self] in
            var count: UInt64 = 0
            _ = read(timer, &count, 8)
            timeout()
        }
    }

    // MARK: The device

    /// Whether a device is connected.
    public var isConnected: Bool { connection != nil }

    /// Uses a device that has become Connected, until its end.
    public func attach(_ connection: any PVCallsConnection) {
        if self.connection != nil { lose() }
        guard connection.performsCalls else {
            return log.error("domain \(connection.backend) performs no calls (function-calls is not 1)")
        }
        self.connection = connection
        commands = PVCallsCommands()
        connectsAside = false
        isStalled = false
        isWithoutReported = false
        connection.notified = { [unowned self] in answered() }
        connection.ended = { [unowned self, unowned connection] in
            if self.connection === connection { lose() }
        }
        makeAgain()
    }

    /// The device left Connected: every socket that has a peer ends as 5.2 says it, and what was granted goes with them.
    func lose() {
        guard let connection else { return }
        self.connection = nil
        let ended = Array(sockets.values)
        let released = closing
        closing = []
        connects = []
        unheard = []
        commands = PVCallsCommands()
        nextDue = nil
        for socket in released {
            socket.ring?.close(connection)
            dropArrivals(socket.listener, connection)
        }
        for socket in ended {
            dropArrivals(socket.listener, connection)
            if keep(socket) { continue }
            socket.isLost = true
            socket.ring?.unbind(connection)
            socket.unanswered = 0
            socket.late = nil
            if socket.phase == .connecting {
                socket.phase = .failed
                socket.error = ENETDOWN
            }
            socket.listener?.failure = ENETDOWN
            signal(socket)
        }
    }

    private func dropArrivals(_ listener: PVCallsSocket.Listener?, _ connection: any PVCallsConnection) {
        guard let listener else { return }
        for arrival in listener.arrivals { arrival.ring?.close(connection) }
        listener.arrivals = []
        listener.offered?.ring?.close(connection)
        listener.offered = nil
    }

    // MARK: Sockets

    public func owns(_ descriptor: Int32) -> Bool { sockets[descriptor] != nil }

    public func socket(domain: Int32, type: Int32, protocolNumber: Int32) -> Int32 {
        guard domain == AF_INET else { return -EAFNOSUPPORT }
        let bare = type & ~Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        guard bare == Int32(SOCK_STREAM.rawValue) else { return -ESOCKTNOSUPPORT }
        guard protocolNumber == 0 || protocolNumber == Int32(IPPROTO_TCP) else { return -EPROTONOSUPPORT }
        guard let connection else {
            if !isWithoutReported {
                isWithoutReported = true
                log.warning("no PV Calls device is connected: new sockets fail with ENETDOWN until one is")
            }
            return -ENETDOWN
        }
        let socket = makeSocket()
        let descriptor = open(socket)
        guard descriptor >= 0 else { return descriptor }
        // Nobody waits for the answer: it would stand behind the CONNECTs of others, and what follows has its own.
        commands.post(
            .socket,
            .socket(
                id: SocketID(socket.id), domain: UInt32(AF_INET), type: UInt32(SOCK_STREAM.rawValue), protocol: 0,
                eventChannel: 0, indexesPage: 0), socket, connection)
        return descriptor
    }

    func makeSocket() -> PVCallsSocket {
        idleSince = nil
        defer { nextID += 1 }
        return PVCallsSocket(id: nextID)
    }

    /// Gives a socket its descriptor.
    ///
    /// - Returns: the descriptor, or a negative errno.
    func open(_ socket: PVCallsSocket) -> Int32 {
        let flags = Int(O_CLOEXEC | O_NONBLOCK)
        let descriptor = Int32(truncatingIfNeeded: xs_syscall(Int(SYS_eventfd2), 0, flags, 0, 0, 0, 0))
        guard descriptor >= 0 else { return descriptor }
        socket.descriptor = descriptor
        sockets[descriptor] = socket
        return descriptor
    }

    /// Makes the descriptor of a socket an edge.
    func signal(_ socket: PVCallsSocket) {
        guard socket.descriptor >= 0 else { return }
        var one: UInt64 = 1
        _ = write(socket.descriptor, &one, 8)
    }

    // MARK: Answers

    /// The command ring's event: takes all answers, and goes on until none can be missed.
    func answered() {
        repeat {
            guard takeAnswers() else { return }
        } while connection.map { !$0.ring.awaitResponse() } ?? false
    }

    /// - Returns: false if the connection is no more.
    @discardableResult
    func takeAnswers() -> Bool {
        while let connection {
            switch commands.next(connection) {
            case .none:
                commands.send(connection)
                return true
            case .violation(let reason):
                connection.violated(reason)
                // Whatever it does with that, nothing of it is believed any more.
                lose()
                return false
            case .answered(let request, let ret):
                // Linux's backend answers ACCEPTs from elsewhere.
                if request.kind != .accept, request.kind != .lost { isStalled = false }
                if commands.overtakesConnect(request) { connectsAside = true }
                if request.kind != .accept, request.kind != .lost { request.socket.unanswered -= 1 }
                handle(request, ret)
            }
        }
        return false
    }

    private func handle(_ request: PVCallsCommands.Pending, _ ret: Int32) {
        let socket = request.socket
        switch request.kind {
        case .socket: if ret < 0 { socket.renewal?.creationError = 0 &- ret }
        case .connect: decideConnect(socket, ret)
        case .bind where socket.isWaiting, .listen where socket.isWaiting: decideRenewal(socket, request.kind, ret)
        case .bind: decideBind(socket, ret)
        case .listen: decideListen(socket, ret)
        case .accept: decideAccept(socket, ret)
        case .release: return finish(socket)
        // Its ring is freed already.
        case .lost: if ret == 0 { release(socket) }
        }
        if socket.phase == .closing { proceed(socket) }
    }

    /// Waits for an answer that a call needs, while others' answers are handled.
    ///
    /// - Returns: false if it did not come in time. Until an answer comes further calls do not wait.
    func waitForAnswer(_ isDecided: () -> Bool) -> Bool {
        let end = clock() &+ Self.answerLimit
        var pause = 20_000
        while takeAnswers() {
            if isDecided() { return true }
            guard !isStalled, clock() < end else { break }
            var time = timespec(tv_sec: 0, tv_nsec: pause)
            nanosleep(&time, nil)
            pause = min(pause * 2, 1_000_000)
        }
        if isDecided() { return true }
        if connection != nil, !isStalled {
            isStalled = true
            log.warning(
                "the backend answers nothing: bind(2) and listen(2) fail with ETIMEDOUT until it does. Linux's connects one socket at a time"
            )
        }
        return false
    }

    // MARK: Time

    /// Makes the timer fire at `time` at the latest.
    func schedule(_ time: UInt64) {
        if let nextDue, nextDue <= time { return }
        nextDue = time
        let now = clock()
        let left = Int(time > now ? time - now : 1)
        // struct itimerspec: no period, then the first time.
        let times = [0, 0, left / 1_000_000_000, left % 1_000_000_000]
        _ = times.withUnsafeBytes {
            xs_syscall(Int(SYS_timerfd_settime), Int(timer), 0, Int(bitPattern: $0.baseAddress), 0, 0, 0)
        }
    }

    /// No event goes with bytes that the backend finds when it has taken those before. Its last look and this side's may
    /// cross, though: it is told later if they are still there.
    func tellLater(_ socket: PVCallsSocket) {
        guard !socket.isUnheard else { return }
        socket.isUnheard = true
        unheard.append(socket)
        schedule(clock() &+ Self.takingLimit)
    }

    private func tellUnheard() {
        for socket in unheard {
            socket.isUnheard = false
            guard let ring = socket.ring else { continue }
            let isWaiting = socket.owesNotice && ring.isUntold
            socket.owesNotice = false
            if isWaiting || (try? ring.untaken()) ?? 0 > 0 { connection?.notify(ring.port) }
        }
        unheard = []
    }

    /// The timer fired: looks at everything that waits for a time.
    func timeout() {
        nextDue = nil
        tellUnheard()
        resumeRenewals()
        for socket in closing { proceed(socket) }
        for socket in sockets.values where socket.listener != nil { offer(socket) }
        renewIfIdle()
    }
}
