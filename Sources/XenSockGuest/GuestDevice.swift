import CXenSockSystem
import Glibc
import Logging
import XenSockRing
import XenSockWire
import XenSockXen

/// The guest's one PV Calls device: XenBus's frontend (docs/PROTOCOL.md, 5.1 to 5.3).
///
/// It finds the device, waits for one, connects, and connects again whenever the backend comes back, the toolstack makes
/// the device anew, or the guest was resumed. No thread of its own: whoever uses it watches ``descriptor`` for input and
/// calls ``handle()``, always in one thread.
public final class GuestDevice {
    /// Readable when there is something to do. Owned by this object.
    public var descriptor: Int32 { poller.descriptor }
    /// Called when the device is connected. Set `notified` and `ended` of the connection then.
    public var connected: (GuestConnection) -> Void = { _ in }
    /// The connection, while there is one.
    public internal(set) var connection: GuestConnection?
    /// What the backend offered when it was last asked; nil before. Known before the device is connected.
    public internal(set) var dialect: Dialect?

    /// Whether sessions are wanted where the backend has them; without, the dialect is always `pvcalls1`.
    public var wantsSessions: Bool
    let platform: XenPlatform
    let log: Logger
    let poller: Poller

    var handles: Handles?
    var phase = Phase.absent
    var directory = ""
    var backendDirectory = ""
    var backend = DomainID.control
    /// The state that was last written.
    var state = XenBusState.unknown
    var isWaitingReported = false
    var lastError = ""
    var failures: UInt64 = 0
    var connectedAt: UInt64 = 0

    /// XenStore and event channels of /dev/xen, as they were opened together: after a resume all are new.
    struct Handles {
        let store: any XenStore
        let channels: any EventChannels
    }

    enum Phase {
        /// There is no device, or no /dev/xen.
        case absent
        /// Initialising since a time: the backend is to publish.
        case waiting(since: UInt64)
        /// Initialised: the backend is to map.
        case offered(GuestConnection)
        case connected
        /// Closing, until the backend has answered or this time has come.
        case closing(until: UInt64)
        /// Closed since a time, not to be left before another.
        case closed(since: UInt64, until: UInt64)
    }

    private enum Number {
        static let store: UInt64 = 0
        static let channels: UInt64 = 1
    }

    static let second: UInt64 = 1_000_000_000
    /// How long a backend may take to answer Closing.
    static let patience = 5 * second
    static let kind = "device/\(Node.device)"

    /// Opens nothing yet: the first ``handle()`` does, for which ``descriptor`` is readable at once.
    ///
    /// - Throws: if the process has no descriptors left.
    public init(platform: XenPlatform, wantsSessions: Bool = true, log: Logger) throws(XenError) {
        guard let poller = Poller() else { throw XenError(call: "epoll_create1", errno: EMFILE) }
        self.platform = platform
        self.wantsSessions = wantsSessions
        self.log = log
        self.poller = poller
        poller.alarm(after: 0)
    }

    deinit { connection?.finish() }

    /// Does what there is to do. Does not wait, but for XenStore's answers.
    public func handle() {
        var mustLook = false
        poller.wait(0) { number, _ in
            switch number {
            case Number.store:
                while handles?.store.nextEvent() != nil { mustLook = true }
            case Number.channels: takeEvents()
            default: mustLook = true
            }
        }
        var looks = 0
        while mustLook, looks < 16 {
            look()
            looks += 1
            // What came with XenStore's answers is kept by its connection, whose descriptor does not tell.
            mustLook = false
            while handles?.store.nextEvent() != nil { mustLook = true }
        }
        if mustLook { poller.alarm(after: 0) }
    }

    private func takeEvents() {
        guard let channels = handles?.channels else { return }
        // A hostile backend notifies without end; the others have their turn too.
        for _ in 0..<256 {
            guard let port = channels.nextPending() else { return }
            channels.unmask(port)
            connection?.take(port)
        }
    }

    /// Ends the connection in order. Waits for the backend, a second at most.
    public func close() {
        guard handles != nil else { return }
        endConnection()
        if case .absent = phase { return }
        write(.closing)
        let end = monotonicTime() &+ Self.second
        while monotonicTime() < end, let other = try? backendState(), other.rawValue < XenBusState.closing.rawValue {
            var entry = pollfd(fd: handles?.store.descriptor ?? -1, events: Int16(POLLIN), revents: 0)
            poll(&entry, 1, 20)
            while handles?.store.nextEvent() != nil {}
        }
        write(.closed)
        phase = .absent
        forget()
    }

    // MARK: Looking

    private func look() {
        do throws(XenError) {
            if handles == nil { try open() }
            guard try find() else { return }
            try step(try backendState())
        } catch {
            failed(error)
        }
    }

    func open() throws(XenError) {
        let store = try platform.store()
        let channels = try platform.channels()
        try store.watch(Self.kind, token: "device")
        handles = Handles(store: store, channels: channels)
        guard poller.add(store.descriptor, Number.store, EPOLLIN.rawValue),
            poller.add(channels.descriptor, Number.channels, EPOLLIN.rawValue)
        else { throw XenError(call: "epoll_ctl", errno: errno) }
    }

    /// Closes everything of /dev/xen.
    func forget() {
        guard let handles else { return }
        poller.remove(handles.store.descriptor)
        poller.remove(handles.channels.descriptor)
        self.handles = nil
        directory = ""
        backendDirectory = ""
        state = .unknown
    }

    /// XenStore or a device of /dev/xen failed: all are opened anew, later.
    private func failed(_ error: XenError) {
        if error.description != lastError { log.error("\(error)") }
        lastError = error.description
        endConnection()
        phase = .absent
        forget()
        retryLater()
    }

    /// Seconds until the next attempt: 1, 2, 4 and so on, 30 at most.
    private func retryLater() {
        poller.alarm(after: pause())
    }

    func pause() -> UInt64 {
        failures += 1
        return min(30, 1 << min(failures - 1, 5)) * Self.second
    }
}
