import Glibc

/// Xen with several domains in one process, for tests: grants, event channels and XenStore behave as Xen's and Linux's
/// do, limits included, as far as processes see it.
///
/// Thread-safe. Domain 0 is there from the beginning.
public final class SimulatedXen: @unchecked Sendable {
    /// Guards everything: domains may run in threads of their own.
    let lock = Lock()
    var domains: [DomainID: SimulatedDomain] = [:]
    var tree = SimulatedStoreTree()
    var stores: [SimulatedStoreReference] = []
    /// Counts changes of XenStore, and says which was a node's last: transactions that used it before are in conflict.
    var generation = 0
    var lastChange: [String: Int] = [:]
    private var failures: [(domain: DomainID, call: XenCall, errno: Int32, after: Int, times: Int)] = []

    public init() {
        tree.makeControlDirectories()
        introduce(.control)
    }

    /// The platform of a domain's processes. Makes the domain if it is not there, as `createDomain` does.
    public func platform(domain: DomainID) -> XenPlatform {
        createDomain(domain)
        return XenPlatform(
            mapper: SimulatedMapper(self, domain), allocator: SimulatedAllocator(self, domain),
            channels: { () throws(XenError) in try SimulatedChannels(self, domain) },
            store: { () throws(XenError) in try SimulatedStore(self, domain) })
    }

    // MARK: Domains

    /// Makes a guest with its directories in XenStore; `@introduceDomain` fires. Does nothing if it is there.
    public func createDomain(_ domain: DomainID) {
        lock.locked { if domains[domain]?.isAlive != true { introduce(domain) } }
    }

    /// Ends a guest without a word: its event channels close, what it mapped of others is no longer mapped, what others
    /// mapped of it stays until they unmap it; `@releaseDomain` fires. All its objects' calls fail from now on.
    ///
    /// - Parameter keepingNodes: whether its nodes stay in XenStore; else they, and those of its devices' backends,
    ///   are removed, as `xl destroy` does.
    public func destroyDomain(_ domain: DomainID, keepingNodes: Bool = false) {
        precondition(domain != .control, "the control domain lives as long as Xen")
        lock.locked {
            guard let destroyed = domains[domain], destroyed.isAlive else { return }
            destroyed.isAlive = false
            for port in destroyed.ports.keys { closePort(port, of: destroyed) }
            for other in domains.values { other.dropMappings(by: domain) }
            destroyed.endGrants()
            if !keepingNodes { removeNodes(of: domain) }
            fireSpecial("@releaseDomain")
        }
    }

    /// Makes a device's nodes with their permissions, as the toolstack does in one transaction: both ends' directories
    /// under `device/KIND/ID` and `backend/KIND/FRONTEND/ID`, states 1 (Initialising).
    public func createDevice(_ kind: String, id: Int = 0, frontend: DomainID, backend: DomainID = .control) {
        let front = "\(frontend.path)/device/\(kind)/\(id)"
        let back = "\(backend.path)/backend/\(kind)/\(frontend)/\(id)"
        let ends = [
            (
                front, frontend, backend,
                ["backend": back, "backend-id": backend.description, "state": "1"]
            ),
            (
                back, backend, frontend,
                ["frontend": front, "frontend-id": frontend.description, "online": "1", "state": "1"]
            ),
        ]
        lock.locked {
            for (path, owner, reader, nodes) in ends {
                apply(.makeDirectory(path))
                apply(.setPermissions(path, owner: owner, readers: [reader]))
                for (name, value) in nodes { apply(.write("\(path)/\(name)", value)) }
            }
        }
    }

    /// What bounds the domain's grants, channels and nodes. To be set before they are met.
    public func setLimits(of domain: DomainID, _ change: (inout SimulatedLimits) -> Void) {
        lock.locked { if let domain = domains[domain] { change(&domain.limits) } }
    }

    /// Makes calls of a domain fail.
    ///
    /// - Parameters:
    ///   - after: how many of these calls succeed before.
    ///   - times: how many fail then.
    public func fail(_ call: XenCall, in domain: DomainID, errno: Int32, after: Int = 0, times: Int = 1) {
        lock.locked { failures.append((domain, call, errno, after, times)) }
    }

    // MARK: What tests look at

    /// Grants of the domain that exist: not freed, or still mapped by another domain.
    public func grants(of domain: DomainID) -> [UInt32] {
        lock.locked { (domains[domain]?.grants.keys).map { $0.sorted() } ?? [] }
    }

    /// How often other domains have pages of this one mapped now.
    public func mappedGrants(of domain: DomainID) -> Int {
        lock.locked { domains[domain]?.mappedGrants ?? 0 }
    }

    /// How many pages of other domains this one has mapped now.
    public func mappings(by domain: DomainID) -> Int {
        lock.locked { mapTrackEntries(of: domain) }
    }

    /// Ports of the domain that are open, bound or not.
    public func ports(of domain: DomainID) -> [UInt32] {
        lock.locked { (domains[domain]?.ports.keys).map { $0.sorted() } ?? [] }
    }

    /// Ports of the domain that another domain has bound, or that are bound to another's.
    public func boundPorts(of domain: DomainID) -> [UInt32] {
        lock.locked { domains[domain]?.ports.filter { $0.value.peer != nil }.keys.sorted() ?? [] }
    }

    /// How many watches the domain has.
    public func watches(of domain: DomainID) -> Int {
        lock.locked { stores.reduce(0) { $0 + ($1.store?.domain == domain ? $1.store?.watches.count ?? 0 : 0) } }
    }

    /// All nodes of XenStore under a path, itself included, by their absolute paths, with their values.
    public func nodes(under path: String = "/") -> [String: String] {
        lock.locked {
            var values: [String: String] = [:]
            for (node, content) in tree.nodes where SimulatedStoreTree.isPath(node, under: path) {
                values[node] = content.value
            }
            return values
        }
    }

    /// Who may use a node: owner first, then who may read. nil if there is no such node.
    public func permissions(of path: String) -> (owner: DomainID, readers: [DomainID])? {
        lock.locked { tree.nodes[path].map { ($0.owner, $0.readers) } }
    }

    // MARK: For the parts, under the lock

    private func introduce(_ domain: DomainID) {
        domains[domain] = SimulatedDomain(domain)
        tree.makeDomainDirectories(domain)
        fireSpecial("@introduceDomain")
    }

    private func removeNodes(of domain: DomainID) {
        var paths = [domain.path, "/libxl/\(domain)"]
        // /local/domain/BACKEND/backend/KIND/FRONTEND
        paths += tree.nodes.keys.filter {
            let parts = $0.split(separator: "/")
            return parts.count == 6 && parts[3] == "backend" && parts[5] == domain.description
        }
        for path in paths where tree.nodes[path] != nil { apply(.remove(path)) }
    }

    /// The domain, if a call of it does not fail. `subject` is for the error.
    func begin(_ call: XenCall, in domain: DomainID, _ subject: @autoclosure () -> String = "") throws(XenError)
        -> SimulatedDomain
    {
        guard let caller = domains[domain], caller.isAlive else {
            throw XenError(call, errno: ESRCH, subject: subject())
        }
        if let index = failures.firstIndex(where: { $0.domain == domain && $0.call == call }) {
            if failures[index].after > 0 {
                failures[index].after -= 1
            } else {
                let errno = failures[index].errno
                failures[index].times -= 1
                if failures[index].times <= 0 { failures.remove(at: index) }
                throw XenError(call, errno: errno, subject: subject())
            }
        }
        return caller
    }

    func mapTrackEntries(of domain: DomainID) -> Int {
        domains.values.reduce(0) { sum, other in
            sum + other.grants.values.reduce(0) { $0 + ($1.domain == domain ? $1.mappings : 0) }
        }
    }
}

/// What a simulated domain may have; at first what Xen and Linux give.
public struct SimulatedLimits: Sendable {
    public init() {}

    /// gntalloc's `limit`, in pages.
    public var grantAllocations = 1024
    /// Whether root may write gntalloc's `limit`.
    public var mayRaiseGrantAllocations = true
    /// Entries of the grant table: 64 frames of 512.
    public var grantTable = 32_768
    /// Pages of others mapped: 1024 frames of 256.
    public var mapTrack = 262_144
    /// max_event_channels.
    public var eventChannels = 1023
    /// XenStore, for guests only: nodes, bytes in one, watches, open transactions.
    public var storeNodes = 1000
    public var storeNodeSize = 2048
    public var storeWatches = 128
    public var storeTransactions = 10
}

/// One domain of the simulation.
final class SimulatedDomain {
    let id: DomainID
    var isAlive = true
    var limits = SimulatedLimits()
    var grants: [UInt32: SimulatedGrant] = [:]
    var nextReference: UInt32 = 8  // Xen keeps those below (GNTTAB_NR_RESERVED_ENTRIES)
    var ports: [UInt32: SimulatedPort] = [:]
    var openTransactions = 0

    init(_ id: DomainID) { self.id = id }
}
