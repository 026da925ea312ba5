import CXenSockXen
import Glibc

/// XenStore through libxenstore: xenstored's socket in the control domain, /dev/xen/xenbus elsewhere.
final class SystemStore: XenStore, @unchecked Sendable {
    private let nodes: SystemStoreNodes
    let descriptor: Int32

    init() throws(XenError) {
        guard let handle = xs_open(0) else { throw XenError(.openStore, errno: Glibc.errno) }
        nodes = SystemStoreNodes(handle, transaction: 0)
        descriptor = xs_fileno(handle)
        guard descriptor >= 0 else {
            let errno = Glibc.errno
            xs_close(handle)
            throw XenError(.openStore, errno: errno)
        }
    }

    deinit { xs_close(nodes.handle) }

    func read(_ path: String) throws(XenError) -> String? { try nodes.read(path) }
    func write(_ path: String, _ value: String) throws(XenError) { try nodes.write(path, value) }
    func makeDirectory(_ path: String) throws(XenError) { try nodes.makeDirectory(path) }
    func remove(_ path: String) throws(XenError) { try nodes.remove(path) }
    func list(_ path: String) throws(XenError) -> [String]? { try nodes.list(path) }

    func setPermissions(_ path: String, owner: DomainID, readers: [DomainID]) throws(XenError) {
        var permissions = [xs_permissions(id: UInt32(owner.rawValue), perms: UInt32(XS_PERM_NONE))]
        permissions += readers.map { xs_permissions(id: UInt32($0.rawValue), perms: UInt32(XS_PERM_READ)) }
        guard xs_set_permissions(nodes.handle, 0, path, &permissions, UInt32(permissions.count)) else {
            throw XenError(.setPermissions, errno: Glibc.errno, subject: path)
        }
    }

    func watch(_ path: String, token: String) throws(XenError) {
        guard xs_watch(nodes.handle, path, token) else {
            throw XenError(.watch, errno: Glibc.errno, subject: path)
        }
    }

    func unwatch(_ path: String, token: String) throws(XenError) {
        guard xs_unwatch(nodes.handle, path, token) else {
            throw XenError(.unwatch, errno: Glibc.errno, subject: path)
        }
    }

    func nextEvent() -> (path: String, token: String)? {
        guard let event = xs_check_watch(nodes.handle) else { return nil }
        defer { free(event) }
        guard let path = event[0], let token = event[1] else { return nil }
        return (String(cString: path), String(cString: token))
    }

    func transaction(_ body: (any XenStoreTransaction) throws(XenError) -> Void) throws(XenError) {
        for _ in 0..<XenStoreLimits.transactionAttempts {
            let transaction = xs_transaction_start(nodes.handle)
            guard transaction != 0 else { throw XenError(.startTransaction, errno: Glibc.errno) }
            do {
                try body(SystemStoreNodes(nodes.handle, transaction: transaction))
            } catch {
                xs_transaction_end(nodes.handle, transaction, true)
                throw error
            }
            if xs_transaction_end(nodes.handle, transaction, false) { return }
            let errno = Glibc.errno
            guard errno == EAGAIN else { throw XenError(.endTransaction, errno: errno) }
        }
        throw XenError(.endTransaction, errno: EAGAIN)
    }

    func isIntroduced(_ domain: DomainID) -> Bool { xs_is_domain_introduced(nodes.handle, UInt32(domain.rawValue)) }

    var ownDomain: DomainID {
        get throws(XenError) { try parseOwnDomain(read("domid")) }
    }
}

/// Nodes as one transaction sees them; transaction 0 is none (`XBT_NULL`).
final class SystemStoreNodes: XenStoreTransaction {
    let handle: OpaquePointer
    private let transaction: xs_transaction_t

    init(_ handle: OpaquePointer, transaction: xs_transaction_t) {
        self.handle = handle
        self.transaction = transaction
    }

    func read(_ path: String) throws(XenError) -> String? {
        var length: UInt32 = 0
        guard let value = xs_read(handle, transaction, path, &length) else {
            if Glibc.errno == ENOENT { return nil }
            throw XenError(.read, errno: Glibc.errno, subject: path)
        }
        defer { free(value) }
        return String(decoding: UnsafeRawBufferPointer(start: value, count: Int(length)), as: UTF8.self)
    }

    func write(_ path: String, _ value: String) throws(XenError) {
        guard xs_write(handle, transaction, path, value, UInt32(value.utf8.count)) else {
            throw XenError(.write, errno: Glibc.errno, subject: path)
        }
    }

    func makeDirectory(_ path: String) throws(XenError) {
        guard xs_mkdir(handle, transaction, path) else {
            throw XenError(.makeDirectory, errno: Glibc.errno, subject: path)
        }
    }

    func remove(_ path: String) throws(XenError) {
        // xenstored says ENOENT only if the node above is not there either.
        guard xs_rm(handle, transaction, path) || Glibc.errno == ENOENT else {
            throw XenError(.remove, errno: Glibc.errno, subject: path)
        }
    }

    func list(_ path: String) throws(XenError) -> [String]? {
        var count: UInt32 = 0
        guard let names = xs_directory(handle, transaction, path, &count) else {
            if Glibc.errno == ENOENT { return nil }
            throw XenError(.list, errno: Glibc.errno, subject: path)
        }
        defer { free(names) }
        return (0..<Int(count)).compactMap { names[$0].map { String(cString: $0) } }
    }
}
