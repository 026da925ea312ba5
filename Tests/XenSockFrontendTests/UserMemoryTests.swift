import CXenSockSystem
import Testing
import XenSockPlatform

@testable import XenSockFrontend

@Suite struct UserMemoryTests {
    @Test func whatIsNotMappedIsNotAccessible() throws {
        let pages = try #require(Kernel.mapAnonymous(3 * 4096))
        defer { Kernel.unmap(pages, 3 * 4096) }
        _ = Kernel.call(Int(SYS_mprotect), Int(bitPattern: pages + 4096), 4096, Int(PROT_NONE))
        #expect(UserMemory.isAccessible(pages, 4096, writing: true))
        #expect(!UserMemory.isAccessible(pages + 4096, 1, writing: false))
        #expect(!UserMemory.isAccessible(pages, 4097, writing: false))
        #expect(!UserMemory.isAccessible(pages, 3 * 4096, writing: false))
        #expect(UserMemory.isAccessible(pages + 4096, 0, writing: true))
    }

    @Test func aConstantMayBeReadOnly() throws {
        let page = try #require(Kernel.mapAnonymous(4096))
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
