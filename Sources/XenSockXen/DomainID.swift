/// A domain's number (`domid_t`): 0 is the control domain, guests count from 1. Never used again for another domain
/// while anything of the first one's is left.
public struct DomainID: RawRepresentable, Hashable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }
    public init(_ rawValue: UInt16) { self.rawValue = rawValue }
    public init(integerLiteral value: UInt16) { rawValue = value }

    /// The control domain, where XenStore and the toolstack run.
    public static let control = DomainID(0)

    /// The first number that no domain has (`DOMID_FIRST_RESERVED`).
    public static let firstReserved = DomainID(0x7ff0)

    /// A number that the kernel takes for a domain's and that Xen never gives to one: whoever holds event channels
    /// restricted to it can bind no more (`EventChannels.restrict`). Xen counts from 1 and needs 32,751 guests to come
    /// here.
    public static let nobody = DomainID(0x7fef)

    /// The domain's directory in XenStore.
    public var path: String { "/local/domain/\(rawValue)" }

    public var description: String { String(rawValue) }
}
