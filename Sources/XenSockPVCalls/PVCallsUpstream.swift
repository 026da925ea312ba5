import Glibc
import Logging
import XenSockBackend
import XenSockGuest
import XenSockXen

extension GuestConnection: PVCallsConnection {}

/// A backend domain that speaks PV Calls version 1, behind the agent: the guest's device, and the network over it.
///
/// There is one in a process.
public final class PVCallsUpstream {
    public let network: PVCallsNetwork
    /// Version 1 has no names.
    public let resolver: any NameResolver
    private let device: GuestDevice

    /// - Parameter device: driven by this object from now on.
    /// - Throws: if the process has no descriptors left.
    public init(device: GuestDevice, log: Logger) throws(XenError) {
        guard let resolver = NumericResolver() else { throw XenError(call: "eventfd", errno: EMFILE) }
        self.resolver = resolver
        let network = try PVCallsNetwork(log: log)
        device.connected = { network.attach($0) }
        if let connection = device.connection { network.attach(connection) }
        network.renew = { [unowned device] in
            device.renew("the backend owes answers that it will never give, and no socket is open")
        }
        self.network = network
        self.device = device
    }

    /// Takes part in the reactor of the service that uses ``network`` and ``resolver``, which then keeps this.
    ///
    /// - Throws: `ServiceError`.
    public func join(_ service: Service) throws {
        try network.join(service)
        try service.watch(device.descriptor) { [self] in device.handle() }
    }

    /// Ends the device in order. The service has returned.
    public func stop() { device.close() }
}
