import CXenSockXen
import Glibc
import Synchronization

/// /dev/xen/gntalloc by its ioctls.
final class SystemGrantAllocator: GrantAllocator {
    private let parameter = ModuleLimit(module: "xen_gntalloc")
    /// Without an allocation: to ask for the locks of the others.
    private let witness = Atomic<Int32>(-1)
    /// Whoever holds pages of an agent before this one has other numbers.
    private let count = Atomic<UInt64>(UInt64.random(in: 0..<1 << 61))

    deinit {
        let descriptor = witness.load(ordering: .relaxed)
        if descriptor >= 0 { close(descriptor) }
    }

    func allocate(pages: Int, for domain: DomainID) throws(XenError) -> GrantAllocation {
        let subject = "\(pages) pages for domain \(domain)"
        guard pages > 0, let count = UInt32(exactly: pages) else {
            throw XenError(.allocate, errno: EINVAL, subject: subject)
        }
        let descriptor = cxen_open_gntalloc()
        guard descriptor >= 0 else { throw XenError(.openAllocator, errno: Glibc.errno) }
        let number = self.count.add(1, ordering: .relaxed).newValue
        guard cxen_hold(descriptor, number) == 0 else {
            let errno = Glibc.errno
            close(descriptor)
            throw XenError(.lockAllocation, errno: errno)
        }
        var offset: UInt64 = 0
        var references = [UInt32](repeating: 0, count: pages)
        guard cxen_allocate(descriptor, domain.rawValue, count, &offset, &references) == 0 else {
            let errno = Glibc.errno
            close(descriptor)
            throw XenError(.allocate, errno: errno, subject: subject)
        }
        let bytes = pages * pageSize
        let base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, off_t(offset))
        guard let base, base != MAP_FAILED else {
            let errno = Glibc.errno
            _ = cxen_deallocate(descriptor, offset, count)
            close(descriptor)
            throw XenError(.mapAllocation, errno: errno, subject: subject)
        }
        let index = offset
        return GrantAllocation(
            base: base, pages: pages, references: references, descriptor: descriptor, offset: offset,
            deallocate: { _ = cxen_deallocate(descriptor, index, count) },
            release: {
                munmap(base, bytes)
                close(descriptor)
            }, isHeld: { [self] in isHeld(number) })
    }

    private func isHeld(_ number: UInt64) -> Bool {
        var descriptor = witness.load(ordering: .acquiring)
        if descriptor < 0 {
            descriptor = cxen_open_gntalloc()
            guard descriptor >= 0 else { return true }
            let (isFirst, other) = witness.compareExchange(
                expected: -1, desired: descriptor, ordering: .acquiringAndReleasing)
            if !isFirst {
                close(descriptor)
                descriptor = other
            }
        }
        return cxen_is_held(descriptor, number) != 0
    }

    var limit: Int? { parameter.value }

    func raiseLimit(to pages: Int) throws(XenError) {
        if let limit, limit >= pages { return }
        let errno = parameter.set(pages)
        guard errno == 0 else { throw XenError(.raiseLimit, errno: errno, subject: "\(pages)") }
    }
}
