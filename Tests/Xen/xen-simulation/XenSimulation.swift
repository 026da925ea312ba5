import ArgumentParser
import Glibc
import Logging
import XenSockAgent
import XenSockBackend
import XenSockDaemon
import XenSockGuest
import XenSockXen

/// A backend domain and a guest's agent in one process, over a simulated Xen: in the place of xensockd, for tests that
/// know nothing of it. What tests have happen to the backend they write to the socket PATH.control (`Control`).
@main
struct XenSimulation: ParsableCommand {
    @Option var socket: String?
    @Option var policy: String?
    /// Sessions at that path are on the device directly.
    @Option var direct: String?
    /// Speak PV Calls version 1 to the backend.
    @Flag var calls = false
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
        var control: Control?
        defer {
            upstream?.stop()
            control?.backend?.stop(inOrder: true)
            if control != nil { unlink(path + ".control") }
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
                control = try Control(xen, path: path, log: service.log)
                let made = try XenUpstream(
                    platform: xen.platform(domain: 1), wantsSessions: !calls,
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
