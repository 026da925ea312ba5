import CXenSockXen
import Glibc
import Synchronization

/// /dev/xen/evtchn through libxenevtchn.
final class SystemEventChannels: EventChannels, @unchecked Sendable {
    private let handle: OpaquePointer
    let descriptor: Int32
    /// How often the domain had been resumed when these were opened.
    private let birth: UInt64

    private static let resumptions = Atomic<UInt64>(0)

    /// The domain was resumed: Xen knows none of its channels any more, and neither does the kernel. Linux (6.1) ends the
    /// process that unbinds one all the same, or closes the device with one bound (BUG_ON in evtchn_unbind_from_user): they
    /// are left as they are.
    static func loseAll() { resumptions.add(1, ordering: .sequentiallyConsistent) }

    private var isLost: Bool { Self.resumptions.load(ordering: .sequentiallyConsistent) != birth }

    init() throws(XenError) {
        guard let handle = cxen_open_evtchn() else { throw XenError(.openChannels, errno: Glibc.errno) }
        self.handle = handle
        birth = Self.resumptions.load(ordering: .sequentiallyConsistent)
        descriptor = xenevtchn_fd(handle)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    deinit { if !isLost { xenevtchn_close(handle) } }

    func bindUnbound(for domain: DomainID) throws(XenError) -> UInt32 {
        let port = xenevtchn_bind_unbound_port(handle, UInt32(domain.rawValue))
        guard port >= 0 else { throw XenError(.bindUnbound, errno: Glibc.errno, subject: "domain \(domain)") }
        return UInt32(port)
    }

    func bindInterdomain(_ domain: DomainID, port: UInt32) throws(XenError) -> UInt32 {
        let bound = xenevtchn_bind_interdomain(handle, UInt32(domain.rawValue), port)
        guard bound >= 0 else {
            throw XenError(.bindInterdomain, errno: Glibc.errno, subject: "port \(port) of domain \(domain)")
        }
        return UInt32(bound)
    }

    func notify(_ port: UInt32) { if !isLost { xenevtchn_notify(handle, port) } }

    func nextPending() -> UInt32? {
        let port = xenevtchn_pending(handle)
        return port < 0 ? nil : UInt32(port)
    }

    func unmask(_ port: UInt32) { if !isLost { xenevtchn_unmask(handle, port) } }

    func unbind(_ port: UInt32) { if !isLost { xenevtchn_unbind(handle, port) } }

    func restrict(to domain: DomainID) throws(XenError) {
        guard xenevtchn_restrict(handle, domain.rawValue) == 0 else {
            throw XenError(.restrict, errno: Glibc.errno, subject: "to domain \(domain)")
        }
    }
}
