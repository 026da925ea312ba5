import CXenSockSystem
import Glibc
import Logging
import XenSockBackend
import XenSockFrontend

/// The service behind the agent: its network, its resolver, and what becomes of both when it dies, is silent, or is back.
///
/// There is one in a process.
public final class Upstream {
    public let network = UpstreamNetwork()
    public let resolver: any NameResolver
    private let path: String
    private let log: Logger
    private var probe: UpstreamProbe
    /// Written when sockets may be lost.
    private let change: Int32
    /// Ticks while the service is silent.
    private let timer: Int32
    private var renewalTimer: RenewalTimer
    /// An epoll instance that watches the session's socket; readable when the service has hung up.
    private let end: Int32

    private static let period = 250_000_000

    /// - Parameters:
    ///   - path: the session socket of the service.
    ///   - dialect: `xensock2`, `pvcalls1` or `draft1`.
    ///   - listenerWait: for how many seconds the service may refuse to make a listener again.
    /// - Throws: ``UpstreamError``.
    public init(path: String, dialect: String, listenerWait: Int = 70, log: Logger) throws(UpstreamError) {
        guard path.hasPrefix("/"), path.utf8.count < 108 else {
            throw UpstreamError(description: "--upstream \(path): must be an absolute path of at most 107 bytes")
        }
        guard AgentFrontend.start(path: path, dialect: dialect) else {
            throw UpstreamError(description: "--dialect \(dialect): there are xensock2, pvcalls1 and draft1")
        }
        self.path = path
        self.log = log
        probe = UpstreamProbe(path: path)
        let flags = Int(O_CLOEXEC | O_NONBLOCK)
        change = Int32(xs_syscall(Int(SYS_eventfd2), 0, flags, 0, 0, 0, 0))
        timer = Int32(xs_syscall(Int(SYS_timerfd_create), Int(CLOCK_MONOTONIC), flags, 0, 0, 0, 0))
        end = epoll_create1(Int32(EPOLL_CLOEXEC))
        let upstream: (any NameResolver)? = Frontend.resolvesNames ? UpstreamResolver(network) : NumericResolver()
        guard change >= 0, timer >= 0, end >= 0, let renewalTimer = RenewalTimer(), let upstream else {
            throw UpstreamError(description: "cannot make an eventfd: errno \(errno)")
        }
        self.renewalTimer = renewalTimer
        resolver = upstream
        network.renewalPatience = UInt64(max(0, listenerWait)) &* 1_000_000_000
    }

    deinit {
        close(change)
        close(timer)
        close(renewalTimer.descriptor)
        close(end)
        probe.forget()
    }

    /// Takes part in the reactor of the service that uses ``network`` and ``resolver``, which then keeps this.
    ///
    /// - Throws: `ServiceError`.
    public func join(_ service: Service) throws {
        network.sessionChanged = { [unowned self] in
            if AgentFrontend.isOpen {
                log.info("session opened at \(path)")
                watchEnd()
            } else {
                log.warning("the session at \(path) is lost, and its connections with it")
            }
            signalChange()
        }
        network.wasUnreachable = { [unowned self] in
            log.warning("no session at \(path): new sockets fail with ENETDOWN until there is one")
        }
        network.wasSilent = { [unowned self] in
            log.warning("\(path) does not answer: new sockets fail until it does")
            tick(nanoseconds: Self.period)
            signalChange()
        }
        try service.watch(change) { [self, unowned service] in
            acknowledge(change)
            reportLosses()
            service.recheckNetwork()
            if let resolver = resolver as? UpstreamResolver { service.deliver(resolver.forgetLost) }
            AgentFrontend.collectArenas()
        }
        try service.watch(timer) { [self] in
            acknowledge(timer)
            guard case .decided = probe.look() else { return }
            tick(nanoseconds: 0)
            AgentFrontend.isResting = false
            log.notice("\(path) answers again")
            if network.hasWaiting { renewalTimer.begin() }
        }
        try service.watch(end) { [self] in
            var event = epoll_event()
            _ = epoll_wait(end, &event, 1, 0)
            AgentFrontend.lookForEnd()
            network.look()
        }
        try joinRenewal(service)
    }

    // MARK: Sockets that are made again

    private func joinRenewal(_ service: Service) throws {
        network.rewatch = { [unowned service] in service.networkRenewed($0) }
        network.lossNoticed = { [unowned self] in renewalTimer.begin() }
        network.wereRenewed = { [unowned self] all, listeners in
            log.notice("\(all) sockets without a peer were made again, \(listeners) listeners among them")
            signalChange()
        }
        network.renewalWasRefused = { [unowned self] socket, error in
            log.warning("the \(socket) cannot be made again for now: \(String(cString: strerror(error)))")
        }
        network.wasGivenUp = { [unowned self] socket, error in
            log.error("the \(socket) cannot be made again, and is lost: \(String(cString: strerror(error)))")
            signalChange()
        }
        try service.watch(renewalTimer.descriptor) { [self] in
            renewalTimer.fired()
            renew()
        }
    }

    private func reportLosses() {
        let (all, listeners) = network.noteLosses()
        if all > 0, !AgentFrontend.isOpen {
            log.info("\(all) sockets without a peer wait to be made again, \(listeners) listeners among them")
        }
    }

    private func renew() {
        guard network.hasWaiting else { return renewalTimer.end() }
        // Whoever notices that it answers goes on.
        guard !AgentFrontend.isResting else { return }
        // One that does not answer would be waited for.
        if !AgentFrontend.isOpen, case .silent = probe.look() { return renewalTimer.lookAgain() }
        network.renew()
        if network.hasWaiting { renewalTimer.tryAgain() } else { renewalTimer.end() }
    }

    private func watchEnd() {
        guard let socket = AgentFrontend.sessionSocket else { return }
        var event = epoll_event(events: EPOLLRDHUP.rawValue | EPOLLET.rawValue, data: epoll_data(fd: socket))
        epoll_ctl(end, EPOLL_CTL_ADD, socket, &event)
    }

    private func signalChange() {
        var one: UInt64 = 1
        _ = write(change, &one, 8)
    }

    private func acknowledge(_ descriptor: Int32) {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }

    /// - Parameter nanoseconds: the timer's period; 0 stops it.
    private func tick(nanoseconds: Int) {
        // struct itimerspec: the period, then the first time, each in seconds and nanoseconds.
        let times = [0, nanoseconds, 0, nanoseconds]
        _ = times.withUnsafeBytes {
            xs_syscall(Int(SYS_timerfd_settime), Int(timer), 0, Int(bitPattern: $0.baseAddress), 0, 0, 0)
        }
    }
}

/// Why the service behind the agent cannot be spoken to, in one line.
public struct UpstreamError: Error, CustomStringConvertible {
    public let description: String
}
