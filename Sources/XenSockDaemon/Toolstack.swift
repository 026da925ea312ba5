import Glibc
import XenSockWire
import XenSockXen

/// Makes and removes a guest's PV Calls device in XenStore, as Xen's toolstack does for `pvcalls=["backend=…"]`, in the
/// control domain, which need not be the backend's (docs/PROTOCOL.md, 5.1).
package struct Toolstack {
    private let store: any XenStore
    private let own: DomainID
    /// Waits between two looks at XenStore.
    private let pause: () -> Void

    /// How often a state is looked at, 20 ms apart.
    private static let looksForInitWait = 100
    private static let looksForClosed = 500

    /// - Throws: ``DaemonError`` if XenStore cannot be reached, or this domain has no number there.
    package init(store: () throws(XenError) -> any XenStore, pause: @escaping () -> Void = { usleep(20_000) })
        throws(DaemonError)
    {
        do throws(XenError) {
            self.store = try store()
            own = try self.store.ownDomain
        } catch {
            throw DaemonError("\(error)\(geteuid() == 0 ? "" : "; run as root")")
        }
        self.pause = pause
    }

    /// A device that `attach` made.
    package struct Device: Equatable {
        package var domain: DomainID
        /// Whether a service has published what it offers.
        package var isServed: Bool
    }

    // MARK: Domains

    /// The domain of a number or a name.
    package func domain(_ text: String) throws(DaemonError) -> DomainID {
        let number = try attempt { () throws(XenError) in try named(text) }
        guard let number else {
            throw DaemonError("there is no domain \"\(text)\"; `xl list` shows those that there are")
        }
        guard try attempt({ () throws(XenError) in try store.isIntroduced(number) }) else {
            throw DaemonError("there is no domain \(number)")
        }
        guard number != own else { throw DaemonError("\(text) is this domain: a domain has no device of its own") }
        return number
    }

    private func named(_ text: String) throws(XenError) -> DomainID? {
        if !text.isEmpty, text.utf8.allSatisfy({ 48...57 ~= $0 }) {
            return UInt16(text).flatMap { $0 < DomainID.firstReserved.rawValue ? DomainID($0) : nil }
        }
        for entry in try store.list("/local/domain") ?? [] {
            guard let number = UInt16(entry) else { continue }
            if try store.read("\(DomainID(number).path)/name") == text { return DomainID(number) }
        }
        return nil
    }

    // MARK: Attaching

    /// Gives `domain` a device.
    ///
    /// - Parameter driver: the backend's domain; nil for this one.
    package func attach(_ domain: DomainID, backend driver: DomainID? = nil) throws(DaemonError) -> Device {
        let driver = driver ?? own
        guard driver != domain else { throw DaemonError("domain \(domain) cannot be its own backend") }
        let frontend = Self.frontend(domain)
        let backend = "\(Self.backends(of: domain, in: driver))/0"
        if let device = try attempt({ () throws(XenError) in try store.list(Self.kind(domain))?.first }) {
            throw DaemonError("domain \(domain) has a device already, \(device); `xensock detach \(domain)` removes it")
        }
        // What is left of a device that went with its frontend.
        try attempt { () throws(XenError) in try store.remove(backend) }
        try attempt { () throws(XenError) in
            // The directories first, with their final permissions, which what is made in them takes over: a frontend that
            // finds nodes that it may not read does not look again.
            try makeDirectory(backend, owner: driver, reader: domain)
            try makeDirectory(frontend, owner: domain, reader: driver)
        }
        do {
            try attempt { () throws(XenError) in
                try write(
                    [
                        (Node.frontend, frontend), (Node.frontendID, "\(domain)"), (Node.online, "1"),
                        (Node.state, "\(XenBusState.initialising.rawValue)"),
                    ], in: backend)
                try record(domain, frontend: frontend, backend: backend)
            }
            // Linux's frontend reads what is offered when it finds the device, and waits for nothing.
            let isServed = try wait(for: [.initWait], in: backend, looks: Self.looksForInitWait)
            try attempt { () throws(XenError) in
                try write(
                    [
                        (Node.backend, backend), (Node.backendID, "\(driver)"),
                        (Node.state, "\(XenBusState.initialising.rawValue)"),
                    ], in: frontend)
            }
            return Device(domain: domain, isServed: isServed)
        } catch {
            try? store.remove(frontend)
            try? store.remove(backend)
            try? store.remove(Self.record(domain))
            throw error
        }
    }

    private func makeDirectory(_ path: String, owner: DomainID, reader: DomainID) throws(XenError) {
        try store.makeDirectory(path)
        try store.setPermissions(path, owner: owner, readers: [reader])
    }

    private func write(_ nodes: [(StaticString, String)], in directory: String) throws(XenError) {
        try store.transaction { (transaction: any XenStoreTransaction) throws(XenError) in
            for (name, value) in nodes { try transaction.write("\(directory)/\(name)", value) }
        }
    }

    /// So that xl removes the device with the domain.
    private func record(_ domain: DomainID, frontend: String, backend: String) throws(XenError) {
        guard try store.list("/libxl/\(domain)") != nil else { return }
        try write([(Node.frontend, frontend), (Node.backend, backend)], in: Self.record(domain))
    }

    // MARK: Detaching

    /// Takes a domain's devices away: those whose backend is this domain, and those that the domain's own nodes name,
    /// whatever their backend's domain is, and whether that is still there.
    ///
    /// - Returns: whether the backends closed them in time.
    package func detach(_ domain: DomainID) throws(DaemonError) -> Bool {
        let devices = try attempt { () throws(XenError) -> [Entry] in try self.devices(of: domain) }
        guard !devices.isEmpty else { throw DaemonError("domain \(domain) has no device") }
        var areClosed = true
        for (device, backend) in devices {
            let isThere = try attempt { () throws(XenError) in try close(backend) }
            if isThere, try !wait(for: [.closed], in: backend, looks: Self.looksForClosed) { areClosed = false }
            try attempt { () throws(XenError) in
                try store.remove("\(Self.kind(domain))/\(device)")
                try store.remove(backend)
                try store.remove("/libxl/\(domain)/device/\(Node.device)/\(device)")
                let directory = String(backend.dropLast(device.utf8.count + 1))
                if try store.list(directory)?.isEmpty == true { try store.remove(directory) }
            }
        }
        return areClosed
    }

    /// Tells a device's backend that it goes.
    ///
    /// - Returns: whether there is a directory of one.
    private func close(_ backend: String) throws(XenError) -> Bool {
        var isThere = false
        // At once: a driver domain's backend removes what it has closed, and a later write would make it again.
        try store.transaction { (transaction: any XenStoreTransaction) throws(XenError) in
            isThere = try transaction.read("\(backend)/\(Node.frontend)") != nil
            guard isThere else { return }
            let state = try transaction.read("\(backend)/\(Node.state)")
            try transaction.write("\(backend)/\(Node.online)", "0")
            if state != "\(XenBusState.closed.rawValue)" {
                try transaction.write("\(backend)/\(Node.state)", "\(XenBusState.closing.rawValue)")
            }
        }
        return isThere
    }

    /// A device's number, and its backend's directory.
    private typealias Entry = (device: String, backend: String)

    private func devices(of domain: DomainID) throws(XenError) -> [Entry] {
        let here = Self.backends(of: domain, in: own)
        var found: [Entry] = try (store.list(here) ?? []).map { ($0, "\(here)/\($0)") }
        for device in try store.list(Self.kind(domain)) ?? [] {
            let number = try store.read("\(Self.kind(domain))/\(device)/\(Node.backendID)")
            guard let driver = number.flatMap({ UInt16($0) }) else { continue }
            // Not what stands in `backend`: the guest may write there, and name another's.
            let backend = "\(Self.backends(of: domain, in: DomainID(driver)))/\(device)"
            if !found.contains(where: { $0.backend == backend }) { found.append((device, backend)) }
        }
        return found
    }

    /// - Returns: whether the backend came to one of `states`, or its directory went, in time.
    private func wait(for states: Set<XenBusState>, in directory: String, looks: Int) throws(DaemonError) -> Bool {
        for look in 0..<looks {
            if look > 0 { pause() }
            let text = try attempt { () throws(XenError) in try store.read("\(directory)/\(Node.state)") }
            guard let text else { return true }
            if let number = UInt32(text), let state = XenBusState(rawValue: number), states.contains(state) {
                return true
            }
        }
        return false
    }

    // MARK: Paths

    private static func kind(_ domain: DomainID) -> String { "\(domain.path)/device/\(Node.device)" }
    private static func frontend(_ domain: DomainID) -> String { "\(kind(domain))/0" }
    private static func record(_ domain: DomainID) -> String { "/libxl/\(domain)/device/\(Node.device)/0" }
    /// Where the backends of a domain's devices are whose domain is `driver`.
    private static func backends(of domain: DomainID, in driver: DomainID) -> String {
        "\(driver.path)/backend/\(Node.device)/\(domain)"
    }

    @discardableResult
    private func attempt<Result>(_ body: () throws(XenError) -> Result) throws(DaemonError) -> Result {
        do throws(XenError) {
            return try body()
        } catch {
            guard error.errno == EACCES || error.errno == EPERM else { throw DaemonError("\(error)") }
            throw DaemonError(
                "\(error); only the control domain makes and removes devices: run there as root, for a device of a driver "
                    + "domain with --backend, or write pvcalls=[\"backend=NAME\"] into the guest's xl configuration")
        }
    }
}
