import Glibc

/// A connection to XenStore. Paths are absolute, or relative to this domain's own directory (`DomainID.path`).
///
/// Not for use by several threads at a time. After fork(2) only the parent may use it.
public protocol XenStore: XenStoreAccess, Sendable {
    /// Readable when a watch fired: call `nextEvent` until it returns nil.
    var descriptor: Int32 { get }

    /// Fires once at once, then at each change of the node or of one under it. An event names the node that changed,
    /// as a relative path if `path` is one. Those that this domain may not read do not fire.
    ///
    /// `@introduceDomain` and `@releaseDomain` fire when any domain comes or goes; for the control domain only.
    func watch(_ path: String, token: String) throws(XenError)

    /// Ends a watch. No event with its token comes any more, unless another watch has the same.
    func unwatch(_ path: String, token: String) throws(XenError)

    /// The node that changed, or the watch's own at first, and the watch's token, without waiting; nil if none fired.
    /// Several changes of one node may make one event.
    func nextEvent() -> (path: String, token: String)?

    /// Runs `body` in a transaction, again while XenStore answers EAGAIN because others changed what it used, up to
    /// `XenStoreLimits.transactionAttempts` times; then throws EAGAIN. An error that `body` throws abandons it.
    func transaction(_ body: (any XenStoreTransaction) throws(XenError) -> Void) throws(XenError)

    /// Whether the domain exists and has not been released (`XS_IS_DOMAIN_INTRODUCED`): tells whom `@releaseDomain` and
    /// `@introduceDomain` meant. For the control domain only; EACCES for others.
    func isIntroduced(_ domain: DomainID) throws(XenError) -> Bool

    /// The domain this is: what the toolstack wrote to `domid` in its directory. ENOENT where it is missing.
    var ownDomain: DomainID { get throws(XenError) }
}

/// A transaction: nobody sees its changes, nor it others', until it ends. For use in its `body` only.
public protocol XenStoreTransaction: XenStoreAccess {}

/// What can be done with nodes, in a transaction or without.
public protocol XenStoreAccess: AnyObject {
    /// The node's value; nil if there is no such node.
    func read(_ path: String) throws(XenError) -> String?

    /// Sets the node's value. Makes the node, and those above it, if need be.
    func write(_ path: String, _ value: String) throws(XenError)

    /// Makes a node without a value, and those above it. Not an error if it is there.
    func makeDirectory(_ path: String) throws(XenError)

    /// Removes the node and all under it. Not an error if it is not there.
    func remove(_ path: String) throws(XenError)

    /// The names of the nodes right under it; nil if there is no such node.
    func list(_ path: String) throws(XenError) -> [String]?

    /// Says who may use a node: `owner` everything, `readers` reading, others nothing. Nodes made under it later have
    /// the same permissions, and their maker as owner if that is a guest. Only the owner and the control domain may.
    /// ENOENT if there is no such node, or no domain `owner`.
    func setPermissions(_ path: String, owner: DomainID, readers: [DomainID]) throws(XenError)
}

/// XenStore's fixed limits (xen/io/xs_wire.h), and ours.
public enum XenStoreLimits {
    /// Bytes of one request or answer, path and value together (`XENSTORE_PAYLOAD_MAX`).
    public static let payload = 4096
    /// Bytes of a request: Linux's /dev/xen/xenbus counts its header of 16 bytes too.
    public static let request = payload - 16
    /// Bytes of an absolute path (`XENSTORE_ABS_PATH_MAX`).
    public static let absolutePath = 3072
    /// Bytes of a relative path (`XENSTORE_REL_PATH_MAX`).
    public static let relativePath = 2048
    /// How often a transaction is run while it conflicts with others'.
    public static let transactionAttempts = 64
}

/// What `XenStore.ownDomain` makes of the node `domid`.
func parseOwnDomain(_ value: String?) throws(XenError) -> DomainID {
    guard let value else { throw XenError(.read, errno: ENOENT, subject: "domid") }
    guard let number = UInt16(value) else { throw XenError(.read, errno: EINVAL, subject: "domid") }
    return DomainID(number)
}
