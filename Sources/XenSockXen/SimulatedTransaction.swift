import Glibc

/// A transaction of a simulated connection: works on a copy, and does all again on the tree if nothing that it used
/// was changed meanwhile.
final class SimulatedTransaction: XenStoreTransaction {
    private let store: SimulatedStore
    private var tree: SimulatedStoreTree
    private let start: Int
    private var used: Set<String> = []
    private var changes: [SimulatedChange] = []
    private var isOpen = true

    private var xen: SimulatedXen { store.xen }

    init(_ store: SimulatedStore) throws(XenError) {
        self.store = store
        let xen = store.xen
        (tree, start) = try xen.lock.locked { () throws(XenError) in
            let caller = try xen.begin(.startTransaction, in: store.domain)
            guard store.domain == .control || caller.openTransactions < caller.limits.storeTransactions else {
                throw XenError(.startTransaction, errno: ENOSPC)
            }
            caller.openTransactions += 1
            return (xen.tree, xen.generation)
        }
    }

    func read(_ path: String) throws(XenError) -> String? { try look(.read, path)?.value }

    func list(_ path: String) throws(XenError) -> [String]? { try look(.list, path)?.children.sorted() }

    func write(_ path: String, _ value: String) throws(XenError) { try change(.write, path) { .write($0, value) } }

    func makeDirectory(_ path: String) throws(XenError) { try change(.makeDirectory, path) { .makeDirectory($0) } }

    func remove(_ path: String) throws(XenError) { try change(.remove, path) { .remove($0) } }

    func setPermissions(_ path: String, owner: DomainID, readers: [DomainID]) throws(XenError) {
        try change(.setPermissions, path) { .setPermissions($0, owner: owner, readers: readers) }
    }

    /// - Returns: whether it took effect; false if others were in the way (EAGAIN).
    func commit() throws(XenError) -> Bool {
        do {
            return try xen.lock.locked { () throws(XenError) in
                _ = try xen.begin(.endTransaction, in: store.domain)
                guard used.allSatisfy({ xen.lastChange[$0, default: 0] <= start }) else { return false }
                for change in changes { _ = xen.apply(change, by: store.domain) }
                return true
            }
        } catch {
            if error.errno == EAGAIN { return false }
            throw error
        }
    }

    /// Ends it; without effect unless it was committed.
    func close() {
        guard isOpen else { return }
        isOpen = false
        xen.lock.locked { xen.domains[store.domain]?.openTransactions -= 1 }
    }

    private func look(_ call: XenCall, _ path: String) throws(XenError) -> SimulatedNode? {
        try xen.lock.locked { () throws(XenError) in
            try check(call, path)
            used.insert(try store.absolute(call, path))
            return try store.look(call, path, tree)
        }
    }

    private func change(_ call: XenCall, _ path: String, _ make: (String) -> SimulatedChange) throws(XenError) {
        try xen.lock.locked { () throws(XenError) in
            try check(call, path)
            let node = try store.absolute(call, path)
            let change = make(node)
            used.insert(node)
            try store.check(call, path, change, tree)
            try store.report(tree.apply(change, by: store.domain), call, path)
            changes.append(change)
        }
    }

    /// xenstored does not know a transaction that has ended.
    private func check(_ call: XenCall, _ path: String) throws(XenError) {
        guard isOpen else { throw XenError(call, errno: ENOENT, subject: path) }
    }
}
