/// The indexes page of `pvcalls1` and `xensock2` (`struct pvcalls_data_intf`): offsets of 32-bit words.
public enum IndexesPage {
    public static let inConsumer = 0
    public static let inProducer = 4
    public static let inError = 8
    public static let outConsumer = 64
    public static let outProducer = 68
    public static let outError = 72
    public static let ringOrder = 128
    /// The grant references of the ring's pages, `1 << order` of them.
    public static let references = 132
}

/// Where the two directions lie in the mapped pages of a data ring. Sizes are powers of two: the position of a
/// free-running index is `index & (size - 1)`.
public struct DataRingLayout: Equatable, Sendable {
    /// The largest order whose references fit into the indexes page.
    public static let maximumOrder: UInt32 = 9

    /// Pages mapped contiguously.
    public let pages: Int
    /// Backend to frontend: offset and bytes.
    public let inOffset: Int
    public let inSize: Int
    /// Frontend to backend: offset and bytes.
    public let outOffset: Int
    public let outSize: Int

    /// The equal halves of a ring of `1 << order` pages. Nil unless `order` is 1 to 9: it is read from shared memory
    /// once, and the peer's limit is the caller's to check.
    public init?(order: UInt32) {
        guard order >= 1, order <= Self.maximumOrder else { return nil }
        pages = 1 &<< Int(order)
        inOffset = 0
        inSize = 2048 &<< Int(order)
        outOffset = inSize
        outSize = inSize
    }

    private init(pages: Int, inSize: Int, outSize: Int) {
        self.pages = pages
        inOffset = 0
        self.inSize = inSize
        outOffset = inSize
        self.outSize = outSize
    }

    /// The ring of `draft1`: 64 pages, a quarter of them `in`, half of them `out`, then `Draft1Indexes`.
    public static let draft1 = DataRingLayout(pages: 64, inSize: 65536, outSize: 131072)

    /// Offset of the grant reference of page `page` in the indexes page.
    public static func referenceOffset(page: Int) -> Int {
        IndexesPage.references &+ 4 &* page
    }
}

/// The index words of `draft1`, behind `out` in the data ring's own pages: offsets from the first page.
public enum Draft1Indexes {
    public static let inConsumer = 196608
    public static let inProducer = 196612
    public static let outConsumer = 196616
    public static let outProducer = 196620
    public static let inError = 196624
    public static let outError = 196628
}
