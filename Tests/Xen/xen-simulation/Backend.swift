import Glibc
import Logging
import Synchronization
import XenSockBackend
import XenSockDaemon
import XenSockXen

/// The service of the simulated control domain, in a thread of its own.
final class Backend {
    private let running: Running
    private var thread = pthread_t()

    private final class Running: Sendable {
        nonisolated(unsafe) let service: Service
        nonisolated(unsafe) var devices: XenDevices?
        let endsInOrder = Atomic(true)

        init(service: Service, devices: XenDevices) {
            self.service = service
            self.devices = devices
        }

        func run() {
            service.run()
            if endsInOrder.load(ordering: .acquiring) { devices?.stop() }
            devices = nil
        }
    }

    init(_ xen: SimulatedXen, path: String, log: Logger) throws {
        guard let resolver = ResolverPool() else { throw DaemonError("cannot make an eventfd") }
        var configuration = ServiceConfiguration(listening: .path(path, mode: 0o600))
        configuration.maximumSessionsPerUser = 4096
        let service = try Service(configuration: configuration, policy: AllowAll(), resolver: resolver, log: log)
        var limits = XenConfiguration()
        limits.socketsPerDomain = 1 << 16
        limits.pagesPerDomain = 1 << 20
        let devices = try XenDevices(
            service: service, platform: xen.platform(domain: .control), configuration: limits, log: log)
        running = Running(service: service, devices: devices)
        pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Running>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(running).toOpaque())
    }

    /// - Parameter inOrder: whether it closes its devices first, or is gone as if killed.
    func stop(inOrder: Bool) {
        running.endsInOrder.store(inOrder, ordering: .releasing)
        running.service.stop()
        pthread_join(thread, nil)
    }
}

/// Lets things happen to the backend, one a datagram at PATH.control, which is answered when it has: `stop`, `crash`,
/// `start`, `resume` (the toolstack makes the device anew, as after a migration).
final class Control: @unchecked Sendable {
    private(set) var backend: Backend?
    private let xen: SimulatedXen
    private let path: String
    private let log: Logger
    private let socket: Int32

    init(_ xen: SimulatedXen, path: String, log: Logger) throws {
        self.xen = xen
        self.path = path
        self.log = log
        socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        backend = try Backend(xen, path: path + ".dom0", log: log)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: (path + ".control").utf8.prefix(107)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0 else { throw DaemonError("\(path).control: errno \(errno)") }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                let control = Unmanaged<Control>.fromOpaque(argument!).takeRetainedValue()
                while true { control.takeCommand() }
            }, Unmanaged.passRetained(self).toOpaque())
    }

    private func takeCommand() {
        var bytes = [UInt8](repeating: 0, count: 64)
        var sender = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        withUnsafeMutablePointer(to: &sender) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                let count = recvfrom(socket, &bytes, bytes.count, 0, address, &length)
                guard count > 0 else { return }
                perform(String(decoding: bytes.prefix(count), as: UTF8.self))
                _ = sendto(socket, "done", 4, 0, address, length)
            }
        }
    }

    private func perform(_ command: String) {
        switch command {
        case "stop", "crash":
            backend?.stop(inOrder: command == "stop")
            backend = nil
        case "start": backend = try? Backend(xen, path: path + ".dom0", log: log)
        case "resume":
            let store = try? xen.platform(domain: .control).store()
            try? store?.remove("/local/domain/1/device/pvcalls/0")
            try? store?.remove("/local/domain/0/backend/pvcalls/1/0")
            xen.createDevice("pvcalls", frontend: 1)
        default: log.error("no such command: \(command)")
        }
    }
}
