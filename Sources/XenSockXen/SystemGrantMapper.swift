import CXenSockXen
import Glibc

/// /dev/xen/gntdev through libxengnttab: one handle for all mappings, opened with the first.
final class SystemGrantMapper: GrantMapper, @unchecked Sendable {
    /// Closed when the last mapping has gone, not before.
    private final class Handle {
        let pointer: OpaquePointer

        init(_ pointer: OpaquePointer) { self.pointer = pointer }

        deinit { xengnttab_close(pointer) }
    }

    private let lock = Lock()
    private var handle: Handle?

    func map(_ references: [UInt32], of domain: DomainID) throws(XenError) -> GrantMapping {
        let handle = try open()
        let subject = "\(references.count) pages of domain \(domain)"
        guard !references.isEmpty else { throw XenError(.map, errno: EINVAL, subject: subject) }
        var references = references
        let base = xengnttab_map_domain_grant_refs(
            handle.pointer, UInt32(references.count), UInt32(domain.rawValue), &references, PROT_READ | PROT_WRITE)
        guard let base else {
            let errno = Glibc.errno
            // The driver says EINVAL to this, too.
            let isTooLarge = references.count > ModuleLimit(module: "xen_gntdev").value ?? .max
            throw XenError(.map, errno: isTooLarge ? E2BIG : errno, subject: subject)
        }
        let pages = references.count
        return GrantMapping(base: base, pages: pages) { xengnttab_unmap(handle.pointer, base, UInt32(pages)) }
    }

    private func open() throws(XenError) -> Handle {
        try lock.locked { () throws(XenError) in
            if let handle { return handle }
            guard let pointer = cxen_open_gnttab() else { throw XenError(.openMapper, errno: Glibc.errno) }
            let opened = Handle(pointer)
            handle = opened
            return opened
        }
    }
}
