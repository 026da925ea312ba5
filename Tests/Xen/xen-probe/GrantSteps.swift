import Glibc
import XenSockXen

/// What a guest can check of grants alone.
let grantSteps: [Step] = [
    Step(name: "grants-allocation", check: checkAllocation), Step(name: "grants-limit", check: checkLimit),
    Step(name: "grants-freed", check: checkFreed),
]

private func checkAllocation(_ xen: XenPlatform) throws {
    let allocation = try xen.allocator.allocate(pages: 33, for: .control)
    try expect(allocation.pages == 33 && Set(allocation.references).count == 33, "references")
    let bytes = UnsafeRawBufferPointer(start: allocation.base, count: 33 * 4096)
    try expect(bytes.allSatisfy { $0 == 0 }, "pages that are not zeros")
    try expect(fcntl(allocation.descriptor, F_GETFD) & FD_CLOEXEC != 0, "inherited by programs")
    // As another process maps it that was handed the descriptor.
    let other = dup(allocation.descriptor)
    defer { close(other) }
    func mapAgain() -> UnsafeMutableRawPointer? {
        let base = mmap(nil, 33 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, other, off_t(allocation.offset))
        return base == MAP_FAILED ? nil : base
    }
    guard let second = mapAgain() else { throw Failure(description: "no second mapping: errno \(errno)") }
    allocation.base.storeBytes(of: 0x55, toByteOffset: 32 * 4096, as: UInt8.self)
    try expect((second + 32 * 4096).load(as: UInt8.self) == 0x55, "two mappings of different pages")
    allocation.deallocateIndex()
    allocation.deallocateIndex()
    try expect(mapAgain() == nil, "the index was not given up")
    second.storeBytes(of: 0x66, as: UInt8.self)
    try expect(allocation.base.load(as: UInt8.self) == 0x66, "the mapping ended with the index")
    allocation.free()
    allocation.free()
    try expect(fcntl(allocation.descriptor, F_GETFD) == -1, "the descriptor is still open")
    second.storeBytes(of: 0x77, as: UInt8.self)
    munmap(second, 33 * 4096)
    for pages in [0, -1] {
        let error = try failure("\(pages) pages") { () throws(XenError) in
            _ = try xen.allocator.allocate(pages: pages, for: .control)
        }
        try expect(error.errno == EINVAL, "\(pages) pages")
    }
}

private func checkLimit(_ xen: XenPlatform) throws {
    guard let limit = xen.allocator.limit else { throw Failure(description: "no limit") }
    print("limit \(limit)")
    let error = try failure("more than the limit") { () throws(XenError) in
        _ = try xen.allocator.allocate(pages: limit + 1, for: .control)
    }
    try expect(error.limits.first == .grantAllocations, "\(error.errno)")
    try xen.allocator.raiseLimit(to: limit + 1)
    try xen.allocator.raiseLimit(to: limit)
    try expect(xen.allocator.limit == limit + 1, "not raised")
    let allocation = try xen.allocator.allocate(pages: limit + 1, for: .control)
    allocation.free()
}

/// What is freed may be allocated again: nothing stays behind.
private func checkFreed(_ xen: XenPlatform) throws {
    let pages = (xen.allocator.limit ?? 0) / 2 + 1
    for _ in 0..<4 { try xen.allocator.allocate(pages: pages, for: .control).free() }
    // The process's descriptors as well.
    var descriptors: Set<Int32> = []
    for _ in 0..<50 {
        let allocation = try xen.allocator.allocate(pages: 1, for: .control)
        descriptors.insert(allocation.descriptor)
        allocation.free()
    }
    try expect(descriptors.count == 1, "\(descriptors.count) descriptors")
}
