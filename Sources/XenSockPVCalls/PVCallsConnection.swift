import XenSockRing
import XenSockXen

/// A connected PV Calls device, as its network uses it: what stands between Connected and whatever ends that
/// (docs/PROTOCOL.md, 5.2). For one thread. After its end all calls do nothing.
public protocol PVCallsConnection: AnyObject {
    /// The domain that pages are granted to.
    var backend: DomainID { get }
    /// The largest order of a data ring that the backend maps, 1 to 9.
    var maximumPageOrder: UInt32 { get }
    /// Whether the backend answers commands at all (`function-calls`).
    var performsCalls: Bool { get }
    var allocator: any GrantAllocator { get }
    /// The command ring, with nothing under way.
    var ring: CommandRingFront { get set }
    /// Called at each event of the command ring.
    var notified: () -> Void { get set }
    /// Called once, when the connection is over. No response will come.
    var ended: () -> Void { get set }

    /// Sends the command ring's event.
    func notify()
    /// Makes an event channel for the backend to bind. `handler` is called at each event; what comes while it runs makes
    /// another.
    func bind(_ handler: @escaping () -> Void) throws(XenError) -> UInt32
    /// Sends an event to who has bound `port`.
    func notify(_ port: UInt32)
    /// Closes a port that `bind` made. Its handler is not called any more.
    func unbind(_ port: UInt32)
    /// The backend broke the protocol, for the log. Ends this connection before it returns.
    func violated(_ reason: String)
}
