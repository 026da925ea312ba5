import CXenSockFence
import Glibc
import XenSockGuest
import XenSockXen

/// The kernel's refusal of gntalloc's ioctls to all users but 0 (docs/XEN.md, "The fence"): a pinned BPF program, this
/// one's or one that stands already. What counts is that a process without privileges is refused, by whatever.
///
/// For one thread.
public final class GntallocFence: DockFence {
    private let allocator: any GrantAllocator
    /// A page that is tried with.
    private var trial: GrantAllocation?

    public init(_ allocator: any GrantAllocator) { self.allocator = allocator }

    /// Puts one up, unless there is one that holds.
    public func establish() -> String? {
        guard geteuid() == 0 else { return "only an agent of user 0 can put up a fence, and try it" }
        guard fault() != nil else { return nil }
        let size = 512
        let failure = withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { reason -> String? in
            guard cxen_fence_install("/dev/xen/gntalloc", reason.baseAddress!, size) != 0 else { return nil }
            return String(cString: reason.baseAddress!)
        }
        if let failure { return "the fence cannot be put up: \(failure)" }
        guard let fault = fault() else { return nil }
        // The program is attached, and nobody calls it.
        return "\(fault), although the fence is up: add bpf to lsm= on the kernel's command line"
            + " (/sys/kernel/security/lsm lists what is active)"
    }

    public func fault() -> String? {
        do throws(XenError) {
            let page: GrantAllocation
            if let trial { page = trial } else { page = try allocator.allocate(pages: 1, for: .control) }
            let result = cxen_fence_try(page.descriptor, page.offset)
            // One that can be allocated with has two allocations now.
            trial = result == 0 ? page : nil
            return Self.meaning(of: result)
        } catch {
            return "\(error)"
        }
    }

    private static func meaning(of result: Int32) -> String? {
        guard result != 0 else { return nil }
        guard result > 0 else { return "it cannot be tried: \(String(cString: strerror(-result)))" }
        let rights: [(bit: Int, name: String)] = [
            (CXEN_FENCE_ALLOCATES, "allocate grants"), (CXEN_FENCE_DEALLOCATES, "free grants"),
            (CXEN_FENCE_NOTIFIES, "set notifications"), (CXEN_FENCE_UNLOCKS, "lift locks"),
            (CXEN_FENCE_CANNOT_MAP, "not map its pages"),
        ]
        let found = rights.filter { Int(result) & $0.bit != 0 }.map(\.name)
        return "a program of another user can \(found.joined(separator: ", "))"
    }
}
