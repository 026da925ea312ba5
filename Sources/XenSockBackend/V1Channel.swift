import XenSockRing
import XenSockWire

/// A data ring that a frontend granted, mapped.
struct V1Mapping {
    let ring: V1Ring
    /// Gives the mapping back.
    let unmap: () -> Void
}

/// What lies between one socket of `draft1` or `pvcalls1` and its frontend: mapping, events, and what the platform shows
/// beside the dialect. On Xen an event channel; on the local platform the port's status line and placeholder
/// (`LocalChannel`). Never called while the socket is being changed.
protocol V1Channel: AnyObject {
    /// Maps what a CONNECT or ACCEPT names: order and references are read once, here.
    ///
    /// - Returns: nil for an order or a reference out of bounds, or a channel that is not this one.
    func map(_ ring: RingReference, _ pages: Draft1Pages, _ eventChannel: EventChannelPort) -> V1Mapping?

    /// in_prod moved, or in_error was set: notifies.
    ///
    /// - Parameter isEmpty: whether the frontend has taken everything, looked at when it is called.
    func published(isEmpty: () -> Bool) throws(RingViolation)

    /// out_cons moved, or out_error was set: notifies.
    ///
    /// - Parameter hasRoom: a program may write again: half of `out` is free, or it would get an error.
    func consumed(hasRoom: Bool) throws(RingViolation)

    /// The frontend asked to look again.
    func look(isEmpty: () -> Bool, hasRoom: Bool) throws(RingViolation)

    /// The socket's state changed; `error` is a positive errno, or 0.
    func show(_ state: StatusLine.State, error: Int32)

    /// The held POLL of a listener is answered.
    func announceArrival() throws(RingViolation)

    /// The held POLL went with its session.
    func losePoll() throws(RingViolation)

    /// The stream has ended, after `published`.
    func endInput()

    /// The socket is gone, the ring unmapped.
    func close()
}
