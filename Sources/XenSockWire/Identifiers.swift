/// The identity of a socket: chosen freely by the frontend, scoped by its connection. All 64 bits count.
public struct SocketID: RawRepresentable, Equatable, Sendable, ExpressibleByIntegerLiteral {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public init(integerLiteral value: UInt64) { rawValue = value }
}

/// A grant reference (`grant_ref_t`): names one page that a domain shares. On the local platform, a page of the arena.
public struct GrantReference: RawRepresentable, Equatable, Sendable, ExpressibleByIntegerLiteral {
    public var rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public init(_ rawValue: UInt32) { self.rawValue = rawValue }
    public init(integerLiteral value: UInt32) { rawValue = value }
}

/// An event channel's port (`evtchn_port_t`), as the frontend names it in a request.
public struct EventChannelPort: RawRepresentable, Equatable, Sendable, ExpressibleByIntegerLiteral {
    public var rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public init(_ rawValue: UInt32) { self.rawValue = rawValue }
    public init(integerLiteral value: UInt32) { rawValue = value }
}

#if !hasFeature(Embedded)
    extension SocketID: Hashable {}
    extension GrantReference: Hashable {}
    extension EventChannelPort: Hashable {}
#endif
