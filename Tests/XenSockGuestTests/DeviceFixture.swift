import Glibc
import Logging
import Testing
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockGuest

/// A guest's device over a simulated Xen, and the other end of it, which writes what a test says.
final class DeviceFixture {
    static let guest = DomainID(1)
    let xen = SimulatedXen()
    let platform: XenPlatform
    let control: XenPlatform
    let store: any XenStore
    let device: GuestDevice
    var connections: [GuestConnection] = []
    var ends = 0

    var frontend: String { "\(Self.guest.path)/device/pvcalls/0" }
    var backend: String { "\(server.path)/backend/pvcalls/\(Self.guest)/0" }
    /// The backend's domain.
    var server: DomainID

    init(hasDevice: Bool = true, wantsSessions: Bool = true, backend server: DomainID = .control) throws {
        self.server = server
        if server != .control { xen.createDomain(server) }
        platform = xen.platform(domain: Self.guest)
        control = xen.platform(domain: .control)
        if hasDevice { xen.createDevice("pvcalls", frontend: Self.guest, backend: server) }
        store = try control.store()
        var log = Logger(label: "test")
        log.logLevel = .critical
        device = try GuestDevice(platform: platform, wantsSessions: wantsSessions, log: log)
        device.connected = { [weak self] connection in
            guard let self else { return }
            connections.append(connection)
            connection.ended = { [weak self] in self?.ends += 1 }
        }
    }

    /// Lets the device do what there is to do, until it has nothing more.
    func settle() {
        for _ in 0..<100 {
            var entry = pollfd(fd: device.descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 5) > 0 else { return }
            device.handle()
        }
        Issue.record("the device never rests")
    }

    func frontendNode(_ name: StaticString) -> String? { try? store.read("\(frontend)/\(name)") }

    func write(_ state: XenBusState) throws {
        try store.write("\(backend)/state", "\(state.rawValue)")
        settle()
    }

    func publish(sessions: Bool = true, versions: String = "1") throws {
        try store.write("\(backend)/versions", versions)
        try store.write("\(backend)/max-page-order", "8")
        try store.write("\(backend)/function-calls", "1")
        if sessions { try store.write("\(backend)/feature-xensock2", "1") }
        try write(.initWait)
    }

    var state: XenBusState? { frontendNode(Node.state).flatMap { UInt32($0) }.flatMap { XenBusState(rawValue: $0) } }

    /// What the frontend wrote, mapped and bound as a backend does.
    func accept() throws -> (ring: GrantMapping, channels: any EventChannels, port: UInt32) {
        let reference = try #require(frontendNode(Node.ringReference).flatMap { UInt32($0) })
        let port = try #require(frontendNode(Node.port).flatMap { UInt32($0) })
        let ring = try control.mapper.map([reference], of: Self.guest)
        let channels = try control.channels()
        return (ring, channels, try channels.bindInterdomain(Self.guest, port: port))
    }
}
