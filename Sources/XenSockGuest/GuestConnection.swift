import Logging
import XenSockRing
import XenSockWire
import XenSockXen

/// A connected device of the guest: what stands between Connected and whatever ends that (docs/PROTOCOL.md, 5.2).
///
/// For the thread that drives its ``GuestDevice``. The device keeps it as long as it lasts; after its end all calls do
/// nothing.
public final class GuestConnection {
    /// `xensock2` if the backend offered sessions (docs/PROTOCOL.md, 3.7), else `pvcalls1`.
    public let dialect: Dialect
    /// The domain that pages are granted to.
    public let backend: DomainID
    /// The largest order of a data ring that the backend maps, 1 to 9.
    public let maximumPageOrder: UInt32
    /// Whether the backend answers commands at all (`function-calls`).
    public let performsCalls: Bool
    public let allocator: any GrantAllocator
    /// The command ring: write `nextRequest`, `push`, and ``notify()`` if that says so; one that is full waits for
    /// responses.
    public var ring: CommandRingFront
    /// Called at each event of the command ring: take the responses, and stop only when `awaitResponse` is true.
    public var notified: () -> Void = {}
    /// Called once, when the connection is over: every socket gets the error of 5.2, rule 3, and what was granted is
    /// freed (the kernel keeps pages that the backend still maps). No response will come.
    public var ended: () -> Void = {}
    public private(set) var isOpen = true

    private let page: GrantAllocation
    private let port: UInt32
    private let channels: any EventChannels
    private var handlers: [UInt32: () -> Void] = [:]
    private let fail: (String) -> Void

    init(
        _ offer: Offer, dialect: Dialect, backend: DomainID, maximumPageOrder: UInt32, performsCalls: Bool,
        allocator: any GrantAllocator, channels: any EventChannels, fail: @escaping (String) -> Void
    ) {
        self.dialect = dialect
        self.backend = backend
        self.maximumPageOrder = maximumPageOrder
        self.performsCalls = performsCalls
        self.allocator = allocator
        self.channels = channels
        self.fail = fail
        ring = offer.ring
        page = offer.page
        port = offer.port
    }

    /// A command ring that was granted and not yet mapped.
    struct Offer {
        let page: GrantAllocation
        let ring: CommandRingFront
        let port: UInt32
    }

    /// Sends the command ring's event.
    public func notify() { if isOpen { channels.notify(port) } }

    /// Makes an event channel for the backend to bind, as a data ring has one.
    ///
    /// - Parameter handler: called at each event; what comes while it runs makes another.
    /// - Returns: the port to name in a request.
    public func bind(_ handler: @escaping () -> Void) throws(XenError) -> UInt32 {
        let port = try channels.bindUnbound(for: backend)
        handlers[port] = handler
        return port
    }

    /// Sends an event to who has bound `port`.
    public func notify(_ port: UInt32) { if isOpen { channels.notify(port) } }

    /// Closes a port that `bind` made. Its handler is not called any more.
    public func unbind(_ port: UInt32) {
        guard handlers.removeValue(forKey: port) != nil else { return }
        channels.unbind(port)
    }

    /// The backend broke the protocol: the device goes to Closing, with `reason` in the log and in XenStore, and tries
    /// again later. Ends this connection before it returns.
    public func violated(_ reason: String) { if isOpen { fail(reason) } }

    /// An event came at `port`.
    func take(_ port: UInt32) {
        guard isOpen else { return }
        if port == self.port { notified() } else { handlers[port]?() }
    }

    /// Ends it and gives everything back.
    func finish() {
        guard isOpen else { return }
        isOpen = false
        let ended = ended
        self.ended = {}
        notified = {}
        ended()
        for port in handlers.keys { channels.unbind(port) }
        handlers = [:]
        channels.unbind(port)
        page.free()
    }
}
