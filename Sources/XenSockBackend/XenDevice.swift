import Logging
import XenSockWire
import XenSockXen

/// One device of a guest: its part of XenBus, its event channels, and the connection that it carries while connected
/// (docs/PROTOCOL.md, 5.1 and 5.2). Whatever its frontend does costs only this device.
final class XenDevice: XenDeviceServices {
    let owner: XenDomain
    /// The device's number in its domain.
    let number: UInt32
    let nodes: XenDeviceNodes
    let mapper: any GrantMapper
    let kept: XenKeptPages
    let log: Logger
    private let platform: XenPlatform
    private unowned let service: Service

    private var bus: XenBusBackend
    /// What the frontend offered for the connection that there is.
    private var offer: XenDeviceNodes.Offer?
    private var channels: (any EventChannels)?
    private var handlers: [UInt32: () -> Void] = [:]
    private var connection: (any XenConnection)?
    /// What the guest did against the protocol in this turn.
    private var violation: String?
    /// Until when the frontend may take to close.
    private var closingEnd: UInt64?
    /// How often the device may be looked at before the next second: a guest can write its state without end.
    private var looks = maximumLooks
    private(set) var isRemoved = false

    /// Events taken in one turn. What is left comes in the next one.
    private static let eventBudget = 64
    private static let maximumLooks = 64

    var domain: DomainID { owner.id }
    var maximumPageOrder: UInt32 { owner.configuration.maximumPageOrder }
    var maximumSockets: Int { owner.configuration.socketsPerDomain }
    var isConnected: Bool { connection != nil }
    var state: XenBusState { bus.state }

    /// - Parameter own: the state in which the device was found.
    init(owner: XenDomain, number: UInt32, nodes: XenDeviceNodes, own: XenBusState?, platform: XenPlatform) {
        self.owner = owner
        self.number = number
        self.nodes = nodes
        self.platform = platform
        service = owner.service
        bus = XenBusBackend(own: own)
        kept = owner.kept
        mapper = XenDomainMapper(platform.mapper, owner: owner, device: number)
        var log = owner.log
        log[metadataKey: "device"] = "\(number)"
        self.log = log
    }

    // MARK: XenBus

    /// Looks at XenStore and does what follows from it.
    ///
    /// - Parameter isAlive: whether the domain exists.
    func look(isAlive: Bool = true) {
        guard !isRemoved else { return }
        guard looks > 0 else { return }
        looks -= 1
        do {
            // Four: ended, published, connected, and nothing more to do.
            for _ in 0..<4 {
                let own = try nodes.ownState()
                if own == nil, try nodes.store.read("\(nodes.directory)/\(Node.frontend)") == nil {
                    return remove(reason: "the device was removed")
                }
                let step = bus.next(try view(own: own, isAlive: isAlive))
                try perform(step)
                if step == .wait { return }
            }
        } catch {
            owner.report(.error, device: number, "XenStore: \(error)")
        }
    }

    private func view(own: XenBusState?, isAlive: Bool) throws(XenError) -> XenBusBackend.View {
        var view = XenBusBackend.View(own: own)
        view.frontend = isAlive ? try nodes.frontendState() : nil
        view.isOnline = try nodes.isOnline()
        if let closingEnd { view.isExpired = service.kernel.now() >= closingEnd }
        if bus.state == .connected, let offer, view.frontend == .initialised || view.frontend == .connected {
            if case .success(let other) = try nodes.offer() { view.isOtherRing = other != offer }
        }
        return view
    }

    private func perform(_ step: XenBusBackend.Step) throws(XenError) {
        switch step {
        case .wait:
            return
        case .publish:
            disconnect(reason: "the frontend began again")
            try nodes.publish(
                maximumPageOrder: owner.configuration.maximumPageOrder, hasSessions: XenConnections.hasSessions)
        case .connect:
            disconnect(reason: "the frontend began again")
            if let reason = try connect() {
                owner.report(device: number, "cannot connect: \(reason)")
                try fail(reason)
            }
        case .end(let state):
            disconnect(reason: state == .closing ? "closing" : "closed")
            try nodes.setState(state)
        }
        closingEnd = bus.state == .closing ? service.kernel.now() &+ owner.configuration.closingLimit : nil
    }

    /// Ends the connection because of `reason`, and tells the frontend.
    private func fail(_ reason: String) throws(XenError) {
        disconnect(reason: reason)
        bus.fail()
        try nodes.setError(reason)
        try nodes.setState(.closing)
        closingEnd = service.kernel.now() &+ owner.configuration.closingLimit
    }

    /// Once a second.
    func tick(now: UInt64, isAlive: Bool) {
        let wasHeldUp = looks == 0
        looks = min(Self.maximumLooks, looks + Self.maximumLooks / 4)
        if wasHeldUp || closingEnd.map({ now >= $0 }) == true { look(isAlive: isAlive) }
    }

    /// Whether the toolstack has taken the device away, and this side closed it. Removing its nodes is the toolstack's work
    /// in the control domain; for the device of a driver domain the toolstack waits until the driver domain does it.
    var isDone: Bool { bus.state == .closed && !isRemoved && (try? nodes.isOnline()) == false }

    /// Whether this second's looks are not used up. One that is not looked at now is with the next second.
    var mayBeLookedAt: Bool { looks > 0 }

    /// Whether time alone will change something.
    var isTimed: Bool { closingEnd != nil || looks < Self.maximumLooks }

    // MARK: The connection

    /// - Returns: nil, or why it could not be made.
    private func connect() throws(XenError) -> String? {
        let offer: XenDeviceNodes.Offer
        switch try nodes.offer() {
        case .success(let good): offer = good
        case .failure(let error): return error.reason
        }
        let ring: GrantMapping
        let port: UInt32
        do {
            ring = try mapper.map([offer.ring], of: domain)
        } catch {
            return "ring-ref \(offer.ring): \(error)"
        }
        do {
            let channels = try platform.channels()
            port = try channels.bindInterdomain(domain, port: offer.port)
            try service.watch(channels.descriptor) { [weak self] in self?.takeEvents() }
            self.channels = channels
        } catch {
            ring.unmap()
            return "port \(offer.port): \(error)"
        }
        let connection = XenConnections.make(offer, service, self, ring, port)
        self.connection = connection
        self.offer = offer
        handlers[port] = { [unowned connection] in connection.notified() }
        try nodes.setState(.connected)
        owner.report(
            .info, device: number,
            "connected, \(offer.isXenSock2 && XenConnections.hasSessions ? "xensock2" : "pvcalls1")")
        // Requests may be there already.
        connection.notified()
        return nil
    }

    private func disconnect(reason: String) {
        guard let connection else { return }
        self.connection = nil
        offer = nil
        connection.close()
        handlers = [:]
        if let channels { service.unwatch(channels.descriptor) }
        channels = nil
        violation = nil
        owner.report(.info, device: number, "disconnected: \(reason)")
    }

    /// Takes the events that are there; their ports stay masked until what they announced has had its turn.
    private func takeEvents() {
        guard let channels else { return }
        var taken: [UInt32] = []
        while taken.count < Self.eventBudget, self.channels === channels, let port = channels.nextPending() {
            taken.append(port)
            handlers[port]?()
        }
        guard !taken.isEmpty else { return }
        service.afterTurn { [weak self, weak channels] in
            guard let channels, self?.channels === channels else { return }
            for port in taken { channels.unmask(port) }
        }
    }

    // MARK: XenDeviceServices

    func bind(remotePort: UInt32, _ handler: @escaping () -> Void) throws(XenError) -> UInt32 {
        guard let channels else { throw XenError(.bindInterdomain, errno: Errno.einval, subject: "\(remotePort)") }
        let port = try channels.bindInterdomain(domain, port: remotePort)
        handlers[port] = handler
        return port
    }

    func unbind(_ port: UInt32) {
        handlers[port] = nil
        channels?.unbind(port)
    }

    func notify(_ port: UInt32) { channels?.notify(port) }

    func report(_ level: Logger.Level, _ text: @autoclosure () -> String) {
        owner.report(level, device: number, text())
    }

    func violated(_ reason: String) {
        guard violation == nil, connection != nil else { return }
        violation = reason
        service.afterTurn { [weak self] in
            guard let self, violation == reason, connection != nil else { return }
            owner.report(device: number, "the frontend broke the protocol: \(reason)")
            do {
                try fail("protocol violation: \(reason)")
            } catch {
                owner.report(.error, device: number, "XenStore: \(error)")
            }
        }
    }

    // MARK: The end

    /// The device is no more.
    func remove(reason: String) {
        guard !isRemoved else { return }
        isRemoved = true
        disconnect(reason: reason)
    }

    /// The service ends: begins to close, and says so. One that waits for its frontend goes on waiting, for the next
    /// service: what it published still stands.
    func beginStop() {
        guard !isRemoved, bus.state == .connected else { return }
        disconnect(reason: "the service ends")
        bus.fail()
        try? nodes.setState(.closing)
    }

    /// - Parameter isForced: whether the frontend has had its time.
    /// - Returns: whether the device is as it shall be left.
    func endStop(isForced: Bool) -> Bool {
        guard !isRemoved, bus.state == .closing else { return true }
        let frontend = try? nodes.frontendState()
        let isClosed = frontend == nil || frontend == .closed || frontend == .unknown
        guard isForced || isClosed else { return false }
        try? nodes.setState(.closed)
        bus.state = .closed
        return true
    }
}
