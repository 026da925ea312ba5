import Glibc
import Logging
import XenSockWire
import XenSockXen

/// The service as a Xen backend: finds the devices that the toolstack makes for it in XenStore, and serves each of them
/// (docs/PROTOCOL.md, 5.1). On the service's thread only, once it runs.
public final class XenDevices {
    private struct Key: Hashable {
        var domain: DomainID
        var number: UInt32
    }

    private unowned let service: Service
    private let platform: XenPlatform
    private let store: any XenStore
    private let configuration: XenConfiguration
    private let log: Logger
    private let kept: XenKeptPages

    private var domains: [DomainID: XenDomain] = [:]
    private var devices: [Key: XenDevice] = [:]
    /// Devices that XenStore said something about.
    private var changed: Set<Key> = []
    /// Whether this is the control domain, which hears of domains that end, and whose toolstack removes devices.
    private let isControl: Bool
    private var isTicking = false
    private var isQueued = false

    /// Relative to this domain's directory.
    private static let directory = "backend/\(Node.device)"
    private static let devicesToken = "devices"
    private static let releaseToken = "release"
    /// Events of XenStore taken in one turn.
    private static let eventBudget = 128

    /// Begins to look for devices. What is offered to those that are there is published before this returns.
    ///
    /// - Throws: `XenError`, or `ServiceError`.
    public init(service: Service, platform: XenPlatform, configuration: XenConfiguration, log: Logger) throws {
        self.service = service
        self.platform = platform
        self.configuration = configuration
        self.log = log
        kept = XenKeptPages(service: service)
        store = try platform.store()
        // What a device needs later is missed now, where somebody is told.
        _ = try platform.channels()
        // A driver domain learns of a guest's end by the directories that go with it.
        isControl = (try? store.ownDomain) ?? .control == .control
        try store.watch(Self.directory, token: Self.devicesToken)
        if isControl { try store.watch("@releaseDomain", token: Self.releaseToken) }
        try service.watch(store.descriptor) { [unowned self] in takeEvents() }
        scan()
        lookAtChanged()
    }

    /// Domains that are known, and devices that are connected.
    public var counts: (domains: Int, connected: Int) {
        (domains.count, devices.values.count { $0.isConnected })
    }

    // MARK: XenStore's events

    private func takeEvents() {
        var isScanDue = false
        var taken = 0
        while taken < Self.eventBudget, let event = store.nextEvent() {
            taken += 1
            switch event.token {
            case Self.devicesToken: isScanDue = note(event.path) || isScanDue
            case Self.releaseToken: changed.formUnion(devices.keys)
            default: if let key = Self.key(event.token.split(separator: "/")) { changed.insert(key) }
            }
        }
        if isScanDue { scan() }
        lookAtChanged()
        // libxenstore's descriptor may not say again what it said once.
        if taken == Self.eventBudget, !isQueued {
            isQueued = true
            service.afterTurn { [weak self] in
                self?.isQueued = false
                self?.takeEvents()
            }
        }
    }

    /// Something below the backend's directory changed.
    ///
    /// - Returns: whether devices may have come or gone.
    private func note(_ path: String) -> Bool {
        guard path.hasPrefix(Self.directory + "/") else { return true }
        let parts = path.dropFirst(Self.directory.utf8.count + 1).split(separator: "/")
        guard let key = Self.key(parts) else { return true }
        let own = [Node.versions, Node.maximumPageOrder, Node.functionCalls, Node.featureXenSock2, Node.error]
        if parts.count == 3, own.contains(where: { parts[2] == "\($0)" }) { return false }
        changed.insert(key)
        return false
    }

    private static func key(_ parts: [Substring]) -> Key? {
        guard parts.count >= 2, let domain = UInt16(parts[0]), let number = UInt32(parts[1]) else { return nil }
        return Key(domain: DomainID(domain), number: number)
    }

    /// Looks at all devices that there are.
    private func scan() {
        do {
            for domain in try store.list(Self.directory) ?? [] {
                guard let id = UInt16(domain) else { continue }
                for device in try store.list("\(Self.directory)/\(domain)") ?? [] {
                    guard let number = UInt32(device) else { continue }
                    changed.insert(Key(domain: DomainID(id), number: number))
                }
            }
            changed.formUnion(devices.keys)
        } catch {
            log.error("cannot look for devices: \(error)")
        }
    }

    private func lookAtChanged() {
        let keys = changed
        changed = []
        var isAlive: [DomainID: Bool] = [:]
        for key in keys {
            // A guest that writes its state without end makes no more questions to XenStore than this.
            if let known = devices[key], !known.mayBeLookedAt { continue }
            let alive = isAlive[key.domain] ?? exists(key.domain)
            isAlive[key.domain] = alive
            if devices[key] == nil { find(key) }
            guard let device = devices[key] else { continue }
            device.look(isAlive: alive)
            settle(device, key)
        }
        // Those whose released sockets still send stay known.
        let inUse = Set(devices.keys.map(\.domain))
        domains = domains.filter { inUse.contains($0.key) || $0.value.sockets > 0 }
        startTicking()
    }

    /// Whether a domain exists, as far as XenStore tells this one.
    private func exists(_ domain: DomainID) -> Bool { !isControl || (try? store.isIntroduced(domain)) ?? true }

    /// A directory that was not known. One that is not complete yet is found again by what is written to it.
    private func find(_ key: Key) {
        let directory = "\(Self.directory)/\(key.domain)/\(key.number)"
        do {
            guard let frontend = try XenDeviceNodes.frontend(of: directory, domain: key.domain, in: store) else {
                return
            }
            let nodes = XenDeviceNodes(store: store, directory: directory, frontend: frontend)
            let own = try nodes.ownState()
            let owner = try domain(key.domain)
            let device = XenDevice(owner: owner, number: key.number, nodes: nodes, own: own, platform: platform)
            try store.watch("\(frontend)/\(Node.state)", token: "\(key.domain)/\(key.number)")
            devices[key] = device
            device.log.info("device found")
        } catch {
            log.error("cannot serve device \(key.number) of domain \(key.domain): \(error)")
        }
    }

    private func domain(_ id: DomainID) throws(XenError) -> XenDomain {
        if let known = domains[id] { return known }
        let name = try? store.read("\(id.path)/name")
        let domain = XenDomain(id: id, name: name, configuration: configuration, log: log, service: service, kept: kept)
        if name == nil {
            domain.log.notice(
                "its name is not to be read here: rules that allow by name do not hold for it, those that deny do")
        }
        domains[id] = domain
        return domain
    }

    private func settle(_ device: XenDevice, _ key: Key) {
        if !isControl, device.isDone {
            do {
                try device.nodes.remove()
                device.remove(reason: "the device was taken away")
            } catch {
                device.log.error("cannot remove the device's nodes: \(error)")
            }
        }
        guard device.isRemoved else { return }
        devices[key] = nil
        try? store.unwatch("\(device.nodes.frontend)/\(Node.state)", token: "\(key.domain)/\(key.number)")
        device.log.info("device removed")
        // It may have been made again since.
        changed.insert(key)
    }

    // MARK: Time

    private func startTicking() {
        guard !isTicking, devices.values.contains(where: { $0.isTimed }) || !changed.isEmpty else { return }
        isTicking = true
        service.everySecond { [weak self] now in self?.tick(now: now) ?? false }
    }

    private func tick(now: UInt64) -> Bool {
        for (key, device) in devices where device.isTimed {
            device.tick(now: now, isAlive: exists(key.domain))
            settle(device, key)
        }
        if !changed.isEmpty { lookAtChanged() }
        isTicking = devices.values.contains { $0.isTimed } || !changed.isEmpty
        return isTicking
    }

    // MARK: Names

    /// The name of a guest, as the toolstack gave it; nil if it is not known.
    public func name(of domain: UInt16) -> String? { domains[DomainID(domain)]?.name }

    // MARK: The end

    /// Ends all connections, says so to the frontends, and waits until they have closed, at most `limit` seconds. To be
    /// called when the service no longer runs, and before it goes.
    public func stop(limit: Double = 2) {
        service.unwatch(store.descriptor)
        for device in devices.values { device.beginStop() }
        let end = service.kernel.now() &+ UInt64(limit * 1_000_000_000)
        while true {
            let now = service.kernel.now()
            let isForced = now >= end
            let left = devices.values.filter { !$0.endStop(isForced: isForced) }
            if left.isEmpty || isForced { break }
            var descriptor = pollfd(fd: store.descriptor, events: Int16(POLLIN), revents: 0)
            _ = poll(&descriptor, 1, Int32((end - now) / 1_000_000 + 1))
            while store.nextEvent() != nil {}
        }
        for device in devices.values { device.remove(reason: "the service ends") }
        devices = [:]
        for domain in domains.values { domain.abandon() }
        domains = [:]
    }
}
