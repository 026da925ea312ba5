import XenSockRing
import XenSockWire
import XenSockXen

/// What is mapped of one port's pages: the indexes page and the data ring that it lists (docs/PROTOCOL.md, 3.7, Rings).
///
/// Both stay mapped when the port's socket has no more need of them: the agent has the same pages for the port's next
/// socket, and to map and unmap them is a third of what a short connection costs. What is in them is the guest's to begin
/// anew, as where they are mapped anew.
final class XenPages {
    unowned let device: any XenDeviceServices
    /// The grant reference of the indexes page; 0 while none is mapped.
    private(set) var reference: UInt32 = 0
    private var indexes: GrantMapping?
    private var areIndexesTaken = false
    private var ring: Ring?
    private var isRingTaken = false
    /// While these pages are among those that are kept, which alone change this: their neighbours there, and the second in
    /// which they came.
    var isKept = false
    unowned(unsafe) var older: XenPages?
    var newer: XenPages?
    var second: UInt64 = 0

    struct Ring {
        let mapping: GrantMapping
        let references: [UInt32]
        let layout: DataRingLayout
    }

    init(device: any XenDeviceServices) { self.device = device }

    /// Pages that are mapped and that no socket needs.
    var unused: Int { (areIndexesTaken ? 0 : indexes?.pages ?? 0) + (isRingTaken ? 0 : ring?.mapping.pages ?? 0) }

    /// The indexes page, for one socket until `release`.
    func takeIndexes(_ reference: UInt32) throws(XenError) -> UnsafeMutableRawPointer {
        // The port has other pages now: those of before will not come again.
        if self.reference != reference { unmap() }
        let mapping: GrantMapping
        if let indexes { mapping = indexes } else { mapping = try map([reference]) }
        self.reference = reference
        indexes = mapping
        areIndexesTaken = true
        keep()
        return mapping.base
    }

    /// The ring of the pages that the guest listed, for one socket until `releaseRing`.
    func takeRing(_ references: [UInt32], _ layout: DataRingLayout) throws(XenError) -> Ring {
        if let ring, ring.references == references {
            isRingTaken = true
            keep()
            return ring
        }
        ring?.mapping.unmap()
        ring = nil
        let new = Ring(mapping: try map(references), references: references, layout: layout)
        ring = new
        isRingTaken = true
        keep()
        return new
    }

    private func map(_ references: [UInt32]) throws(XenError) -> GrantMapping {
        try device.mapper.map(references, of: device.domain)
    }

    func releaseRing() {
        isRingTaken = false
        keep()
    }

    /// The socket needs none of them any more.
    func release() {
        isRingTaken = false
        areIndexesTaken = false
        keep()
    }

    private func keep() {
        if unused == 0 { device.kept.remove(self) } else { device.kept.add(self) }
    }

    /// Unmaps what no socket needs.
    func drop() {
        device.kept.remove(self)
        if !isRingTaken {
            ring?.mapping.unmap()
            ring = nil
        }
        if !areIndexesTaken {
            indexes?.unmap()
            indexes = nil
            reference = 0
        }
    }

    /// Unmaps all.
    func unmap() {
        isRingTaken = false
        areIndexesTaken = false
        drop()
    }
}
