import Synchronization

/// Makes pages and grants them to another domain: the guest's side, /dev/xen/gntalloc.
public protocol GrantAllocator: AnyObject, Sendable {
    /// Makes `pages` pages of zeros that `domain` may map, to be read and written.
    ///
    /// Each allocation has a descriptor of the device of its own, and is the only one on it: two on one descriptor let
    /// its holder free another process's pages in the kernel.
    func allocate(pages: Int, for domain: DomainID) throws(XenError) -> GrantAllocation

    /// How many pages all processes of the guest may grant at a time. nil if the driver does not say.
    var limit: Int? { get }

    /// Sets the limit, if it is lower.
    func raiseLimit(to pages: Int) throws(XenError)
}

/// Granted pages, mapped here, until `free` or the last reference to this object goes.
public final class GrantAllocation: @unchecked Sendable {
    /// Of `pages` pages of 4,096 bytes each.
    public let base: UnsafeMutableRawPointer
    public let pages: Int
    /// One for each page.
    public let references: [UInt32]
    /// The device's, with this allocation alone on it. Owned by this object; close-on-exec.
    ///
    /// Whoever else holds it can map the pages (mmap(2), MAP_SHARED, at `offset`) until `deallocateIndex`, and, unless
    /// the kernel refuses it the device's ioctls, can grant pages of its own to any domain.
    public let descriptor: Int32
    /// Of the allocation in `descriptor`, for mmap(2).
    public let offset: UInt64

    private let isHeldElsewhere: () -> Bool
    private let isDeallocated = Atomic(false)
    private let isFreed = Atomic(false)
    private let deallocate: () -> Void
    private let release: () -> Void

    /// - Parameters:
    ///   - deallocate: gives the index up; called once, before `release`.
    ///   - release: unmaps and closes; called once.
    ///   - isHeld: whether anybody has the descriptor open, or maps it, after `release`.
    init(
        base: UnsafeMutableRawPointer, pages: Int, references: [UInt32], descriptor: Int32, offset: UInt64,
        deallocate: @escaping () -> Void, release: @escaping () -> Void, isHeld: @escaping () -> Bool
    ) {
        self.base = base
        self.pages = pages
        self.references = references
        self.descriptor = descriptor
        self.offset = offset
        self.deallocate = deallocate
        self.release = release
        isHeldElsewhere = isHeld
    }

    deinit { free() }

    /// Unmaps the pages here, gives the index up and closes the descriptor. Another call does nothing.
    ///
    /// The pages count against `GrantAllocator.limit` until the guest's last process has unmapped them (before Linux
    /// 5.17, until the other domain has too), and the other domain may map them until some time after it has unmapped
    /// them all: the kernel looks once a second.
    public func free() {
        guard !isFreed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        deallocateIndex()
        release()
    }

    /// After ``free()``: whether somebody else whom the descriptor was given to keeps pages granted.
    ///
    /// A lock on the descriptor tells, so it is true for good only of who cannot lift that: see ``descriptor``.
    public var isHeld: Bool { isHeldElsewhere() }

    /// Gives the index up (`IOCTL_GNTALLOC_DEALLOC_GREF`): nobody can map the pages any more, mappings go on. Another
    /// call does nothing.
    public func deallocateIndex() {
        if !isDeallocated.exchange(true, ordering: .acquiringAndReleasing) { deallocate() }
    }
}
