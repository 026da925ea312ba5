import Glibc
import XenSockWire
import XenSockXen

/// The device's nodes in XenStore: which device there is, what its backend says, and what this side says.
extension GuestDevice {
    /// Finds the device, and whether it is still the one that was found before.
    ///
    /// - Returns: whether there is one.
    func find() throws(XenError) -> Bool {
        guard let store = handles?.store else { return false }
        let numbers = try store.list(Self.kind) ?? []
        guard let number = numbers.compactMap({ UInt32($0) }).min(),
            let path = try store.read("\(Self.kind)/\(number)/\(Node.backend)"),
            let domain = try store.read("\(Self.kind)/\(number)/\(Node.backendID)").flatMap({ UInt16($0) })
        else {
            if !directory.isEmpty { log.warning("the device is gone") }
            vanish()
            if !isWaitingReported {
                isWaitingReported = true
                log.notice(
                    "no \(Self.kind)/<n> in XenStore: waiting for one (pvcalls=[\"backend=0\"] in the guest's xl.cfg, or \"xensock attach\" in dom0)"
                )
            }
            return false
        }
        let found = "\(Self.kind)/\(number)"
        let own = try state(store.read("\(found)/\(Node.state)"))
        if found == directory, path == backendDirectory, domain == backend.rawValue, own == state { return true }
        if !directory.isEmpty {
            // Made anew by the toolstack, or the guest was resumed: then nothing of before is worth anything.
            log.warning("the device was made anew")
            // One that a toolstack takes away says goodbye: without it, this is another life of the domain.
            platform.resumed()
            vanish()
            forget()
            try open()
        }
        isWaitingReported = false
        try begin(found, path, DomainID(domain), own)
        return true
    }

    func vanish() {
        endConnection()
        phase = .absent
        if let store = handles?.store, !backendDirectory.isEmpty {
            try? store.unwatch("\(backendDirectory)/\(Node.state)", token: "backend")
        }
        directory = ""
        backendDirectory = ""
    }

    func begin(
        _ found: String, _ path: String, _ domain: DomainID, _ own: XenBusState
    ) throws(XenError) {
        guard let store = handles?.store else { return }
        try store.watch("\(path)/\(Node.state)", token: "backend")
        directory = found
        backendDirectory = path
        backend = domain
        state = own
        log.debug("found \(found), backend \(path)")
        switch own {
        case .initialising: phase = .waiting(since: monotonicTime())
        case .closed: phase = .closed(since: 0, until: 0)
        case .unknown:
            write(.initialising)
            phase = .waiting(since: monotonicTime())
        default:
            // Whoever wrote that is dead; the backend may still map its pages.
            write(.closed)
            phase = .closed(since: monotonicTime(), until: 0)
        }
    }

    /// Unknown if there is no such node. Where the backend's domain has gone, XenStore says EACCES: this domain may not look
    /// at what is above.
    func backendState() throws(XenError) -> XenBusState {
        guard let store = handles?.store, !backendDirectory.isEmpty else { return .unknown }
        do throws(XenError) {
            return state(try store.read("\(backendDirectory)/\(Node.state)"))
        } catch {
            guard error.errno == EACCES else { throw error }
            return .unknown
        }
    }

    func state(_ value: String?) -> XenBusState {
        value.flatMap { UInt32($0) }.flatMap { XenBusState(rawValue: $0) } ?? .unknown
    }

    func report(_ reason: String) {
        try? handles?.store.write("\(directory)/\(Node.error)", reason)
    }

    /// An error here is XenStore's and shows at the next look as well.
    func write(_ new: XenBusState) {
        guard let store = handles?.store, !directory.isEmpty else { return }
        do throws(XenError) {
            try store.write("\(directory)/\(Node.state)", "\(new.rawValue)")
            state = new
        } catch {
            log.error("\(error)")
            poller.alarm(after: Self.second)
        }
    }
}
