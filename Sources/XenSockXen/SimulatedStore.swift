import Glibc

/// A connection that the simulation tells of changes.
struct SimulatedStoreReference {
    weak var store: SimulatedStore?
}

extension SimulatedXen {
    /// Makes a change as the control domain, and fires watches.
    func apply(_ change: SimulatedChange) { _ = apply(change, by: .control) }

    /// Makes a change and fires watches.
    ///
    /// - Returns: an error number, or 0.
    func apply(_ change: SimulatedChange, by domain: DomainID) -> Int32 {
        let old = tree
        let errno = tree.apply(change, by: domain)
        guard errno == 0 else { return errno }
        switch change {
        case .write(let path, _), .setPermissions(let path, _, _):
            note(path, old)
            fire(path, seen: [tree, old])
        case .makeDirectory(let path):
            guard old.nodes[path] == nil else { return 0 }
            note(path, old)
            fire(path, seen: [tree])
        case .remove(let path):
            guard old.nodes[path] != nil else { return 0 }
            note(path, old)
            fire(path, seen: [old])
            // Watches of nodes that went with it: each for itself.
            for node in old.nodes.keys.sorted() where node != path && SimulatedStoreTree.isPath(node, under: path) {
                fire(node, seen: [old], exactly: true)
            }
        }
        return 0
    }

    /// Marks what a change touched, for the transactions under way.
    private func note(_ path: String, _ old: SimulatedStoreTree) {
        for node in Set(tree.nodes.keys).symmetricDifference(old.nodes.keys).union([path]) {
            generation += 1
            lastChange[node] = generation
            lastChange[SimulatedStoreTree.parent(of: node)] = generation
        }
    }

    private func fire(_ path: String, seen: [SimulatedStoreTree], exactly: Bool = false) {
        for store in liveStores where seen.contains(where: { $0.isVisible(path, to: store.domain) }) {
            for watch in store.watches {
                guard exactly ? path == watch.path : SimulatedStoreTree.isPath(path, under: watch.path) else {
                    continue
                }
                store.enqueue(watch, path)
            }
        }
    }

    /// Only the control domain is told of others' coming and going; guests' watches of it fire at first only.
    func fireSpecial(_ name: String) {
        for store in liveStores where store.domain == .control {
            for watch in store.watches where watch.path == name { store.enqueue(watch, name) }
        }
    }

    var liveStores: [SimulatedStore] {
        stores.removeAll { $0.store == nil }
        return stores.compactMap { $0.store }.filter { domains[$0.domain]?.isAlive == true }
    }
}

/// A connection of a simulated domain.
final class SimulatedStore: XenStore, @unchecked Sendable {
    struct Watch {
        /// Absolute, or special.
        let path: String
        let isRelative: Bool
        let token: String
    }

    let domain: DomainID
    let xen: SimulatedXen
    private(set) var watches: [Watch] = []
    private var events: [(path: String, token: String)] = []
    private let signal = Signal()

    init(_ xen: SimulatedXen, _ domain: DomainID) throws(XenError) {
        self.xen = xen
        self.domain = domain
        try xen.lock.locked { () throws(XenError) in
            _ = try xen.begin(.openStore, in: domain)
            xen.stores.append(SimulatedStoreReference(store: self))
        }
    }

    var descriptor: Int32 { signal.descriptor }

    // MARK: Nodes

    func read(_ path: String) throws(XenError) -> String? {
        try xen.lock.locked { () throws(XenError) in try look(.read, path, xen.tree)?.value }
    }

    func list(_ path: String) throws(XenError) -> [String]? {
        try xen.lock.locked { () throws(XenError) in try look(.list, path, xen.tree)?.children.sorted() }
    }

    func write(_ path: String, _ value: String) throws(XenError) {
        try change(.write, path) { .write($0, value) }
    }

    func makeDirectory(_ path: String) throws(XenError) {
        try change(.makeDirectory, path) { .makeDirectory($0) }
    }

    func remove(_ path: String) throws(XenError) {
        try change(.remove, path) { .remove($0) }
    }

    func setPermissions(_ path: String, owner: DomainID, readers: [DomainID]) throws(XenError) {
        try change(.setPermissions, path) { .setPermissions($0, owner: owner, readers: readers) }
    }

    private func change(_ call: XenCall, _ path: String, _ change: (String) -> SimulatedChange) throws(XenError) {
        try xen.lock.locked { () throws(XenError) in
            let change = change(try absolute(call, path))
            try check(call, path, change, xen.tree)
            try report(xen.apply(change, by: domain), call, path)
        }
    }

    // MARK: Watches

    func watch(_ path: String, token: String) throws(XenError) {
        try xen.lock.locked { () throws(XenError) in
            let node = try absolute(.watch, path)
            guard !watches.contains(where: { $0.path == node && $0.token == token }) else {
                throw XenError(.watch, errno: EEXIST, subject: path)
            }
            let limit = xen.domains[domain]!.limits.storeWatches
            let count = xen.liveStores.reduce(0) { $0 + ($1.domain == domain ? $1.watches.count : 0) }
            guard domain == .control || count < limit else { throw XenError(.watch, errno: E2BIG, subject: path) }
            let watch = Watch(path: node, isRelative: node != path, token: token)
            watches.append(watch)
            enqueue(watch, node)
        }
    }

    func unwatch(_ path: String, token: String) throws(XenError) {
        try xen.lock.locked { () throws(XenError) in
            let node = try absolute(.unwatch, path)
            guard let index = watches.firstIndex(where: { $0.path == node && $0.token == token }) else {
                throw XenError(.unwatch, errno: ENOENT, subject: path)
            }
            watches.remove(at: index)
            events.removeAll { event in !watches.contains { $0.token == event.token } }
            signal.set(!events.isEmpty)
        }
    }

    func nextEvent() -> (path: String, token: String)? {
        xen.lock.locked {
            guard !events.isEmpty else { return nil }
            let event = events.removeFirst()
            signal.set(!events.isEmpty)
            return event
        }
    }

    /// Under the lock.
    func enqueue(_ watch: Watch, _ path: String) {
        var name = path
        if watch.isRelative {
            name = String(path.dropFirst(domain.path.count))
            if name.hasPrefix("/") { name.removeFirst() }
        }
        events.append((name, watch.token))
        signal.set(true)
    }

    // MARK: Domains

    func isIntroduced(_ other: DomainID) throws(XenError) -> Bool {
        try xen.lock.locked { () throws(XenError) in
            _ = try xen.begin(.isIntroduced, in: domain, "\(other)")
            guard domain == .control else { throw XenError(.isIntroduced, errno: EACCES, subject: "\(other)") }
            return xen.domains[other]?.isAlive == true
        }
    }

    var ownDomain: DomainID {
        get throws(XenError) { try parseOwnDomain(read("domid")) }
    }

    // MARK: Transactions

    func transaction(_ body: (any XenStoreTransaction) throws(XenError) -> Void) throws(XenError) {
        for _ in 0..<XenStoreLimits.transactionAttempts {
            let transaction = try SimulatedTransaction(self)
            defer { transaction.close() }
            try body(transaction)
            if try transaction.commit() { return }
        }
        throw XenError(.endTransaction, errno: EAGAIN)
    }

    // MARK: Under the lock

    /// The path as xenstored takes it.
    func absolute(_ call: XenCall, _ path: String) throws(XenError) -> String {
        _ = try xen.begin(call, in: domain, path)
        if path.utf8.first == UInt8(ascii: "@"), call == .watch || call == .unwatch { return path }
        let isRelative = path.utf8.first != UInt8(ascii: "/")
        let node = isRelative ? domain.path + "/" + path : path
        guard !isRelative || path.utf8.count <= XenStoreLimits.relativePath, SimulatedStoreTree.isValid(node) else {
            throw XenError(call, errno: EINVAL, subject: path)
        }
        return node
    }

    func look(_ call: XenCall, _ path: String, _ tree: SimulatedStoreTree) throws(XenError) -> SimulatedNode? {
        let node = try absolute(call, path)
        let errno = tree.check(.read, node, by: domain)
        if errno == ENOENT { return nil }
        try report(errno, call, path)
        return tree.nodes[node]
    }

    /// What xenstored checks beside permissions.
    func check(_ call: XenCall, _ path: String, _ change: SimulatedChange, _ tree: SimulatedStoreTree)
        throws(XenError)
    {
        let limits = xen.domains[domain]!.limits
        var made: String?
        switch change {
        case .write(let node, let value):
            guard path.utf8.count + 1 + value.utf8.count <= XenStoreLimits.request else {
                throw XenError(call, errno: E2BIG, subject: path)
            }
            guard domain == .control || value.utf8.count < limits.storeNodeSize else {
                throw XenError(call, errno: ENOSPC, subject: path)
            }
            made = node
        case .makeDirectory(let node): made = node
        case .setPermissions(_, let owner, _):
            guard xen.domains[owner]?.isAlive == true else { throw XenError(call, errno: ENOENT, subject: path) }
        case .remove: break
        }
        guard domain != .control, let made, tree.check(.write, made, by: domain) == ENOENT else { return }
        guard tree.nodes(of: domain) < limits.storeNodes else { throw XenError(call, errno: ENOSPC, subject: path) }
    }

    func report(_ errno: Int32, _ call: XenCall, _ path: String) throws(XenError) {
        if errno != 0 { throw XenError(call, errno: errno, subject: path) }
    }
}
