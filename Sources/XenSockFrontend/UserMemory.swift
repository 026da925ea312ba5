import CXenSockSystem

/// The program's memory: whether what it passes can be read or written, where a system call would answer EFAULT.
///
/// A page that was found accessible is taken for accessible from then on, so that the check of a buffer in use is two
/// loads. A page that the program unmaps after that costs it a SIGSEGV in place of an EFAULT.
package enum UserMemory {
    /// Pages of one range that are all looked at; of a longer one only the ends.
    private static let lookedAt: UInt = 16

    /// - Parameter writing: as the target of a call, not its source.
    @inline(__always)
    package static func isAccessible(_ start: UnsafeRawPointer?, _ size: Int, writing: Bool) -> Bool {
        if size <= 0 { return true }
        let address = UInt(bitPattern: start)
        let last = address &+ UInt(bitPattern: size) &- 1
        // Nothing is mapped at the first page, and the upper half is the kernel's.
        if address < 4096 || Int(bitPattern: last) < 0 || last < address { return false }
        let flag: Int32 = writing ? 1 : 0
        if xs_is_page_known(address >> 12, flag) != 0, xs_is_page_known(last >> 12, flag) != 0 { return true }
        return probe(address, last, flag)
    }

    @inline(never)
    private static func probe(_ address: UInt, _ last: UInt, _ writing: Int32) -> Bool {
        guard xs_probe_page(address, writing) != 0, xs_probe_page(last, writing) != 0 else { return false }
        let pages = (last >> 12) &- (address >> 12)
        guard pages > 1, pages < lookedAt else { return true }
        var page = (address >> 12) &+ 1
        while page < last >> 12 {
            if xs_is_page_known(page, writing) == 0, xs_probe_page(page << 12, writing) == 0 { return false }
            page &+= 1
        }
        return true
    }

    /// Whether a C structure at `pointer` can be read.
    package static func isReadable<T>(_ pointer: UnsafePointer<T>?, count: Int = 1) -> Bool {
        isAccessible(pointer, MemoryLayout<T>.stride &* count, writing: false)
    }

    /// Whether a C structure at `pointer` can be written.
    package static func isWritable<T>(_ pointer: UnsafeMutablePointer<T>?, count: Int = 1) -> Bool {
        isAccessible(pointer, MemoryLayout<T>.stride &* count, writing: true)
    }
}
