/// Event channels of one open /dev/xen/evtchn: one bit each way for each, and who is told.
///
/// Not for use by several threads at a time, `notify` excepted. All ports are unbound with the object.
public protocol EventChannels: AnyObject, Sendable {
    /// Readable when an event is pending; non-blocking, close-on-exec. For epoll.
    ///
    /// A duplicate in another process can notify, wait and unmask: each event goes to one reader.
    var descriptor: Int32 { get }

    /// Makes a port that `domain` may bind (`xenevtchn_bind_unbound_port`).
    func bindUnbound(for domain: DomainID) throws(XenError) -> UInt32

    /// Binds a port of this domain to `port` of `domain` (`xenevtchn_bind_interdomain`). The new port is pending at
    /// once: the other end may have notified before.
    func bindInterdomain(_ domain: DomainID, port: UInt32) throws(XenError) -> UInt32

    /// Makes the other end of a port bound here pending. Without effect if there is none.
    func notify(_ port: UInt32)

    /// A port that was notified, without waiting; nil if there is none. It stays masked, so that what comes meanwhile
    /// is kept, until `unmask`.
    func nextPending() -> UInt32?

    /// Lets the port become pending again. Do it before looking for what the event announced.
    func unmask(_ port: UInt32)

    /// Closes the port. Its other end becomes unbound, and may be bound again.
    func unbind(_ port: UInt32)

    /// Allows binding to `domain` only, for good; bound ports stay (`xenevtchn_restrict`). Not to domain 0 (EINVAL).
    func restrict(to domain: DomainID) throws(XenError)
}
