import Glibc
import Logging
import Synchronization
import XenSockWire
import XenSockXen

@testable import XenSockBackend

/// The backend's end of a device in a simulated Xen, without XenBus: what its state machine would give to sessions.
final class SimulatedDevice: XenDeviceServices, @unchecked Sendable {
    let domain: DomainID
    private(set) var mapper: any GrantMapper
    private(set) var owner: XenDomain?
    var kept: XenKeptPages {
        guard let owner else { preconditionFailure("not connected") }
        return owner.kept
    }
    let log: Logger
    private let channels: any EventChannels
    private var handlers: [UInt32: () -> Void] = [:] {
        didSet { bound.store(handlers.count, ordering: .relaxed) }
    }
    private let bound = Atomic(0)
    private(set) var connection: XenSessions?
    /// What the guest did against the protocol.
    var violations: [String] { told.withLock { $0 } }
    private let told = Mutex<[String]>([])
    var maximumPageOrder: UInt32 = 8
    var maximumSockets: Int { owner?.configuration.socketsPerDomain ?? 0 }
    /// Hypercalls towards the guest.
    let notifications = Atomic(0)

    init(_ platform: XenPlatform, guest: DomainID) throws {
        domain = guest
        mapper = platform.mapper
        channels = try platform.channels()
        log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    }

    /// Before the service runs, or on its thread.
    func connect(_ service: Service, ring: UInt32, port: UInt32, configuration: XenConfiguration) throws {
        let owner = XenDomain(
            id: domain, name: nil, configuration: configuration, log: log, service: service,
            kept: XenKeptPages(service: service))
        self.owner = owner
        mapper = XenDomainMapper(mapper, owner: owner, device: 0)
        let mapping = try mapper.map([ring], of: domain)
        let bound = try channels.bindInterdomain(domain, port: port)
        let connection = XenSessions(service: service, device: self, ring: mapping, port: bound)
        self.connection = connection
        handlers[bound] = { [unowned connection] in connection.notified() }
        try service.watch(channels.descriptor) { [unowned self] in takeEvents() }
    }

    private func takeEvents() {
        while let port = channels.nextPending() {
            handlers[port]?()
            channels.unmask(port)
        }
    }

    /// On the service's thread.
    func close() { connection?.close() }

    func bind(remotePort: UInt32, _ handler: @escaping () -> Void) throws(XenError) -> UInt32 {
        let port = try channels.bindInterdomain(domain, port: remotePort)
        handlers[port] = handler
        return port
    }

    func unbind(_ port: UInt32) {
        handlers[port] = nil
        channels.unbind(port)
    }

    func notify(_ port: UInt32) {
        notifications.wrappingAdd(1, ordering: .relaxed)
        channels.notify(port)
    }

    func report(_ level: Logger.Level, _ text: @autoclosure () -> String) { log.log(level: level, "\(text())") }

    func violated(_ reason: String) { told.withLock { $0.append(reason) } }

    /// Ports that are bound for sessions.
    var boundPorts: Int { bound.load(ordering: .relaxed) - 1 }
}

/// A flag for several threads.
final class Running: Sendable {
    private let flag = Atomic(true)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func clear() { flag.store(false, ordering: .relaxed) }
}

/// A service with a device of one guest, in a simulated Xen.
final class SessionsFixture: @unchecked Sendable {
    let xen = SimulatedXen()
    let guest: DomainID
    let service: Service
    let device: SimulatedDevice
    let agent: TestAgent
    private let path: String
    private var thread = pthread_t()
    /// Until a test's workers are to end.
    let running = Running()
    private let inbox: Int32
    private var jobs: [() -> Void] = []
    private var done = 0
    private var isStopped = false
    private let lock: UnsafeMutablePointer<pthread_mutex_t>

    init(
        guest: DomainID = 3, policy: any BackendPolicy = AllowAll(), resolver: any NameResolver = NoResolver(),
        xenConfiguration: XenConfiguration = XenConfiguration(),
        change: (inout ServiceConfiguration) -> Void = { _ in }
    ) throws {
        self.guest = guest
        path = "/tmp/xensock-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        var configuration = ServiceConfiguration(listening: .path(path, mode: 0o600))
        change(&configuration)
        var log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        log.logLevel = .critical
        service = try Service(configuration: configuration, policy: policy, resolver: resolver, log: log)
        let backend = xen.platform(domain: .control)
        let front = xen.platform(domain: guest)
        xen.setLimits(of: guest) { $0.grantAllocations = 16384 }
        device = try SimulatedDevice(backend, guest: guest)
        agent = try TestAgent(front)
        try device.connect(
            service, ring: agent.ringReference, port: agent.ringPort, configuration: xenConfiguration)
        inbox = LinuxKernel().eventDescriptor()
        lock = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        try service.watch(inbox) { [unowned self] in takeJobs() }
        let argument = Unmanaged.passRetained(service).toOpaque()
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Service>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument)
        guard result == 0 else { throw ClientError(description: "pthread_create") }
    }

    deinit {
        // The service's thread would call what is no more.
        precondition(isStopped, "a test has not stopped its fixture")
        LinuxKernel().close(inbox)
        lock.deallocate()
    }

    private func takeJobs() {
        takeSignal(inbox)
        pthread_mutex_lock(lock)
        let waiting = jobs
        jobs = []
        pthread_mutex_unlock(lock)
        for job in waiting { job() }
        pthread_mutex_lock(lock)
        done += waiting.count
        pthread_mutex_unlock(lock)
    }

    /// Runs a step on the service's thread, and waits for it.
    func onService(_ job: @escaping () -> Void) {
        pthread_mutex_lock(lock)
        jobs.append(job)
        let target = done + jobs.count
        pthread_mutex_unlock(lock)
        LinuxKernel().signal(eventDescriptor: inbox)
        _ = eventually {
            pthread_mutex_lock(lock)
            defer { pthread_mutex_unlock(lock) }
            return done >= target
        }
    }

    /// The device goes away: nothing of the guest may be mapped or bound when this returns, but for the device's own channel.
    func closeDevice() { onService { [device] in device.close() } }

    func stop() {
        closeDevice()
        service.stop()
        pthread_join(thread, nil)
        agent.stop()
        isStopped = true
    }

    /// Whether no session and no socket is left.
    var isServiceIdle: Bool {
        var isIdle = false
        onService { [service] in isIdle = service.isIdle }
        return isIdle
    }

    /// Pages of the guest that the backend has mapped, without the command ring's.
    var mappedPages: Int { xen.mappings(by: .control) - 1 }
}
