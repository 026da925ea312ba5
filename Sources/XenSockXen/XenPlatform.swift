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
    /// To be called when the domain was resumed: the event channels that are open then are no more, and what is left of
    /// them is not touched again.
    public let resumed: @Sendable () -> Void

    public init(
        mapper: any GrantMapper, allocator: any GrantAllocator,
        channels: @escaping @Sendable () throws(XenError) -> any EventChannels,
        store: @escaping @Sendable () throws(XenError) -> any XenStore, resumed: @escaping @Sendable () -> Void = {}
    ) {
        self.mapper = mapper
        self.allocator = allocator
        self.channels = channels
        self.store = store
        self.resumed = resumed
    }

    /// The Xen that this process runs on. Opens devices when they are first used.
    public static func system() -> XenPlatform {
        XenPlatform(
            mapper: SystemGrantMapper(), allocator: SystemGrantAllocator(),
            channels: { () throws(XenError) in try SystemEventChannels() },
            store: { () throws(XenError) in SystemStore(try StoreConnection()) },
            resumed: { SystemEventChannels.loseAll() })
    }
}
