import Glibc
import Logging
import XenSockBackend
import XenSockGuest
import XenSockPVCalls
import XenSockWire
import XenSockXen

/// The backend domain behind the agent: the guest's device in the place of a service's session socket
/// (docs/PROTOCOL.md, 3.7).
///
/// There is one in a process.
public final class XenUpstream {
    public let network: any SocketNetwork
    public let resolver: any NameResolver
    private let device: GuestDevice
    private let dock: Dock?
    private let joined: (Service) throws -> Void

    /// Finds the device, and what its backend speaks; waits for both, and says so.
    ///
    /// - Parameters:
    ///   - wantsSessions: `xensock2` where the backend has it; else `pvcalls1` in any case.
    ///   - fence: see `Dock`.
    ///   - listenerWait: for how many seconds the backend may refuse to make a listener again.
    ///   - isStopping: asked now and then while it waits.
    /// - Throws: ``UpstreamError``.
    public init(
        platform: XenPlatform, wantsSessions: Bool, configuration: Dock.Configuration,
        fence: (any DockFence)? = nil, listenerWait: Int = 70, log: Logger, isStopping: () -> Bool
    ) throws(UpstreamError) {
        do throws(XenError) {
            // What is missing is missed now, where somebody is told.
            _ = try platform.store()
            _ = try platform.channels()
            try platform.allocator.allocate(pages: 1, for: .control).free()
            device = try GuestDevice(platform: platform, wantsSessions: wantsSessions, log: log)
        } catch {
            throw UpstreamError(description: "--xen: \(error)")
        }
        // A backend that publishes is hardly done with the rest; programs that begin now would miss it.
        let end = monotonicSeconds() + 5
        while device.connection == nil, device.dialect == nil || monotonicSeconds() < end {
            var entry = pollfd(fd: device.descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&entry, 1, 500) > 0 { device.handle() }
            if isStopping() { throw UpstreamError(description: "stopped while it waited for the device") }
        }
        guard device.dialect == .xensock2 else {
            // Its sockets would not survive a change of dialect anyway; the network stays what it is.
            device.wantsSessions = false
            let device = device
            guard let calls = try? PVCallsNetwork(log: log), let resolver = NumericResolver() else {
                throw UpstreamError(description: "the process has no descriptors left")
            }
            device.connected = { calls.attach($0) }
            calls.renewalPatience = UInt64(max(0, listenerWait)) &* 1_000_000_000
            calls.renew = { device.reconnect("requests that are not answered") }
            if let connection = device.connection { calls.attach(connection) }
            dock = nil
            network = calls
            self.resolver = resolver
            joined = { service in
                try calls.join(service)
                try service.watch(device.descriptor) { device.handle() }
            }
            return
        }
        do throws(DockError) {
            let dock = try Dock(
                device: device, platform: platform, configuration: configuration, fence: fence, log: log)
            self.dock = dock
            dock.start()
        } catch {
            throw UpstreamError(description: "\(error)")
        }
        let upstream = try Upstream(
            path: configuration.ownPath, dialect: "xensock2", listenerWait: listenerWait, log: log)
        network = upstream.network
        resolver = upstream.resolver
        joined = upstream.join
    }

    /// Takes part in the reactor of the service that uses ``network`` and ``resolver``.
    ///
    /// - Throws: `ServiceError`.
    public func join(_ service: Service) throws { try joined(service) }

    /// Whom the direct socket serves from now on; see `Dock`.
    public func admit(_ admission: DockAdmission) { dock?.admit(admission) }

    /// Ends the device in order. The service has returned.
    public func stop() {
        if let dock { dock.stop() } else { device.close() }
    }
}

extension GuestConnection: PVCallsConnection {}

private func monotonicSeconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec
}
