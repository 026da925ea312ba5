/// What Xen gives a domain's processes: grants, event channels, XenStore.
public struct XenPlatform: Sendable {
    /// For the backend domain.
    public let mapper: any GrantMapper
    /// For the guest.
    public let allocator: any GrantAllocator
    /// Opens the event channel device.
    public let channels: @Sendable () throws(XenError) -> any EventChannels
    /// Connects to XenStore.
    public let store: @Sendable () throws(XenError) -> any XenStore

    public init(
        mapper: any GrantMapper, allocator: any GrantAllocator,
        channels: @escaping @Sendable () throws(XenError) -> any EventChannels,
        store: @escaping @Sendable () throws(XenError) -> any XenStore
    ) {
        self.mapper = mapper
        self.allocator = allocator
        self.channels = channels
        self.store = store
    }

    /// The Xen that this process runs on. Opens devices when they are first used.
    public static func system() -> XenPlatform {
        XenPlatform(
            mapper: SystemGrantMapper(), allocator: SystemGrantAllocator(),
            channels: { () throws(XenError) in try SystemEventChannels() },
            store: { () throws(XenError) in SystemStore(try StoreConnection()) })
    }
}
