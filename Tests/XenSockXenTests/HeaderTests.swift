import CXenSockWireCheck
import Testing
import XenSockXen

@Suite struct HeaderTests {
    func value(_ name: String) -> Int { wirecheck_find(name).map { Int($0.pointee.value) } ?? -1 }

    @Test func numbersAreThoseOfXensHeaders() {
        #expect(value("xen.domid.first-reserved") == Int(DomainID.firstReserved.rawValue))
        #expect(DomainID.nobody.rawValue == DomainID.firstReserved.rawValue - 1)
        #expect(value("xenstore.payload") == XenStoreLimits.payload)
        #expect(value("xenstore.payload") - value("xenstore.header") == XenStoreLimits.request)
        #expect(value("xenstore.absolute-path") == XenStoreLimits.absolutePath)
        #expect(value("xenstore.relative-path") == XenStoreLimits.relativePath)
    }

    /// Xen's gnttab_max_frames is 64 at first, gnttab_max_maptrack_frames 1024.
    @Test func theSimulationsLimitsAreThoseOfXen() {
        #expect(SimulatedLimits().grantTable == 64 * value("xen.grants.in-frame"))
        #expect(SimulatedLimits().mapTrack == 1024 * value("xen.mappings.in-frame"))
        let xen = SimulatedXen()
        let allocation = try? xen.platform(domain: 1).allocator.allocate(pages: 1, for: 0)
        #expect(allocation?.references == [UInt32(value("xen.grants.reserved"))])
    }

    /// The ioctls' numbers as the kernel's interface has them for good, whatever the installed headers say.
    @Test func ioctlsAreThoseOfTheKernel() {
        #expect(value("gntalloc.allocate") == 0x18_4705)
        #expect(value("gntalloc.deallocate") == 0x10_4706)
        #expect(value("gntalloc.allocate.references") == 16)
        #expect(value("gntalloc.allocate.index") == 8)
        #expect(value("gntalloc.deallocate.count") == 8)
        #expect(value("gntalloc.writable") == 1)
    }
}
