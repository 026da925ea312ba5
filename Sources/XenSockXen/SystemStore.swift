import CXenSockXen
import Glibc

/// The real XenStore.
final class SystemStore: XenStore, @unchecked Sendable {
    private struct Watch: Equatable {
        let path: String
        let token: String
    }

    private let connection: StoreConnection
    private let nodes: SystemStoreNodes
    private var watches: [Watch] = []

    init(_ connection: StoreConnection) {
        self.connection = connection
        nodes = SystemStoreNodes(connection, transaction: 0)
        connection.isWanted = { [unowned self] token in watches.contains { $0.token == token } }
    }

    var descriptor: Int32 { connection.descriptor }

    func read(_ path: String) throws(XenError) -> String? { try nodes.read(path) }
    func write(_ path: String, _ value: String) throws(XenError) { try nodes.write(path, value) }
    func makeDirectory(_ path: String) throws(XenError) { try nodes.makeDirectory(path) }
    func remove(_ path: String) throws(XenError) { try nodes.remove(path) }
    func list(_ path: String) throws(XenError) -> [String]? { try nodes.list(path) }

    func setPermissions(_ path: String, owner: DomainID, readers: [DomainID]) throws(XenError) {
        try nodes.setPermissions(path, owner: owner, readers: readers)
    }

    func watch(_ path: String, token: String) throws(XenError) {
        let watch = Watch(path: path, token: token)
        // In a guest, the kernel would take it twice, and fire twice.
        guard !watches.contains(watch) else { throw XenError(.watch, errno: EEXIST, subject: path) }
        // The first event may come before the answer.
        watches.append(watch)
        do {
            _ = try connection.request(.watch, XS_WATCH, [path, token])
        } catch {
            watches.removeAll { $0 == watch }
            throw error
        }
    }

    func unwatch(_ path: String, token: String) throws(XenError) {
        let watch = Watch(path: path, token: token)
        guard let index = watches.firstIndex(of: watch) else {
            throw XenError(.unwatch, errno: ENOENT, subject: path)
        }
        watches.remove(at: index)
        connection.dropUnwanted()
        _ = try connection.request(.unwatch, XS_UNWATCH, [path, token])
    }

    func nextEvent() -> (path: String, token: String)? { connection.nextEvent() }

    func transaction(_ body: (any XenStoreTransaction) throws(XenError) -> Void) throws(XenError) {
        for _ in 0..<XenStoreLimits.transactionAttempts {
            let answer = try connection.request(.startTransaction, XS_TRANSACTION_START, [""])
            guard let number = UInt32(String(decoding: answer.prefix { $0 != 0 }, as: UTF8.self)), number != 0 else {
                throw XenError(.startTransaction, errno: EPROTO)
            }
            let transaction = SystemStoreNodes(connection, transaction: number)
            defer { transaction.isOpen = false }
            do {
                try body(transaction)
            } catch {
                _ = try? connection.request(.endTransaction, XS_TRANSACTION_END, ["F"], transaction: number)
                throw error
            }
            do {
                _ = try connection.request(.endTransaction, XS_TRANSACTION_END, ["T"], transaction: number)
                return
            } catch {
                guard error.errno == EAGAIN else { throw error }
            }
        }
        throw XenError(.endTransaction, errno: EAGAIN)
    }

    func isIntroduced(_ domain: DomainID) throws(XenError) -> Bool {
        try connection.request(.isIntroduced, XS_IS_DOMAIN_INTRODUCED, ["\(domain)"]).first == UInt8(ascii: "T")
    }

    var ownDomain: DomainID {
        get throws(XenError) { try parseOwnDomain(read("domid")) }
    }
}

/// Nodes as one transaction sees them; transaction 0 is none.
final class SystemStoreNodes: XenStoreTransaction {
    private let connection: StoreConnection
    private let transaction: UInt32
    /// The kernel and xenstored are not asked about a transaction that has ended.
    var isOpen = true

    init(_ connection: StoreConnection, transaction: UInt32) {
        self.connection = connection
        self.transaction = transaction
    }

    func read(_ path: String) throws(XenError) -> String? {
        try answer(.read, XS_READ, [path]).map { String(decoding: $0, as: UTF8.self) }
    }

    func write(_ path: String, _ value: String) throws(XenError) {
        _ = try request(.write, XS_WRITE, [path], value: value)
    }

    func makeDirectory(_ path: String) throws(XenError) { _ = try request(.makeDirectory, XS_MKDIR, [path]) }

    func remove(_ path: String) throws(XenError) {
        // ENOENT if the node above is not there either.
        _ = try answer(.remove, XS_RM, [path])
    }

    func list(_ path: String) throws(XenError) -> [String]? {
        do {
            return try answer(.list, XS_DIRECTORY, [path]).map(Self.names)
        } catch {
            guard error.errno == E2BIG else { throw error }
            return try listInParts(path)
        }
    }

    func setPermissions(_ path: String, owner: DomainID, readers: [DomainID]) throws(XenError) {
        _ = try request(.setPermissions, XS_SET_PERMS, [path, "n\(owner)"] + readers.map { "r\($0)" })
    }

    /// For what does not fit into one answer. Each part comes with the node's generation: begins again when it changes.
    private func listInParts(_ path: String) throws(XenError) -> [String]? {
        var names: [UInt8] = []
        var generation: [UInt8] = []
        while true {
            guard let part = try answer(.list, XS_DIRECTORY_PART, [path, "\(names.count)"]) else { return nil }
            let current = Array(part.prefix { $0 != 0 })
            if !names.isEmpty, current != generation {
                names = []
                continue
            }
            generation = current
            names += part.dropFirst(current.count + 1)
            // An empty name is the end.
            if names.count <= 1 || names[names.count - 2] == 0 { return Self.names(names) }
        }
    }

    private static func names(_ bytes: [UInt8]) -> [String] {
        bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// nil: no such node.
    private func answer(_ call: XenCall, _ type: xsd_sockmsg_type, _ strings: [String]) throws(XenError) -> [UInt8]? {
        do {
            return try request(call, type, strings)
        } catch {
            guard error.errno == ENOENT, isOpen else { throw error }
            return nil
        }
    }

    private func request(_ call: XenCall, _ type: xsd_sockmsg_type, _ strings: [String], value: String = "")
        throws(XenError) -> [UInt8]
    {
        guard isOpen else { throw XenError(call, errno: ENOENT, subject: "of a transaction that has ended") }
        return try connection.request(call, type, strings, value: value, transaction: transaction)
    }
}
