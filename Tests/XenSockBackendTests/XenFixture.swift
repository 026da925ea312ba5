import Glibc
import Logging
import Testing
import XenSockWire
import XenSockXen

@testable import XenSockBackend

/// A service in a domain of a simulated Xen, domain 0 if no other is named, on a thread of its own.
final class XenFixture: @unchecked Sendable {
    let xen = SimulatedXen()
    let domain: DomainID
    private let path: String
    private var service: Service?
    private var devices: XenDevices?
    private var thread = pthread_t()
    private let policy: any BackendPolicy
    private let configuration: XenConfiguration

    init(
        in domain: DomainID = .control, policy: any BackendPolicy = AllowAll(),
        change: (inout XenConfiguration) -> Void = { _ in }
    ) throws {
        self.domain = domain
        path = "/tmp/xensock-xen-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        self.policy = policy
        var configuration = XenConfiguration()
        configuration.closingLimit = 1_000_000_000
        change(&configuration)
        self.configuration = configuration
        try start()
    }

    /// Begins to serve, also again after `stop` or `kill`.
    func start() throws {
        var log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        log.logLevel = .critical
        let service = try Service(
            configuration: ServiceConfiguration(listening: .path(path, mode: 0o600)), policy: policy,
            resolver: NoResolver(), log: log)
        devices = try XenDevices(
            service: service, platform: xen.platform(domain: domain), configuration: configuration, log: log)
        self.service = service
        let argument = Unmanaged.passRetained(service).toOpaque()
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Service>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument)
        guard result == 0 else { throw ClientError(description: "pthread_create") }
    }

    /// Stops in order.
    func stop(limit: Double = 0.01) {
        halt()
        devices?.stop(limit: limit)
        devices = nil
        service = nil
    }

    /// Ends without a word to anyone.
    func kill() {
        halt()
        devices = nil
        service = nil
    }

    deinit { precondition(service == nil, "a test has not stopped its fixture") }

    private func halt() {
        service?.stop()
        pthread_join(thread, nil)
    }

    /// A guest with a device, whose frontend is connected.
    func guest(_ domain: DomainID) throws -> GuestFrontend {
        let guest = try add(domain)
        try guest.connect()
        return guest
    }

    /// A guest with a device.
    func add(_ domain: DomainID, device: UInt32 = 0) throws -> GuestFrontend {
        xen.createDomain(domain)
        xen.createDevice("pvcalls", id: Int(device), frontend: domain, backend: self.domain)
        return try GuestFrontend(xen, domain, device: device, backend: self.domain)
    }

    /// Whether the backend has nothing of any guest mapped or bound.
    func holdsNothing() -> Bool {
        eventually { xen.mappings(by: domain) == 0 && xen.boundPorts(of: domain).isEmpty }
    }

    func node(_ guest: GuestFrontend, _ name: String) -> String? {
        xen.nodes(under: guest.backend)["\(guest.backend)/\(name)"]
    }
}
