import Glibc

/// A port of a simulated domain.
struct SimulatedPort {
    /// Who may bind it, or has.
    let remote: DomainID
    /// The remote domain's port, once bound.
    var peer: UInt32?
    var isPending = false
    /// As the driver leaves it from delivery to `unmask`.
    var isMasked = false
    /// Of the device it was bound on.
    let queue: SimulatedEventQueue
}

/// The events of one open device that were not read yet.
final class SimulatedEventQueue {
    private let signal = Signal()
    private var ports: [UInt32] = []

    var descriptor: Int32 { signal.descriptor }

    func add(_ port: UInt32) {
        ports.append(port)
        signal.set(true)
    }

    func next() -> UInt32? {
        guard !ports.isEmpty else { return nil }
        let port = ports.removeFirst()
        signal.set(!ports.isEmpty)
        return port
    }

    func contains(_ port: UInt32) -> Bool { ports.contains(port) }

    func remove(_ port: UInt32) {
        ports.removeAll { $0 == port }
        signal.set(!ports.isEmpty)
    }
}

extension SimulatedXen {
    /// Makes a port pending, and tells whoever has it open unless it is masked.
    func raise(_ number: UInt32, of domain: SimulatedDomain) {
        guard var port = domain.ports[number] else { return }
        port.isPending = true
        domain.ports[number] = port
        deliver(number, of: domain)
    }

    func deliver(_ number: UInt32, of domain: SimulatedDomain) {
        guard let port = domain.ports[number], port.isPending, !port.isMasked else { return }
        domain.ports[number]?.isPending = false
        domain.ports[number]?.isMasked = true
        port.queue.add(number)
    }

    func closePort(_ number: UInt32, of domain: SimulatedDomain) {
        guard let port = domain.ports.removeValue(forKey: number) else { return }
        port.queue.remove(number)
        guard let peer = port.peer else { return }
        // It can be bound again by the same domain.
        domains[port.remote]?.ports[peer]?.peer = nil
    }
}

/// An open /dev/xen/evtchn of a simulated domain.
final class SimulatedChannels: EventChannels, @unchecked Sendable {
    private let xen: SimulatedXen
    private let owner: SimulatedDomain
    private let queue = SimulatedEventQueue()
    private var restriction: DomainID?

    init(_ xen: SimulatedXen, _ domain: DomainID) throws(XenError) {
        self.xen = xen
        owner = try xen.lock.locked { () throws(XenError) in try xen.begin(.openChannels, in: domain) }
    }

    deinit {
        xen.lock.locked {
            for (number, port) in owner.ports where port.queue === queue { xen.closePort(number, of: owner) }
        }
    }

    var descriptor: Int32 { queue.descriptor }

    func bindUnbound(for domain: DomainID) throws(XenError) -> UInt32 {
        try xen.lock.locked { () throws(XenError) in
            try check(.bindUnbound, domain)
            return try open(.bindUnbound, SimulatedPort(remote: domain, queue: queue))
        }
    }

    func bindInterdomain(_ domain: DomainID, port: UInt32) throws(XenError) -> UInt32 {
        let subject = "port \(port) of domain \(domain)"
        return try xen.lock.locked { () throws(XenError) in
            try check(.bindInterdomain, domain)
            guard let other = xen.domains[domain], other.isAlive else {
                throw XenError(.bindInterdomain, errno: ESRCH, subject: subject)
            }
            guard let remote = other.ports[port], remote.remote == owner.id, remote.peer == nil else {
                throw XenError(.bindInterdomain, errno: EINVAL, subject: subject)
            }
            let number = try open(.bindInterdomain, SimulatedPort(remote: domain, peer: port, queue: queue))
            other.ports[port]?.peer = number
            // As Xen does: what the other end notified before is not lost.
            xen.raise(number, of: owner)
            return number
        }
    }

    func notify(_ port: UInt32) {
        xen.lock.locked {
            guard owns(port), let bound = owner.ports[port], let peer = bound.peer,
                let other = xen.domains[bound.remote]
            else { return }
            xen.raise(peer, of: other)
        }
    }

    func nextPending() -> UInt32? {
        xen.lock.locked { queue.next() }
    }

    func unmask(_ port: UInt32) {
        xen.lock.locked {
            // Not what waits to be read: it would come twice.
            guard owns(port), !queue.contains(port) else { return }
            owner.ports[port]?.isMasked = false
            xen.deliver(port, of: owner)
        }
    }

    func unbind(_ port: UInt32) {
        xen.lock.locked { if owns(port) { xen.closePort(port, of: owner) } }
    }

    func restrict(to domain: DomainID) throws(XenError) {
        try xen.lock.locked { () throws(XenError) in
            _ = try xen.begin(.restrict, in: owner.id, "to domain \(domain)")
            guard restriction == nil else { throw XenError(.restrict, errno: EACCES, subject: "to domain \(domain)") }
            guard domain != .control, domain.rawValue < DomainID.firstReserved.rawValue else {
                throw XenError(.restrict, errno: EINVAL, subject: "to domain \(domain)")
            }
            restriction = domain
        }
    }

    // MARK: Under the lock

    private func owns(_ port: UInt32) -> Bool { owner.isAlive && owner.ports[port]?.queue === queue }

    private func check(_ call: XenCall, _ domain: DomainID) throws(XenError) {
        guard owner.isAlive else { throw XenError(call, errno: ESRCH, subject: "domain \(domain)") }
        _ = try xen.begin(call, in: owner.id, "domain \(domain)")
        if let restriction, restriction != domain { throw XenError(call, errno: EACCES, subject: "domain \(domain)") }
    }

    private func open(_ call: XenCall, _ port: SimulatedPort) throws(XenError) -> UInt32 {
        // Port 0 is never used; Xen gives the lowest that is free.
        var number: UInt32 = 1
        while owner.ports[number] != nil { number += 1 }
        guard number <= owner.limits.eventChannels else {
            throw XenError(call, errno: ENOSPC, subject: "domain \(port.remote)")
        }
        owner.ports[number] = port
        return number
    }
}
