import CXenSockXen
import Glibc

/// /dev/xen/gntalloc by its ioctls.
final class SystemGrantAllocator: GrantAllocator {
    private let parameter = ModuleLimit(module: "xen_gntalloc")

    func allocate(pages: Int, for domain: DomainID) throws(XenError) -> GrantAllocation {
        let subject = "\(pages) pages for domain \(domain)"
        guard pages > 0, let count = UInt32(exactly: pages) else {
            throw XenError(.allocate, errno: EINVAL, subject: subject)
        }
        let descriptor = cxen_open_gntalloc()
        guard descriptor >= 0 else { throw XenError(.openAllocator, errno: Glibc.errno) }
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
            })
    }

    var limit: Int? { parameter.value }

    func raiseLimit(to pages: Int) throws(XenError) {
        if let limit, limit >= pages { return }
        let errno = parameter.set(pages)
        guard errno == 0 else { throw XenError(.raiseLimit, errno: errno, subject: "\(pages)") }
    }
}
