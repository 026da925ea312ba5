import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// Looks at what the service hands over before it is trusted: memory that could shrink or fail under a load would end
/// the program with SIGBUS, and a doorbell that could block would hold it for ever (docs/PROTOCOL.md, 3.1 and 3.2).
enum ArenaMemory {
    /// Maps a whole arena.
    ///
    /// - Returns: its first byte; nil if the descriptor is no sealed memfd of ordinary pages, large enough for `ports`,
    ///   or there is no address space.
    static func map(_ memory: Int32, ports: UInt32) -> UnsafeMutableRawPointer? {
        guard Arena.isValid(ports: ports) else { return nil }
        let size = Int(Arena.pageCount(ports: ports)) &* pageSize
        guard isTrustworthy(memory, size: size), let base = Kernel.mapShared(memory, size) else { return nil }
        _ = Kernel.advise(base, size, 16 /* MADV_DONTDUMP */)
        return base
    }

    /// The number of ports that an arena's header claims; nil if the descriptor is no arena.
    static func ports(_ memory: Int32) -> UInt32? {
        guard isTrustworthy(memory, size: pageSize), let header = Kernel.mapShared(memory, pageSize) else { return nil }
        defer { Kernel.unmap(header, pageSize) }
        return header.load(fromByteOffset: ArenaHeader.ports, as: UInt32.self)
    }

    /// Whether a descriptor is a memfd of ordinary pages, at least `size` bytes of them, that cannot shrink.
    static func isTrustworthy(_ memory: Int32, size: Int) -> Bool {
        // Only a memfd can bear the seal; one of huge pages (not tmpfs) faults when their pool is empty.
        let seals = Kernel.fileControl(memory, 1034 /* F_GET_SEALS */, 0)
        guard seals >= 0, seals & Int(F_SEAL_SHRINK) != 0 else { return false }
        var status = stat()
        let found = withUnsafeMutablePointer(to: &status) {
            Kernel.call(Int(SYS_fstat), Int(memory), Int(bitPattern: $0))
        }
        guard found == 0, status.st_size >= size else { return false }
        return withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { buffer in
            let base = buffer.baseAddress!
            let result = Kernel.call(Int(SYS_fstatfs), Int(memory), Int(bitPattern: base))
            return result == 0 && base.load(as: Int.self) == 0x0102_1994 /* TMPFS_MAGIC */
        }
    }

    /// Whether a descriptor is an eventfd or something like it, made non-blocking: no file, pipe, socket or device.
    static func isDoorbell(_ fd: Int32) -> Bool {
        var status = stat()
        let found = withUnsafeMutablePointer(to: &status) {
            Kernel.call(Int(SYS_fstat), Int(fd), Int(bitPattern: $0))
        }
        guard found == 0, status.st_mode & 0o170000 == 0 else { return false }
        let flags = Kernel.fileControl(fd, Int32(F_GETFL), 0)
        guard flags >= 0 else { return false }
        return flags & Int(O_NONBLOCK) != 0 || Kernel.fileControl(fd, Int32(F_SETFL), flags | Int(O_NONBLOCK)) >= 0
    }
}
