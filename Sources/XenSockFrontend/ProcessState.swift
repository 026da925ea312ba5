import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// What lasts in a process of the frontend: the table from descriptors to sockets, and the arenas it has mapped.
///
/// It lies in memory of its own, mapped at the first need and inherited over fork(2). Entries are single words, written
/// atomically; nothing is locked to read them.
enum ProcessState {
    /// Descriptors at or above this number cannot be sockets of ours (the kernel's `fs.nr_open`).
    static let descriptorLimit: UInt32 = 1 << 20
    static let maximumArenas = 255

    private static let arenasOffset = Int(descriptorLimit) * 8
    private static let arenaRecordSize = 32
    private static let arenaCountOffset = arenasOffset + maximumArenas * arenaRecordSize
    private static let highestOffset = arenaCountOffset + 8
    private static let size = arenasOffset + 16384

    /// The table's memory, or nil before the first need.
    @inline(__always)
    static var region: UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: UInt(SharedWord64(&xs_get_process_state().pointee.region).load()))
    }

    /// The table's memory, mapped if need be; nil without memory.
    static func mappedRegion() -> UnsafeMutableRawPointer? {
        if let region { return region }
        guard let mapped = Kernel.mapAnonymous(size) else { return nil }
        let root = SharedWord64(&xs_get_process_state().pointee.region)
        if root.compareExchange(0, UInt64(UInt(bitPattern: mapped))) { return mapped }
        Kernel.unmap(mapped, size)
        return region
    }

    @inline(__always)
    static func entry(_ region: UnsafeMutableRawPointer, _ fd: Int32) -> SharedWord64 {
        SharedWord64(region + Int(fd) &* 8)
    }

    /// No socket was ever recorded above this descriptor.
    static func highest(_ region: UnsafeMutableRawPointer) -> UInt32 { SharedWord32(region + highestOffset).load() }

    /// Records what a descriptor is.
    static func store(_ region: UnsafeMutableRawPointer, _ fd: Int32, _ new: TableEntry) {
        let highest = SharedWord32(region + highestOffset)
        while new.isSocket {
            let known = highest.load()
            if UInt32(fd) <= known || highest.compareExchange(known, UInt32(fd)) { break }
        }
        entry(region, fd).store(new.rawValue)
    }

    /// An arena that this process has mapped.
    struct ArenaRecord {
        var base: UnsafeMutableRawPointer
        var id: UInt64
        var ports: UInt32
        /// The service's eventfd, or -1.
        var doorbell: Int32
        /// The number of the dialect that its sockets speak; 0 is `xensock2`.
        var dialect: UInt32
        /// 1: it is on Xen: `GrantedRings`.
        var isGranted: UInt32 = 0
    }

    @inline(__always)
    private static func record(_ region: UnsafeMutableRawPointer, _ index: Int)
        -> UnsafeMutablePointer<ArenaRecord>
    {
        (region + arenasOffset + index &* arenaRecordSize).assumingMemoryBound(to: ArenaRecord.self)
    }

    @inline(__always)
    static func arenaCount(_ region: UnsafeMutableRawPointer) -> Int {
        Int(SharedWord32(region + arenaCountOffset).load())
    }

    /// - Precondition: `index` is below `arenaCount`.
    @inline(__always)
    static func arena(_ region: UnsafeMutableRawPointer, _ index: Int) -> ArenaRecord { record(region, index).pointee }

    /// The index of a mapped arena.
    static func indexOfArena(_ region: UnsafeMutableRawPointer, id: UInt64) -> Int? {
        var index = 0
        while index < arenaCount(region) {
            if record(region, index).pointee.id == id { return index }
            index &+= 1
        }
        return nil
    }

    /// Adds an arena. The session's lock is held.
    ///
    /// - Returns: its index; nil if there are too many.
    static func addArena(_ region: UnsafeMutableRawPointer, _ arena: ArenaRecord) -> Int? {
        let count = arenaCount(region)
        var index = 0
        while index < count {
            if record(region, index).pointee.ports == 0 {
                record(region, index).pointee = arena
                return index
            }
            index &+= 1
        }
        if count >= maximumArenas { return nil }
        record(region, count).initialize(to: arena)
        SharedWord32(region + arenaCountOffset).store(UInt32(count &+ 1))
        return count
    }

    /// Takes back an arena that no socket is in; its index will be used again. The session's lock is held.
    static func removeArena(_ region: UnsafeMutableRawPointer, _ index: Int) {
        let arena = record(region, index).pointee
        guard arena.ports > 0 else { return }
        record(region, index).pointee.ports = 0
        record(region, index).pointee.id = 0
        record(region, index).pointee.doorbell = -1
        Kernel.unmap(arena.base, Int(Arena.pageCount(ports: arena.ports)) &* pageSize)
        if arena.doorbell >= 0 { _ = Kernel.close(arena.doorbell) }
    }

    /// Tells an arena's doorbell apart from the program's descriptors; -1 if the program had it closed behind our back.
    static func setDoorbell(_ region: UnsafeMutableRawPointer, _ index: Int, _ fd: Int32) {
        record(region, index).pointee.doorbell = fd
    }
}

/// What the table says of a descriptor, in one word: arena index + 1 in bits 63..56, generation in 55..32, port in 31..0.
struct TableEntry: Equatable {
    var rawValue: UInt64

    /// Nothing is known: the descriptor may have been inherited over exec, or received from another process.
    static let unknown = TableEntry(rawValue: 0)
    /// Not a socket of ours.
    static let foreign = TableEntry(rawValue: 1)

    init(rawValue: UInt64) { self.rawValue = rawValue }

    init(arena: Int, generation: UInt32, port: UInt32) {
        rawValue = UInt64(arena &+ 1) << 56 | UInt64(generation & 0xff_ffff) << 32 | UInt64(port)
    }

    @inline(__always)
    var isSocket: Bool { rawValue >> 56 != 0 }

    @inline(__always)
    var arena: Int { Int(rawValue >> 56) &- 1 }

    @inline(__always)
    var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) & 0xff_ffff }

    @inline(__always)
    var port: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

    /// The socket's identity on the wire. Every session of this process family names it so.
    var id: SocketID { SocketID(rawValue) }
}
