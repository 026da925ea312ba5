/// The local platform's arena (docs/PROTOCOL.md 3.2). Offsets are in bytes from its start; a grant reference is a page.
public enum Arena {
    /// Ports per arena: a multiple of `portGranularity`, at most this.
    public static let maximumPorts: UInt32 = 16384
    public static let portGranularity: UInt32 = 64

    public static let headerPage = 0
    public static let pendingPage = 1
    public static let commandRingPage = 2
    public static let argumentsPage = 3
    public static let statusPage = 8

    /// One u64 for 64 ports.
    public static let pendingOffset = 4096
    public static let commandRingOffset = 8192
    public static let argumentsOffset = 12288
    public static let statusOffset = 32768

    /// The indexes page and a ring of order 8: what one port uses at most.
    public static let pagesPerPort: UInt32 = 257
    public static let maximumOrder: UInt32 = 8

    /// The command ring's port; sockets have the others.
    public static let commandRingPort: UInt32 = 0

    /// Whether `ports` is a number that an arena can have.
    public static func isValid(ports: UInt32) -> Bool {
        ports > 0 && ports <= maximumPorts && ports % portGranularity == 0
    }

    /// Offset of a port's status line. The caller has bounded `port` by the arena's number of ports.
    public static func statusOffset(port: UInt32) -> Int {
        statusOffset &+ StatusLine.size &* Int(port)
    }

    /// The first page that may be granted.
    public static func firstGrantablePage(ports: UInt32) -> UInt32 {
        UInt32(statusPage) &+ ports / 32
    }

    /// Pages of the whole arena. `ports` is valid.
    public static func pageCount(ports: UInt32) -> UInt32 {
        firstGrantablePage(ports: ports) &+ pagesPerPort &* ports
    }

    /// The indexes page that a frontend of ours uses for a port; the ring's pages follow it.
    public static func indexesPage(forPort port: UInt32, ports: UInt32) -> GrantReference {
        GrantReference(firstGrantablePage(ports: ports) &+ pagesPerPort &* port)
    }

    /// Offset of a page.
    public static func offset(of page: GrantReference) -> Int {
        Int(page.rawValue) &* pageSize
    }

    /// Offset of the pending word that has the port's bit, and of the summary word that has the word's bit.
    public static func pendingOffset(port: UInt32) -> Int { pendingOffset &+ 8 &* Int(port &>> 6) }
    public static func pendingBit(port: UInt32) -> UInt64 { 1 &<< UInt64(port & 63) }
    public static func summaryOffset(port: UInt32) -> Int { ArenaHeader.summary &+ 8 &* Int(port &>> 12) }
    public static func summaryBit(port: UInt32) -> UInt64 { 1 &<< UInt64(port &>> 6 & 63) }
}

/// The arena's first page: offsets, and what stands there.
public enum ArenaHeader {
    public static let magic = 0
    public static let layoutVersion = 8
    public static let ports = 12
    public static let arenaID = 16
    public static let firstGrantablePage = 24
    public static let totalPages = 28
    /// The dialect of the arena's sockets: 0 `xensock2`, 1 `pvcalls1`, 2 `draft1`.
    public static let dialect = 32
    /// 1 + the program's port of the session's event channel (docs/PROTOCOL.md 3.7); 0 on the local platform.
    public static let eventChannel = 36
    public static let sleeping = 64
    /// Four u64.
    public static let summary = 128

    /// The bytes `XENSOCK2`.
    public static let magicValue: UInt64 = 0x324b_434f_534e_4558
    public static let currentLayoutVersion: UInt32 = 1
}
