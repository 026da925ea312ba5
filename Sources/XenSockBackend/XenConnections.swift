import XenSockXen

/// What a device can carry, chosen by what its frontend wrote (docs/PROTOCOL.md, 3.7).
enum XenConnections {
    /// Whether `feature-xensock2` is published.
    static let hasSessions = false

    static func make(
        _ offer: XenDeviceNodes.Offer, _ service: Service, _ device: XenDevice, _ ring: GrantMapping, _ port: UInt32
    ) -> any XenConnection {
        XenV1Connection(
            service: service, device: device, ring: ring, port: port, domain: device.owner, number: device.number)
    }
}
