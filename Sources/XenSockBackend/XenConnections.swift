import XenSockXen

/// What a device can carry, chosen by what its frontend wrote (docs/PROTOCOL.md, 3.7).
enum XenConnections {
    /// Whether `feature-xensock2` is published.
    static let hasSessions = true

    static func make(
        _ offer: XenDeviceNodes.Offer, _ service: Service, _ device: XenDevice, _ ring: GrantMapping, _ port: UInt32
    ) -> any XenConnection {
        if offer.isXenSock2 { return XenSessions(service: service, device: device, ring: ring, port: port) }
        return XenV1Connection(
            service: service, device: device, ring: ring, port: port, domain: device.owner, number: device.number)
    }
}
