/// A wire dialect: the layout of the command ring's entries and of the data rings (docs/PROTOCOL.md chapter 1).
public enum Dialect: UInt8, Sendable {
    /// The first published draft: 312-byte entries, 64 pages a socket listed in the entry itself.
    case draft1
    /// PV Calls version 1 as finally published, spoken by Linux's `pvcalls-back` and `pvcalls-front`.
    case pvcalls1
    /// `pvcalls1` with the extensions of docs/PROTOCOL.md chapter 2.
    case xensock2

    /// The number that stands for the dialect in an arena's header; 0 is `xensock2`.
    public var number: UInt32 {
        switch self {
        case .xensock2: 0
        case .pvcalls1: 1
        case .draft1: 2
        }
    }

    /// Nil for a number that stands for no dialect.
    public init?(number: UInt32) {
        switch number {
        case 0: self = .xensock2
        case 1: self = .pvcalls1
        case 2: self = .draft1
        default: return nil
        }
    }

    /// Bytes of one entry of the command ring: the larger of request and response.
    public var slotSize: Int {
        self == .draft1 ? 312 : 64
    }

    /// Entries of the command ring; a power of two. The entry of index `i` is `i & (slotCount - 1)`.
    public var slotCount: UInt32 {
        self == .draft1 ? 8 : 32
    }

    /// Bytes of a request, which is the whole entry.
    public var requestSize: Int { slotSize }

    /// Bytes of a response that carry meaning. In `xensock2` the 40 bytes behind the first 24 carry the answer's payload.
    public var responseSize: Int {
        self == .xensock2 ? 64 : 24
    }

    /// Offset of the entry of free-running index `index` in the command ring's page; always inside the page.
    public func slotOffset(_ index: UInt32) -> Int {
        CommandRingHeader.entries &+ slotSize &* Int(index & (slotCount &- 1))
    }
}

/// The head of the command ring's page, the same in every dialect (`ring.h`, `DEFINE_RING_TYPES`). Each is a `UInt32`.
public enum CommandRingHeader {
    public static let requestProducer = 0
    public static let requestEvent = 4
    public static let responseProducer = 8
    public static let responseEvent = 12
    /// Where the entries begin; the bytes from 16 are zero.
    public static let entries = 64
    /// What the frontend writes to both event words before it grants the page.
    public static let initialEvent: UInt32 = 1
}

/// Bytes of a page of every dialect and platform, also where the kernel's own pages are larger.
public let pageSize = 4096
