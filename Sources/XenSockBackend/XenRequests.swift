import XenSockRing
import XenSockWire

/// A request on a device's own command ring (docs/PROTOCOL.md, 3.7, device requests): a private copy of the entry.
struct XenRequest {
    private var words: InlineArray<8, UInt64>

    /// - Parameter slot: an entry of 64 bytes, which the guest may still change.
    init(copying slot: UnsafeMutableRawPointer) {
        words = InlineArray(repeating: 0)
        for index in 0..<8 { words[index] = SharedWord64(slot + index * 8).load() }
    }

    func u32(_ offset: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: words[offset / 8] >> UInt64(offset % 8 * 8))
    }

    func u64(_ offset: Int) -> UInt64 { words[offset / 8] }

    var command: UInt32 { u32(EntryLayout.command) }
    var id: UInt64 { u64(EntryLayout.id) }

    /// Writes the answer.
    ///
    /// - Parameters:
    ///   - ret: 0 or a negative errno.
    ///   - value: the word at 24.
    ///   - features: the word at 28.
    func answer(_ ret: Int32, value: UInt32, features: UInt32, into slot: UnsafeMutableRawPointer) {
        var answer = InlineArray<8, UInt64>(repeating: 0)
        answer[0] = words[0]
        answer[1] = UInt64(UInt32(bitPattern: ret))
        answer[2] = id
        answer[3] = UInt64(features) << 32 | UInt64(value)
        for index in 0..<8 { SharedWord64(slot + index * 8).store(answer[index]) }
    }
}

/// What a dock region's first page says: how many ports, and which pages.
struct XenDockList {
    let ports: UInt32
    let dock: [UInt32]
    let control: [UInt32]

    /// Reads each word once.
    ///
    /// - Parameter page: the guest's.
    /// - Returns: nil for a number of ports out of bounds, or of pages that it does not make.
    init?(page: UnsafeMutableRawPointer) {
        func word(_ offset: Int) -> UInt32 { SharedWord32(page + offset).load() }
        ports = word(DockRegion.ports)
        guard XenSession.isValid(ports: ports) else { return nil }
        let (controlPages, dockPages) = (XenSession.controlPages(ports: ports), XenSession.dockPages(ports: ports))
        guard word(DockRegion.controlPages) == controlPages, word(DockRegion.dockPages) == dockPages else { return nil }
        dock = (0..<Int(dockPages)).map { word(DockRegion.references + $0 * 4) }
        control = (0..<Int(controlPages)).map { word(DockRegion.references + (Int(dockPages) + $0) * 4) }
    }
}
