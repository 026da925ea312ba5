import Glibc
import Testing
import XenSockTestSupport
import XenSockXen

@Suite struct SimulatedGrantTests {
    let xen = SimulatedXen()
    let guest: XenPlatform
    let control: XenPlatform

    init() {
        guest = xen.platform(domain: 1)
        control = xen.platform(domain: .control)
    }

    @Test func bothDomainsSeeWhatTheOtherWrites() throws {
        let allocation = try guest.allocator.allocate(pages: 3, for: .control)
        #expect(allocation.pages == 3 && Set(allocation.references).count == 3)
        // Any order: the mapper's is what counts.
        let mapping = try control.mapper.map(allocation.references.reversed(), of: 1)
        allocation.base.storeBytes(of: 0x11, as: UInt8.self)
        mapping.base.storeBytes(of: 0x33, as: UInt8.self)
        #expect((mapping.base + 2 * 4096).load(as: UInt8.self) == 0x11)
        #expect((allocation.base + 2 * 4096).load(as: UInt8.self) == 0x33)
        #expect(xen.mappings(by: .control) == 3 && xen.mappedGrants(of: 1) == 3)
    }

    @Test func pagesAreOfZerosAndOneMappingOfThemIsAtTheOffset() throws {
        let allocation = try guest.allocator.allocate(pages: 2, for: .control)
        #expect(UnsafeRawBufferPointer(start: allocation.base, count: 8192).allSatisfy { $0 == 0 })
        allocation.base.storeBytes(of: 7, toByteOffset: 4096, as: UInt8.self)
        // As another process does that was handed the descriptor.
        let other = dup(allocation.descriptor)
        #expect(fcntl(allocation.descriptor, F_GETFD) & FD_CLOEXEC != 0)
        let base = try #require(mmap(nil, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, other, off_t(allocation.offset)))
        #expect((base + 4096).load(as: UInt8.self) == 7)
        munmap(base, 8192)
        close(other)
    }

    @Test func aGrantLivesUntilBothSidesAreDone() throws {
        let allocation = try guest.allocator.allocate(pages: 2, for: .control)
        let mapping = try control.mapper.map(allocation.references, of: 1)
        let file = FileIdentity(allocation.descriptor)
        #expect(file != nil)
        allocation.free()
        allocation.free()
        #expect(FileIdentity(allocation.descriptor) != file)
        #expect(xen.grants(of: 1) == allocation.references)
        mapping.base.storeBytes(of: 1, as: UInt8.self)
        mapping.unmap()
        mapping.unmap()
        #expect(xen.grants(of: 1).isEmpty && xen.mappings(by: .control) == 0)
        #expect(throws: XenError.self) { try control.mapper.map(allocation.references, of: 1) }
    }

    @Test func theLastReferenceUnmapsAndFrees() throws {
        do {
            let allocation = try guest.allocator.allocate(pages: 1, for: .control)
            let mapping = try control.mapper.map(allocation.references, of: 1)
            #expect(xen.mappings(by: .control) == 1)
            withExtendedLifetime((allocation, mapping)) {}
        }
        #expect(xen.grants(of: 1).isEmpty)
    }

    @Test func onlyTheDomainThatWasMeantMaps() throws {
        let other = xen.platform(domain: 2)
        let allocation = try guest.allocator.allocate(pages: 1, for: 2)
        #expect(throws: XenError.self) { try control.mapper.map(allocation.references, of: 1) }
        #expect(throws: XenError.self) { try other.mapper.map(allocation.references, of: .control) }
        #expect(throws: XenError.self) { try other.mapper.map(allocation.references + [9999], of: 1) }
        #expect(throws: XenError.self) { try other.mapper.map([], of: 1) }
        #expect(xen.mappedGrants(of: 1) == 0)
        _ = try other.mapper.map(allocation.references, of: 1)
    }

    @Test func gntallocsLimitIsMetAndRaised() throws {
        #expect(guest.allocator.limit == 1024)
        xen.setLimits(of: 1) { $0.grantAllocations = 4 }
        let first = try guest.allocator.allocate(pages: 3, for: .control)
        let error = #expect(throws: XenError.self) { try guest.allocator.allocate(pages: 2, for: .control) }
        #expect(error?.limits.first == .grantAllocations)
        try guest.allocator.raiseLimit(to: 5)
        #expect(guest.allocator.limit == 5)
        let second = try guest.allocator.allocate(pages: 2, for: .control)
        // What is freed does not count, though it is mapped; but its entries are in use.
        let mapping = try control.mapper.map(first.references, of: 1)
        first.free()
        let third = try guest.allocator.allocate(pages: 3, for: .control)
        third.free()
        xen.setLimits(of: 1) { $0.grantTable = 6 }
        #expect(throws: XenError.self) { try guest.allocator.allocate(pages: 2, for: .control) }
        _ = try guest.allocator.allocate(pages: 1, for: .control)
        try guest.allocator.raiseLimit(to: 2)
        #expect(guest.allocator.limit == 5)
        xen.setLimits(of: 1) { $0.mayRaiseGrantAllocations = false }
        #expect(throws: XenError(.raiseLimit, errno: EACCES, subject: "6")) { try guest.allocator.raiseLimit(to: 6) }
        withExtendedLifetime((second, mapping)) {}
    }

    @Test func maptrackIsMet() throws {
        xen.setLimits(of: .control) { $0.mapTrack = 3 }
        let allocation = try guest.allocator.allocate(pages: 2, for: .control)
        let first = try control.mapper.map(allocation.references, of: 1)
        let error = #expect(throws: XenError.self) { try control.mapper.map(allocation.references, of: 1) }
        #expect(error?.limits == [.mapTrack])
        first.unmap()
        _ = try control.mapper.map(allocation.references, of: 1)
    }
}
