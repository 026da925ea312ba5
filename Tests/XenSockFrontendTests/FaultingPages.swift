import CXenSockSystem
import Foundation
import XenSockFrontend
import XenSockPlatform

/// Pages that cannot be touched until they are: the first touch runs a closure in a signal handler, exactly where the
/// touching thread stands. That is how a test interrupts a copy in its middle.
final class FaultingPages: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    private let size: Int
    private let interruption: () -> Void

    /// Held by the one instance that is in use; the handler finds it here.
    nonisolated(unsafe) private static var current: FaultingPages?
    private static let turn = NSLock()

    /// Runs `body` with pages whose first touch runs `interruption`. One at a time in the process.
    static func with<T>(
        pages: Int = 1, interruption: @escaping () -> Void, _ body: (FaultingPages) throws -> T
    ) rethrows -> T {
        turn.lock()
        defer { turn.unlock() }
        let pages = FaultingPages(size: pages * 4096, interruption)
        var action = sigaction()
        var previous = sigaction()
        action.__sigaction_handler.sa_sigaction = { _, info, _ in
            FaultingPages.fault(at: info?.pointee._sifields._sigfault.si_addr)
        }
        // SA_SIGINFO, SA_NODEFER.
        action.sa_flags = 4 | 0x4000_0000
        sigaction(SIGSEGV, &action, &previous)
        current = pages
        defer {
            current = nil
            sigaction(SIGSEGV, &previous, nil)
        }
        return try body(pages)
    }

    private init(size: Int, _ interruption: @escaping () -> Void) {
        self.size = size
        self.interruption = interruption
        base = Kernel.mapAnonymous(size)!
        forbid()
    }

    deinit { Kernel.unmap(base, size) }

    private func protect(_ protection: Int32) {
        _ = Kernel.call(Int(SYS_mprotect), Int(bitPattern: base), size, Int(protection))
    }

    /// Makes the next touch interrupt.
    func forbid() {
        protect(PROT_READ | PROT_WRITE)
        // Known to be accessible, they are not looked at before a copy.
        _ = UserMemory.isAccessible(base, size, writing: true)
        protect(PROT_NONE)
    }

    /// Fills the pages, without an interruption.
    func fill(_ bytes: [UInt8]) {
        protect(PROT_READ | PROT_WRITE)
        base.copyMemory(from: bytes, byteCount: bytes.count)
        forbid()
    }

    /// The first `count` bytes, without an interruption.
    func bytes(_ count: Int) -> [UInt8] {
        protect(PROT_READ | PROT_WRITE)
        return Array(UnsafeRawBufferPointer(start: base, count: count))
    }

    private static func fault(at address: UnsafeMutableRawPointer?) {
        guard let current, let address, address >= current.base, address < current.base + current.size else {
            // Somebody else's fault: die of it.
            signal(SIGSEGV, SIG_DFL)
            return
        }
        current.protect(PROT_READ | PROT_WRITE)
        current.interruption()
    }
}
