import CXenSockSystem
import Testing
import XenSockPlatform

@testable import XenSockFrontend

@Suite struct UserMemoryTests {
    /// Pages that no test before had at their addresses: what was found out about one is believed from then on.
    private func unknownPages(_ count: Int) throws -> UnsafeMutableRawPointer {
        for _ in 0..<1000 {
            let pages = try #require(Kernel.mapAnonymous(count * 4096))
            let first = UInt(bitPattern: pages) >> 12
            if (0..<UInt(count)).allSatisfy({ xs_is_page_known(first + $0, 0) == 0 }) { return pages }
        }
        Issue.record("every page is known")
        throw CancellationError()
    }

    @Test func whatIsNotMappedIsNotAccessible() throws {
        let pages = try unknownPages(3)
        defer { Kernel.unmap(pages, 3 * 4096) }
        _ = Kernel.call(Int(SYS_mprotect), Int(bitPattern: pages + 4096), 4096, Int(PROT_NONE))
        #expect(UserMemory.isAccessible(pages, 4096, writing: true))
        #expect(!UserMemory.isAccessible(pages + 4096, 1, writing: false))
        #expect(!UserMemory.isAccessible(pages, 4097, writing: false))
        #expect(!UserMemory.isAccessible(pages, 3 * 4096, writing: false))
        #expect(UserMemory.isAccessible(pages + 4096, 0, writing: true))
    }

    @Test func aConstantMayBeReadOnly() throws {
        let page = try unknownPages(1)
        defer { Kernel.unmap(page, 4096) }
        _ = Kernel.call(Int(SYS_mprotect), Int(bitPattern: page), 4096, Int(PROT_READ))
        #expect(UserMemory.isAccessible(page, 100, writing: false))
        #expect(!UserMemory.isAccessible(page, 100, writing: true))
    }

    @Test func addressesOfTheKernelAndNullAreNot() {
        #expect(!UserMemory.isAccessible(nil, 1, writing: false))
        #expect(!UserMemory.isAccessible(UnsafeRawPointer(bitPattern: -4096), 1, writing: false))
        #expect(!UserMemory.isAccessible(UnsafeRawPointer(bitPattern: 0x1234_5678_9012_3456), 1, writing: true))
        #expect(!UserMemory.isAccessible(UnsafeRawPointer(bitPattern: 4096), .max, writing: true))
    }
}
