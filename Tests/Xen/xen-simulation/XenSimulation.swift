import ArgumentParser
import Glibc
import Logging
import XenSockAgent
import XenSockBackend
import XenSockDaemon
import XenSockGuest
import XenSockXen

/// A backend domain and a guest's agent in one process, over a simulated Xen: in the place of xensockd, for tests that
/// know nothing of it.
@main
struct XenSimulation: ParsableCommand {
    @Option var socket: String?
    @Option var policy: String?
    /// Sessions at that path are on the device directly.
    @Option var direct: String?
    /// `pvcalls1`: the agent asks for no sessions.
    @Option var dialect = "xensock2"
    @OptionGroup var daemon: DaemonOptions

    func run() throws {
        Process.openStandardDescriptors()
        let ready = ReadyDescriptor(daemon.readyFd)
        do {
            try serve(ready)
        } catch {
            ready.report(error)
            writeAll(2, "xen-simulation: \(error)\n")
            throw ExitCode(1)
        }
    }

    private func serve(_ ready: ReadyDescriptor) throws(DaemonError) {
        guard let path = socket else { throw DaemonError("say with --socket where to listen") }
        let xen = SimulatedXen()
        let service = try Daemon(
            Daemon.Settings(
                name: "xensockd", version: "simulated", socket: path, policy: policy, options: daemon,
                defaultSocket: SessionSocket.defaultPath))
        var upstream: XenUpstream?
        var backend: Backend?
        defer {
            upstream?.stop()
            backend?.stop()
        }
        try service.run(ready: ready) { () throws(DaemonError) in
            do {
                xen.createDomain(1)
                xen.setLimits(of: 1) {
                    $0.grantAllocations = 1 << 20
                    $0.grantTable = 1 << 20
                    $0.eventChannels = 1 << 16
                }
                xen.createDevice("pvcalls", frontend: 1)
                backend = try Backend(xen, path: path + ".dom0", log: service.log)
                let made = try XenUpstream(
                    platform: xen.platform(domain: 1), wantsSessions: dialect == "xensock2",
                    configuration: Dock.Configuration(ownPath: path + ".xen", directPath: direct, grantLimit: 1 << 19),
                    log: service.log, isStopping: { false })
                upstream = made
                return Daemon.Network(sockets: made.network, resolver: made.resolver, join: made.join)
            } catch {
                throw DaemonError("\(error)")
            }
        }
    }
}

/// The service of the simulated control domain, in a thread of its own.
final class Backend {
    private let service: Service
    private var thread = pthread_t()

    init(_ xen: SimulatedXen, path: String, log: Logger) throws {
        guard let resolver = ResolverPool() else { throw DaemonError("cannot make an eventfd") }
        var configuration = ServiceConfiguration(listening: .path(path, mode: 0o600))
        configuration.maximumSessionsPerUser = 4096
        service = try Service(configuration: configuration, policy: AllowAll(), resolver: resolver, log: log)
        var limits = XenConfiguration()
        limits.socketsPerDomain = 1 << 16
        limits.pagesPerDomain = 1 << 20
        let devices = try XenDevices(
            service: service, platform: xen.platform(domain: .control), configuration: limits, log: log)
        let running = Unmanaged.passRetained(Running(service: service, devices: devices))
        pthread_create(
            &thread, nil,
            { argument in
                let running = Unmanaged<Running>.fromOpaque(argument!).takeRetainedValue()
                running.service.run()
                running.devices.stop()
                return nil
            }, running.toOpaque())
    }

    private final class Running {
        let service: Service
        let devices: XenDevices

        init(service: Service, devices: XenDevices) {
            self.service = service
            self.devices = devices
        }
    }

    func stop() {
        service.stop()
        pthread_join(thread, nil)
    }
}

