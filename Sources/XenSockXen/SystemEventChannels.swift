import CXenSockXen
import Glibc

/// /dev/xen/evtchn through libxenevtchn.
final class SystemEventChannels: EventChannels, @unchecked Sendable {
    private let handle: OpaquePointer
    let descriptor: Int32

    init() throws(XenError) {
        guard let handle = cxen_open_evtchn() else { throw XenError(.openChannels, errno: Glibc.errno) }
        self.handle = handle
        descriptor = xenevtchn_fd(handle)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    deinit { xenevtchn_close(handle) }

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

    func notify(_ port: UInt32) { xenevtchn_notify(handle, port) }

    func nextPending() -> UInt32? {
        let port = xenevtchn_pending(handle)
        return port < 0 ? nil : UInt32(port)
    }

    func unmask(_ port: UInt32) { xenevtchn_unmask(handle, port) }

    func unbind(_ port: UInt32) { xenevtchn_unbind(handle, port) }

    func restrict(to domain: DomainID) throws(XenError) {
        guard xenevtchn_restrict(handle, domain.rawValue) == 0 else {
            throw XenError(.restrict, errno: Glibc.errno, subject: "to domain \(domain)")
        }
    }
}
