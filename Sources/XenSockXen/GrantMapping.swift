import Synchronization

/// Maps what other domains granted: the backend domain's side, /dev/xen/gntdev.
///
/// A mapping does not survive fork(2): the child's first access is SIGSEGV.
public protocol GrantMapper: AnyObject, Sendable {
    /// Maps pages of another domain contiguously, in the order of `references`, to be read and written
    /// (`xengnttab_map_domain_grant_refs`). The other domain goes on changing them.
    func map(_ references: [UInt32], of domain: DomainID) throws(XenError) -> GrantMapping
}

/// Pages of another domain, mapped here until `unmap` or the last reference to this object goes.
public final class GrantMapping: @unchecked Sendable {
    /// Of `pages` pages of 4,096 bytes each.
    public let base: UnsafeMutableRawPointer
    public let pages: Int

    private let isUnmapped = Atomic(false)
    private let release: () -> Void

    /// - Parameter release: unmaps; called once.
    public init(base: UnsafeMutableRawPointer, pages: Int, release: @escaping () -> Void) {
        self.base = base
        self.pages = pages
        self.release = release
    }

    deinit { unmap() }

    /// Gives the pages back; nothing may use `base` any more. Another call does nothing.
    public func unmap() {
        if !isUnmapped.exchange(true, ordering: .acquiringAndReleasing) { release() }
    }
}

/// Xen's page, whatever the machine's is (`XEN_PAGE_SIZE`).
let pageSize = 4096
