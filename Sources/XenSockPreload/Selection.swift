import CXenSockPreload
import XenSockFrontend

/// What select(2) was asked for, kept because the kernel writes its answer over it.
private struct Selection {
    private let readable: fd_set
    private let writable: fd_set
    private let exceptional: fd_set
    private let count: Int32

    /// nil unless a socket among them has an event that the kernel does not see. Sets beyond FD_SETSIZE, which only
    /// programs with sets of their own making have, are the kernel's alone.
    init?(
        _ count: Int32, _ readable: UnsafePointer<fd_set>?, _ writable: UnsafePointer<fd_set>?,
        _ exceptional: UnsafePointer<fd_set>?
    ) {
        guard count > 0, count <= 8 * Int32(MemoryLayout<fd_set>.size) else { return nil }
        self.count = count
        // The program's sets may be only as large as `count` needs.
        let size = (Int(count) + 63) / 64 * 8
        // Else the kernel tells.
        guard Self.isThere(readable, size), Self.isThere(writable, size), Self.isThere(exceptional, size) else {
            return nil
        }
        var kept = (fd_set(), fd_set(), fd_set())
        if let readable { memcpy(&kept.0, readable, size) }
        if let writable { memcpy(&kept.1, writable, size) }
        if let exceptional { memcpy(&kept.2, exceptional, size) }
        self.readable = kept.0
        self.writable = kept.1
        self.exceptional = kept.2
        guard forEachUnseen({ _, _ in }) > 0 else { return nil }
    }

    @inline(never)
    private static func isThere(_ set: UnsafePointer<fd_set>?, _ size: Int) -> Bool {
        set == nil || Frontend.isReadable(set, size)
    }

    /// Calls `body` with every wanted descriptor that has unseen events, and the events. Returns how many there are.
    @discardableResult
    private func forEachUnseen(_ body: (Int, Int16) -> Void) -> Int {
        var found = 0
        withUnsafeBytes(of: readable) { readable in
            withUnsafeBytes(of: writable) { writable in
                for index in 0..<(Int(count) + 63) / 64 {
                    var bits =
                        readable.load(fromByteOffset: index * 8, as: UInt64.self)
                        | writable.load(fromByteOffset: index * 8, as: UInt64.self)
                    while bits != 0 {
                        let fd = index * 64 + bits.trailingZeroBitCount
                        bits &= bits &- 1
                        guard fd < Int(count) else { break }
                        var entry = pollfd(fd: Int32(fd), events: Int16(POLLPRI), revents: 0)
                        guard Frontend.pollFixup(&entry, 1) > 0 else { continue }
                        body(fd, entry.revents)
                        found += 1
                    }
                }
            }
        }
        return found
    }

    /// Adds the unseen events to the kernel's answer: HUP and ERR make readable, ERR makes writable, PRI is exceptional.
    func complete(
        _ result: Int32, _ readable: UnsafeMutablePointer<fd_set>?, _ writable: UnsafeMutablePointer<fd_set>?,
        _ exceptional: UnsafeMutablePointer<fd_set>?
    ) -> Int32 {
        guard result >= 0 else { return result }
        var result = result
        forEachUnseen { fd, events in
            if Self.set(fd, self.readable, readable) { result += 1 }
            if events & Int16(POLLERR) != 0, Self.set(fd, self.writable, writable) { result += 1 }
            if events & Int16(POLLPRI) != 0, Self.set(fd, self.exceptional, exceptional) { result += 1 }
        }
        return result
    }

    /// Sets a wanted bit. Returns whether it was not set before.
    private static func set(_ fd: Int, _ wanted: fd_set, _ answer: UnsafeMutablePointer<fd_set>?) -> Bool {
        guard let answer else { return false }
        let bit = UInt64(1) << UInt64(fd % 64)
        guard withUnsafeBytes(of: wanted, { $0.load(fromByteOffset: fd / 64 * 8, as: UInt64.self) }) & bit != 0 else {
            return false
        }
        let word = (UnsafeMutableRawPointer(answer) + fd / 64 * 8).assumingMemoryBound(to: UInt64.self)
        guard word.pointee & bit == 0 else { return false }
        word.pointee |= bit
        return true
    }
}

/// select(2).
@c @implementation
public func xsSelect(
    _ count: Int32, _ readable: UnsafeMutablePointer<fd_set>?, _ writable: UnsafeMutablePointer<fd_set>?,
    _ exceptional: UnsafeMutablePointer<fd_set>?, _ timeout: UnsafeMutablePointer<timeval>?
) -> Int32 {
    guard let selection = Selection(count, readable, writable, exceptional) else {
        return xsNextSelect(count, readable, writable, exceptional, timeout)
    }
    var now = timeval()
    let result = xsNextSelect(count, readable, writable, exceptional, &now)
    return selection.complete(result, readable, writable, exceptional)
}

/// pselect(2).
@c @implementation
public func xsPselect(
    _ count: Int32, _ readable: UnsafeMutablePointer<fd_set>?, _ writable: UnsafeMutablePointer<fd_set>?,
    _ exceptional: UnsafeMutablePointer<fd_set>?, _ timeout: UnsafePointer<timespec>?, _ mask: UnsafePointer<sigset_t>?
) -> Int32 {
    guard let selection = Selection(count, readable, writable, exceptional) else {
        return xsNextPselect(count, readable, writable, exceptional, timeout, mask)
    }
    var now = timespec()
    let result = xsNextPselect(count, readable, writable, exceptional, &now, nil)
    return selection.complete(result, readable, writable, exceptional)
}
