import Glibc

/// A limit of Linux or Xen on what a domain may have.
public enum XenLimit: Sendable, CaseIterable {
    /// Pages that processes of the guest may grant at a time, all together; of the gntalloc driver.
    case grantAllocations
    /// Entries of the domain's grant table, the kernel's own devices included.
    case grantTable
    /// Pages of other domains that the domain may map at a time.
    case mapTrack
    /// Grants in one mapping; of the gntdev driver.
    case mappingSize
    case eventChannels
    case memory
    case descriptors
    case storeSpace
    case storeNodeSize
    case storeWatches
    case storeTransactions

    /// What the limit is on, as errors say it.
    public var meaning: String {
        switch self {
        case .grantAllocations: "the guest's limit on granted pages is met"
        case .grantTable: "the guest's grant table is full"
        case .mapTrack:
            "the other domain has not granted these pages or is gone, or this domain's table of mapped grants is full"
        case .mappingSize: "too many pages in one mapping"
        case .eventChannels: "the domain's event channels are used up"
        case .memory: "the domain is short of memory"
        case .descriptors: "the process has no descriptors left"
        case .storeSpace: "the domain's XenStore quota is used up"
        case .storeNodeSize: "more than one XenStore node or request may hold"
        case .storeWatches: "the domain has as many XenStore watches as it may"
        case .storeTransactions: "the domain has as many XenStore transactions open as it may"
        }
    }

    /// How to raise it.
    public var remedy: String {
        switch self {
        case .grantAllocations:
            "write more to /sys/module/xen_gntalloc/parameters/limit (1024 pages at first), or boot with"
                + " xen_gntalloc.limit=N"
        case .grantTable: "raise max_grant_frames in the guest's xl.cfg (512 pages each; 64 at first)"
        case .mapTrack:
            "raise max_maptrack_frames in this domain's xl.cfg, for the control domain gnttab_max_maptrack_frames"
                + " on Xen's command line"
        case .mappingSize: "write more to /sys/module/xen_gntdev/parameters/limit (65536 pages at first)"
        case .eventChannels:
            "raise max_event_channels in the guest's xl.cfg (1023 at first)"
        case .memory: "give it more memory in its xl.cfg, or dom0_mem on Xen's command line"
        case .descriptors: "raise RLIMIT_NOFILE (LimitNOFILE= in its unit file)"
        case .storeSpace:
            "raise xenstored's --entry-nb or, from Xen 4.18 on, `xenstore-control quota set nodes N`"
        case .storeNodeSize: "raise xenstored's --entry-size (2048 bytes at first; a request has at most 4096)"
        case .storeWatches: "raise xenstored's --watch-nb (128 at first)"
        case .storeTransactions: "raise xenstored's --transaction (10 at first)"
        }
    }

    /// The limits that `call` may have met when it fails with `errno`, the likeliest first.
    static func met(by call: XenCall, errno: Int32) -> [XenLimit] {
        switch (call, errno) {
        case (_, EMFILE), (_, ENFILE): [.descriptors]
        case (.allocate, ENOSPC): [.grantAllocations, .grantTable]
        case (.map, EINVAL): [.mapTrack]
        case (.map, E2BIG): [.mappingSize]
        case (.bindUnbound, ENOSPC), (.bindInterdomain, ENOSPC): [.eventChannels]
        case (.watch, E2BIG), (.watch, ENOSPC), (.watch, EDQUOT): [.storeWatches]
        case (.startTransaction, ENOSPC), (.startTransaction, EDQUOT): [.storeTransactions]
        case (.write, E2BIG): [.storeNodeSize]
        case (.write, ENOSPC): [.storeSpace, .storeNodeSize]
        case (.makeDirectory, ENOSPC), (.setPermissions, ENOSPC), (.endTransaction, ENOSPC): [.storeSpace]
        case (.write, EDQUOT), (.makeDirectory, EDQUOT), (.setPermissions, EDQUOT), (.endTransaction, EDQUOT):
            [.storeSpace]
        case (_, ENOMEM): [.memory]
        default: []
        }
    }
}
