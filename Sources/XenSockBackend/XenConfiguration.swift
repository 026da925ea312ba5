/// How a service serves guests.
public struct XenConfiguration: Sendable {
    /// The largest order of a data ring of `pvcalls1`, both directions together: published as `max-page-order`. Linux's
    /// frontend asks for 4.
    public var maximumPageOrder: UInt32 = 8
    /// Sockets of one guest at most, all its devices together.
    public var socketsPerDomain = defaultSocketsPerDomain
    /// Pages of one guest that are mapped at a time, at most: each costs an entry of this domain's maptrack table.
    public var pagesPerDomain = defaultPagesPerDomain
    /// How long a frontend may take to close, in nanoseconds.
    var closingLimit: UInt64 = 5_000_000_000

    public static let defaultSocketsPerDomain = 1024
    public static let defaultPagesPerDomain = 32768

    public init() {}
}
