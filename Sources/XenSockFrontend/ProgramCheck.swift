import CXenSockSystem
import XenSockPlatform

/// Whether the loader will put this library into a program that is about to be executed (ld.so(8)). Nothing here
/// allocates or locks: it runs in signal handlers and vfork(2) children.
enum ProgramCheck {
    /// Remembers how the library came into this process.
    ///
    /// - Returns: whether LD_PRELOAD named it; otherwise it is in every program, whatever the environment says.
    static func isPreloaded() -> Bool {
        guard let value = getenv("LD_PRELOAD") else { return false }
        return contains(value, "libxensock")
    }

    /// What cannot be read is taken for suitable: executing it tells.
    ///
    /// - Parameters:
    ///   - directory: where a relative path begins; AT_FDCWD.
    ///   - depth: how many more interpreters of scripts to follow; the kernel follows no more than five.
    static func isSuitable(_ directory: Int32, _ path: UnsafePointer<CChar>, depth: Int = 5) -> Bool {
        if isPrivileged(directory, path) { return false }
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK
        let opened = Kernel.call(Int(SYS_openat), Int(directory), Int(bitPattern: path), Int(flags))
        if opened < 0 { return true }
        let fd = Int32(truncatingIfNeeded: opened)
        defer { _ = Kernel.close(fd) }
        return withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { buffer -> Bool in
            let start = buffer.baseAddress!
            let size = read(fd, start, 256, at: 0)
            if size >= 64, memcmp(start, "\u{7f}ELF", 4) == 0 { return loads(fd, start, path) }
            if size > 2, memcmp(start, "#!", 2) == 0, let name = interpreter(start + 2, size &- 2) {
                return depth == 0 || isSuitable(Int32(AT_FDCWD), name, depth: depth &- 1)
            }
            return true
        }
    }

    /// Whether an environment still names the library.
    static func keepsLibrary(_ environment: UnsafePointer<UnsafeMutablePointer<CChar>?>?) -> Bool {
        if xs_get_process_state().pointee.preloaded == 0 { return true }
        guard var next = environment else { return false }
        while let entry = next.pointee {
            if strncmp(entry, "LD_PRELOAD=", 11) == 0 { return contains(entry, "libxensock") }
            next += 1
        }
        return false
    }

    private static func contains(_ text: UnsafePointer<CChar>, _ part: StaticString) -> Bool {
        var found = false
        part.withLiteral { found = strstr(text, $0) != nil }
        return found
    }

    private static func read(_ fd: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int, at offset: Int) -> Int {
        Kernel.call(Int(SYS_pread64), Int(fd), Int(bitPattern: buffer), count, offset)
    }

    /// Whether the program gets more rights than its caller: then the loader ignores LD_PRELOAD.
    private static func isPrivileged(_ directory: Int32, _ path: UnsafePointer<CChar>) -> Bool {
        var attributes = stat()
        let result = withUnsafeMutablePointer(to: &attributes) {
            Kernel.call(Int(SYS_newfstatat), Int(directory), Int(bitPattern: path), Int(bitPattern: $0), 0)
        }
        if result < 0 { return false }
        let user = UInt32(truncatingIfNeeded: Kernel.call(Int(SYS_getuid)))
        let group = UInt32(truncatingIfNeeded: Kernel.call(Int(SYS_getgid)))
        if attributes.st_mode & 0o4000 != 0, attributes.st_uid != user { return true }
        if attributes.st_mode & 0o2010 == 0o2010, attributes.st_gid != group { return true }
        // Root has what the file would add.
        if user == 0 || directory != Int32(AT_FDCWD) { return false }
        let name: StaticString = "security.capability"
        var size = 0
        name.withLiteral { size = Kernel.call(Int(SYS_getxattr), Int(bitPattern: path), Int(bitPattern: $0)) }
        return size > 0
    }

    /// Whether an ELF file is one for this machine with glibc's loader, and calls libc.
    ///
    /// - Parameter start: its first bytes, at least 64, in a buffer of 1024.
    private static func loads(_ fd: Int32, _ start: UnsafeMutableRawPointer, _ path: UnsafePointer<CChar>) -> Bool {
        #if arch(x86_64)
            let machine: UInt16 = 62
        #else
            let machine: UInt16 = 183
        #endif
        // ELFCLASS64, ELFDATA2LSB.
        guard start.load(fromByteOffset: 4, as: UInt16.self) == 0x0102,
            start.load(fromByteOffset: 18, as: UInt16.self) == machine
        else { return false }
        let table = start.load(fromByteOffset: 32, as: Int.self)
        let entrySize = Int(start.load(fromByteOffset: 54, as: UInt16.self))
        let count = Int(start.load(fromByteOffset: 56, as: UInt16.self))
        var hasLoader = isLoader(path)
        var index = 0
        while index < min(count, 64) {
            guard read(fd, start, 56, at: table &+ index &* entrySize) == 56 else { return true }
            let kind = start.load(as: UInt32.self)
            let offset = start.load(fromByteOffset: 8, as: Int.self)
            let size = min(max(start.load(fromByteOffset: 32, as: Int.self), 0), 1023)
            index &+= 1
            if kind == 3 /* PT_INTERP */ {
                let got = max(0, read(fd, start, size, at: offset))
                start.storeBytes(of: 0, toByteOffset: got, as: UInt8.self)
                if contains(start.assumingMemoryBound(to: CChar.self), "/ld-musl") { return false }
                hasLoader = true
            } else if kind == 4 /* PT_NOTE */, isGo(start, read(fd, start, size, at: offset)) {
                // Its runtime makes the system calls itself.
                return false
            }
        }
        return hasLoader
    }

    /// Whether the file is the loader itself, which then loads the program that it is given.
    private static func isLoader(_ path: UnsafePointer<CChar>) -> Bool {
        guard let slash = strrchr(path, 0x2f) else { return strncmp(path, "ld", 2) == 0 && strstr(path, ".so") != nil }
        return strncmp(slash + 1, "ld", 2) == 0 && strstr(slash, ".so") != nil
    }

    /// Looks for the Go linker's note: name size, size and type of four bytes each, then both padded.
    private static func isGo(_ notes: UnsafeMutableRawPointer, _ size: Int) -> Bool {
        var offset = 0
        while offset &+ 16 <= size {
            let nameSize = Int(notes.load(fromByteOffset: offset, as: UInt32.self))
            let valueSize = Int(notes.load(fromByteOffset: offset &+ 4, as: UInt32.self))
            if nameSize == 4, memcmp(notes + offset + 12, "Go\0", 4) == 0 { return true }
            offset &+= 12 &+ ((nameSize &+ 3) & ~3) &+ ((valueSize &+ 3) & ~3)
        }
        return false
    }

    /// The interpreter's path behind `#!`, cut off in place; nil if there is none.
    private static func interpreter(_ line: UnsafeMutableRawPointer, _ size: Int) -> UnsafePointer<CChar>? {
        let text = line.assumingMemoryBound(to: UInt8.self)
        var start = 0
        while start < size, text[start] == 0x20 || text[start] == 0x09 { start &+= 1 }
        var end = start
        while end < size, text[end] > 0x20 { end &+= 1 }
        if end == start || end == size { return nil }
        text[end] = 0
        return UnsafeRawPointer(text + start).assumingMemoryBound(to: CChar.self)
    }
}
