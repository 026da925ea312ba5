import CXenSockXen
import Glibc

/// A page that a domain granted to another.
struct SimulatedGrant {
    let domain: DomainID
    let memory: SimulatedMemory
    /// The page's, in `memory`.
    let offset: Int
    /// How often the other domain has it mapped.
    var mappings = 0
    /// Whether its owner freed it: it ends with the last mapping.
    var isFreed = false
}

/// A memfd, open as long as a grant or an allocation needs it.
final class SimulatedMemory {
    let descriptor: Int32

    /// - Returns: nil with errno set.
    init?(bytes: Int) {
        descriptor = cxen_memory(bytes)
        if descriptor < 0 { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}

extension SimulatedDomain {
    var mappedGrants: Int { grants.values.reduce(0) { $0 + $1.mappings } }

    func free(_ references: [UInt32]) {
        for reference in references {
            grants[reference]?.isFreed = true
            end(reference)
        }
    }

    /// All grants that nobody has mapped, and the others when they are unmapped.
    func endGrants() { free(Array(grants.keys)) }

    func unmap(_ references: [UInt32], by domain: DomainID) {
        for reference in references {
            // The mapper may have been destroyed in between, and the grant with it.
            guard let grant = grants[reference], grant.domain == domain, grant.mappings > 0 else { continue }
            grants[reference]?.mappings -= 1
            end(reference)
        }
    }

    func dropMappings(by domain: DomainID) {
        for (reference, grant) in grants where grant.domain == domain {
            grants[reference]?.mappings = 0
            end(reference)
        }
    }

    private func end(_ reference: UInt32) {
        if let grant = grants[reference], grant.isFreed, grant.mappings == 0 { grants[reference] = nil }
    }
}

/// gntdev of a simulated domain.
final class SimulatedMapper: GrantMapper, @unchecked Sendable {
    private let xen: SimulatedXen
    private let domain: DomainID

    init(_ xen: SimulatedXen, _ domain: DomainID) {
        self.xen = xen
        self.domain = domain
    }

    func map(_ references: [UInt32], of other: DomainID) throws(XenError) -> GrantMapping {
        let subject = "\(references.count) pages of domain \(other)"
        return try xen.lock.locked { () throws(XenError) in
            let caller = try xen.begin(.map, in: domain, subject)
            guard !references.isEmpty, let owner = xen.domains[other], owner.isAlive else {
                throw XenError(.map, errno: EINVAL, subject: subject)
            }
            guard xen.mapTrackEntries(of: domain) + references.count <= caller.limits.mapTrack else {
                throw XenError(.map, errno: EINVAL, subject: subject)
            }
            let grants = references.compactMap { owner.grants[$0] }
            guard grants.count == references.count, grants.allSatisfy({ $0.domain == domain }) else {
                throw XenError(.map, errno: EINVAL, subject: subject)
            }
            let bytes = grants.count * pageSize
            let base = mmap(nil, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            guard let base, base != MAP_FAILED else { throw XenError(.map, errno: Glibc.errno, subject: subject) }
            for (index, grant) in grants.enumerated() {
                let page = mmap(
                    base + index * pageSize, pageSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                    grant.memory.descriptor, grant.offset)
                guard page != MAP_FAILED else {
                    let errno = Glibc.errno
                    munmap(base, bytes)
                    throw XenError(.map, errno: errno, subject: subject)
                }
            }
            for reference in references { owner.grants[reference]?.mappings += 1 }
            // A domain of the same number may come after this one.
            return GrantMapping(base: base, pages: grants.count) { [xen, domain] in
                munmap(base, bytes)
                xen.lock.locked { owner.unmap(references, by: domain) }
            }
        }
    }
}

/// gntalloc of a simulated domain.
final class SimulatedAllocator: GrantAllocator, @unchecked Sendable {
    private let xen: SimulatedXen
    private let domain: DomainID

    init(_ xen: SimulatedXen, _ domain: DomainID) {
        self.xen = xen
        self.domain = domain
    }

    var limit: Int? { xen.lock.locked { xen.domains[domain]?.limits.grantAllocations } }

    func raiseLimit(to pages: Int) throws(XenError) {
        try xen.lock.locked { () throws(XenError) in
            let caller = try xen.begin(.raiseLimit, in: domain, "\(pages)")
            guard pages > caller.limits.grantAllocations else { return }
            guard caller.limits.mayRaiseGrantAllocations else {
                throw XenError(.raiseLimit, errno: EACCES, subject: "\(pages)")
            }
            caller.limits.grantAllocations = pages
        }
    }

    func allocate(pages: Int, for other: DomainID) throws(XenError) -> GrantAllocation {
        let subject = "\(pages) pages for domain \(other)"
        return try xen.lock.locked { () throws(XenError) in
            let owner = try xen.begin(.allocate, in: domain, subject)
            guard pages > 0 else { throw XenError(.allocate, errno: EINVAL, subject: subject) }
            // As Linux since 5.17: what is freed counts no more, though it is mapped, but has its entry still.
            let allocated = owner.grants.values.reduce(0) { $0 + ($1.isFreed ? 0 : 1) }
            guard allocated + pages <= owner.limits.grantAllocations,
                owner.grants.count + pages <= owner.limits.grantTable
            else {
                throw XenError(.allocate, errno: ENOSPC, subject: subject)
            }
            // Not at 0, where the first allocation on the real device is: whoever forgets the offset is to notice.
            let offset = pages * pageSize
            let bytes = pages * pageSize
            guard let memory = SimulatedMemory(bytes: offset + bytes) else {
                throw XenError(.allocate, errno: Glibc.errno, subject: subject)
            }
            // An open file of its own, as each allocation on the device has.
            let descriptor = open("/proc/self/fd/\(memory.descriptor)", O_RDWR | O_CLOEXEC)
            guard descriptor >= 0 else { throw XenError(.openAllocator, errno: Glibc.errno, subject: subject) }
            _ = cxen_hold(descriptor, 0)
            let base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, offset)
            guard let base, base != MAP_FAILED else {
                let errno = Glibc.errno
                close(descriptor)
                throw XenError(.mapAllocation, errno: errno, subject: subject)
            }
            let references = (0..<UInt32(pages)).map { owner.nextReference + $0 }
            owner.nextReference += UInt32(pages)
            for (index, reference) in references.enumerated() {
                owner.grants[reference] = SimulatedGrant(
                    domain: other, memory: memory, offset: offset + index * pageSize)
            }
            return GrantAllocation(
                base: base, pages: pages, references: references, descriptor: descriptor, offset: UInt64(offset),
                deallocate: {},
                release: { [xen] in
                    munmap(base, bytes)
                    close(descriptor)
                    xen.lock.locked { owner.free(references) }
                }, isHeld: { cxen_is_held(memory.descriptor, 0) != 0 })
        }
    }
}
