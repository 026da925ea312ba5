/// Zeroed, page-aligned memory that plays the pages two domains share.
public final class SharedPages: @unchecked Sendable {
    public let base: UnsafeMutableRawPointer

    public init(pages: Int) {
        base = .allocate(byteCount: pages * 4096, alignment: 4096)
        base.initializeMemory(as: UInt8.self, repeating: 0, count: pages * 4096)
    }

    deinit { base.deallocate() }
}
