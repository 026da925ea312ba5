import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// A descriptor that is a socket of ours, as the table names it.
public struct SocketHandle {
    /// The program's descriptor.
    public let fd: Int32
    /// Whether the call is one that any file has: read(2), write(2) and their kin.
    var isForFiles = false
    let entry: TableEntry
    let arena: ProcessState.ArenaRecord

    init(fd: Int32, entry: TableEntry, arena: ProcessState.ArenaRecord) {
        self.fd = fd
        self.entry = entry
        self.arena = arena
    }

    /// The same for a call that any file has. Should the number become another file's before that begins, it is read, or
    /// written; send(2), recv(2) and their kin would say ENOTSOCK.
    @inline(__always)
    public var forFiles: SocketHandle {
        var handle = self
        handle.isForFiles = true
        return handle
    }

    @inline(__always)
    var status: SocketStatus { SocketStatus(line: arena.base + Arena.statusOffset(port: entry.port)) }

    @inline(__always)
    var indexesPage: GrantReference { Arena.indexesPage(forPort: entry.port, ports: arena.ports) }

    /// What requests name it by.
    var indexesReference: GrantReference { arena.isGranted == 0 ? indexesPage : status.indexesReference }

    @inline(__always)
    var domain: LocalDomain {
        var domain = LocalDomain(arena: arena.base, doorbell: arena.doorbell)
        if Kernel.isLockedIn {
            let limit = status.receiveTimeout.load()
            domain.receiveLimit = limit == 0 ? -1 : Int(truncatingIfNeeded: limit & 0x7fff_ffff_ffff_ffff)
        }
        return domain
    }

    /// Whether the socket's ring carries records (docs/PROTOCOL.md, 2.5).
    @inline(__always)
    public var isDatagram: Bool {
        let type = status.type
        return type == UInt32(SOCK_DGRAM.rawValue) || type == UInt32(SOCK_RAW.rawValue)
    }

    /// Whether it is a socket of this session that may not have come to be (`Posting`).
    var isUnanswered: Bool {
        guard status.has(StatusLine.Flag.unanswered), let state = Session.state else { return false }
        return entry.arena == Int(state.pointee.arena) && Session.life(state) != nil
    }

    /// Whether it is an AF_UNIX socket of the backend domain.
    @inline(__always)
    var isUnix: Bool { status.word(StatusLine.kind).load() >> 16 == UInt32(SocketAddress.unix) }

    @inline(__always)
    var datagram: DatagramSocket<LocalDomain> { DatagramSocket(plain: socket) }

    /// The socket for one call.
    @inline(__always)
    var socket: StreamSocket<LocalDomain> {
        var socket = StreamSocket(
            domain: domain, placeholder: fd, port: entry.port, status: status,
            indexes: arena.base + Arena.offset(of: indexesPage), tag: Session.tag())
        socket.entry = entry.rawValue
        return socket
    }
}

/// The table from descriptors to sockets, and the library's own descriptors.
enum Descriptors {
    /// The socket behind a descriptor, or nil. One array read for what is not ours.
    @inline(__always)
    static func find(_ fd: Int32) -> SocketHandle? {
        guard UInt32(bitPattern: fd) < ProcessState.descriptorLimit else { return nil }
        guard let region = ProcessState.region else { return probe(fd) }
        let entry = TableEntry(rawValue: ProcessState.entry(region, fd).load())
        if entry == .foreign { return nil }
        return entry.isSocket ? resolve(region, fd, entry) : probe(fd)
    }

    private static func resolve(_ region: UnsafeMutableRawPointer, _ fd: Int32, _ entry: TableEntry) -> SocketHandle? {
        guard entry.arena < ProcessState.arenaCount(region) else { return nil }
        let arena = ProcessState.arena(region, entry.arena)
        guard entry.port < arena.ports else { return nil }
        let handle = SocketHandle(fd: fd, entry: entry, arena: arena)
        if handle.status.generation == entry.generation { return handle }
        // The last copy was closed behind our back, and the number is something else now.
        if !Session.isBorrowed { _ = ProcessState.entry(region, fd).compareExchange(entry.rawValue, 0) }
        return nil
    }

    /// Finds out about a descriptor that came from elsewhere: over exec, or by SCM_RIGHTS.
    private static func probe(_ fd: Int32) -> SocketHandle? {
        if Kernel.isLockedIn { return nil }
        if let region = ProcessState.region, Descriptors.entry(fd).leaver != nil {
            return Leaving.awaitEnd(ProcessState.entry(region, fd)) ? find(fd) : nil
        }
        // A placeholder has a send buffer of its own size; the service tells whose it is.
        let buffer = Kernel.integerOption(fd, Int32(SOL_SOCKET), Int32(SO_SNDBUF))
        if buffer == -Int(EBADF) { return nil }
        guard let region = ProcessState.mappedRegion() else { return nil }
        if LocalDomain.mayBePlaceholder(buffer),
            Kernel.integerOption(fd, Int32(SOL_SOCKET), Int32(SO_DOMAIN)) == Int(AF_UNIX)
        {
            switch attached(region, fd) {
            case .socket(let entry):
                ProcessState.store(region, fd, entry)
                return resolve(region, fd, entry)
            case .unknownYet: return nil
            case .foreign: break
            }
        }
        if !Session.isBorrowed { ProcessState.store(region, fd, .foreign) }
        return nil
    }

    private enum Finding {
        case socket(TableEntry)
        /// The service does not know it.
        case foreign
        /// The service cannot be asked, or there is no room: the next call asks again.
        case unknownYet
    }

    private static func attached(_ region: UnsafeMutableRawPointer, _ fd: Int32) -> Finding {
        // The identity that the socket will have is known only from the answer; this one serves to ask.
        let question = SocketID(0xff00_0000_0000_0000 | UInt64(truncatingIfNeeded: Kernel.now()) >> 8)
        let answer = Commands.attach(fd, id: question, withArena: true)
        defer { if answer.memory >= 0 { _ = Kernel.close(answer.memory) } }
        guard answer.error == 0 else {
            if answer.doorbell >= 0 { _ = Kernel.close(answer.doorbell) }
            return answer.error == EBADF ? .foreign : .unknownYet
        }
        if let index = ProcessState.indexOfArena(region, id: answer.arenaID) {
            if answer.doorbell >= 0 { _ = Kernel.close(answer.doorbell) }
            let arena = ProcessState.arena(region, index)
            if arena.isGranted != 0, !GrantedRings.mapAttached(arena, answer.port) { return .unknownYet }
            return .socket(TableEntry(arena: index, generation: answer.generation, port: answer.port))
        }
        guard answer.memory >= 0, answer.doorbell >= 0,
            ArenaMemory.isDoorbell(answer.doorbell) || answer.offset != nil && DeviceFile.isChannel(answer.doorbell),
            let arena = mapArena(answer)
        else {
            if answer.doorbell >= 0 { _ = Kernel.close(answer.doorbell) }
            return .unknownYet
        }
        guard let state = Session.state else { return .unknownYet }
        let mask = Kernel.blockSignals()
        Session.lock(state)
        let index = ProcessState.addArena(region, arena)
        Session.unlock(state)
        Kernel.restoreSignals(mask)
        guard let index else {
            Kernel.unmap(arena.base, Int(Arena.pageCount(ports: arena.ports)) &* pageSize)
            _ = Kernel.close(arena.doorbell)
            return .unknownYet
        }
        if arena.isGranted != 0, !GrantedRings.mapAttached(arena, answer.port) { return .unknownYet }
        return .socket(TableEntry(arena: index, generation: answer.generation, port: answer.port))
    }

    private static func mapArena(_ answer: Commands.Attachment) -> ProcessState.ArenaRecord? {
        let found: (ports: UInt32, base: UnsafeMutableRawPointer)?
        if let offset = answer.offset {
            found = GrantedRings.ports(answer.memory, offset: offset).flatMap { ports in
                GrantedRings.mapControl(answer.memory, ports: ports, offset: offset).map { (ports, $0) }
            }
        } else {
            found = ArenaMemory.ports(answer.memory).flatMap { ports in
                ArenaMemory.map(answer.memory, ports: ports).map { (ports, $0) }
            }
        }
        guard let (ports, base) = found else { return nil }
        guard answer.port < ports else {
            Kernel.unmap(base, Int(Arena.pageCount(ports: ports)) &* pageSize)
            return nil
        }
        return ProcessState.ArenaRecord(
            base: base, id: answer.arenaID, ports: ports, doorbell: movedHigh(answer.doorbell),
            dialect: base.load(fromByteOffset: ArenaHeader.dialect, as: UInt32.self),
            isGranted: answer.offset == nil ? 0 : 1)
    }

    /// Records what a descriptor is. A vfork(2) child records nothing: the table is its parent's.
    static func set(_ fd: Int32, _ entry: TableEntry) {
        guard UInt32(bitPattern: fd) < ProcessState.descriptorLimit, let region = ProcessState.region,
            !Session.isBorrowed
        else { return }
        ProcessState.store(region, fd, entry)
    }

    static func entry(_ fd: Int32) -> TableEntry {
        guard UInt32(bitPattern: fd) < ProcessState.descriptorLimit, let region = ProcessState.region else {
            return .unknown
        }
        return TableEntry(rawValue: ProcessState.entry(region, fd).load())
    }

    // MARK: The library's own descriptors

    /// Where the library's own descriptors begin.
    static var lowestPrivate: Int {
        // Not as high as may be: fork(2) copies the kernel's table up to the highest.
        let limit = min(Limits.descriptors, 8192)
        return Int(limit > 256 ? limit &- 64 : limit / 2)
    }

    /// Moves a descriptor of the library out of the program's way, to a high number. Returns its new number.
    static func movedHigh(_ fd: Int32) -> Int32 {
        let limit = min(Limits.descriptors, 8192)
        let lowest = lowestPrivate
        var moved = -Int(EINVAL)
        if limit < 8192 {
            moved =
                DescriptorLimit.raised { Kernel.fileControl(fd, Int32(F_DUPFD_CLOEXEC), Int($0)) } ?? moved
        }
        if moved < 0 { moved = Kernel.fileControl(fd, Int32(F_DUPFD_CLOEXEC), Int(lowest)) }
        if moved < 0 { return fd }
        _ = Kernel.close(fd)
        return Int32(moved)
    }

    /// Whether a descriptor is the library's own: a session's socket, a doorbell, the lifeline of a private service.
    static func isPrivate(_ fd: Int32) -> Bool {
        if fd < 0 { return false }
        if fd == xs_get_process_state().pointee.lifeline || fd == Door.last { return true }
        if fd == DescriptorLimit.spare { return true }
        // Also the one of a session that died: it is closed when the next opens.
        if let state = Session.state, fd > 0, fd == state.pointee.socket { return true }
        guard let region = ProcessState.region else { return false }
        var index = 0
        while index < ProcessState.arenaCount(region) {
            if ProcessState.arena(region, index).doorbell == fd { return true }
            index &+= 1
        }
        return false
    }

    /// Moves the library's own descriptor away from `fd`, which the program is about to take (dup2).
    static func makeWay(_ fd: Int32) {
        // A vfork child loses its copy, and its parent, whose memory this is, keeps its own.
        guard isPrivate(fd), !Session.isBorrowed else { return }
        let moved = Kernel.fileControl(fd, Int32(F_DUPFD_CLOEXEC), Int(fd) &+ 1)
        guard moved >= 0 else { return }
        let new = Int32(moved)
        let process = xs_get_process_state()
        if process.pointee.lifeline == fd {
            _ = Kernel.fileControl(new, Int32(F_SETFD), 0)
            process.pointee.lifeline = new
        }
        if Door.last == fd { Door.last = new }
        if DescriptorLimit.spare == fd { DescriptorLimit.exchangeSpare(new) }
        if let state = Session.state, state.pointee.socket == fd { state.pointee.socket = new }
        guard let region = ProcessState.region else { return }
        var index = 0
        while index < ProcessState.arenaCount(region) {
            if ProcessState.arena(region, index).doorbell == fd { ProcessState.setDoorbell(region, index, new) }
            index &+= 1
        }
    }

    // MARK: Closing

    /// close(2). Closing what is the library's own fails as if it were not open.
    static func close(_ fd: Int32) -> Int {
        if isPrivate(fd) { return -Int(EBADF) }
        guard let handle = find(fd) else { return Kernel.close(fd) }
        if Session.isBorrowed { return Kernel.close(fd) }
        let mark = Leaving.begin(handle)
        let result = Kernel.close(fd)
        Leaving.end(handle, mark)
        released(handle)
        return result
    }

    /// A reference to the socket was closed. Waits until a port that it held is free, if it was the last.
    static func released(_ handle: SocketHandle) {
        // The hang-up tells the service as well.
        if Kernel.isLockedIn { return }
        Ports.closed(handle)
        if handle.isV1 {
            // Of a socket that came from another process the hang-up tells.
            guard let state = Session.state, state.pointee.phase == Session.Phase.open,
                handle.entry.arena == Int(state.pointee.arena)
            else { return }
            _ = Commands.exchange(.release(id: handle.entry.id, reuse: false))
            return
        }
        let linger = handle.status.linger.load()
        if linger > 0, handle.status.generation == handle.entry.generation { return awaitDelivery(handle, linger) }
        let isReset = handle.isRelayed && handle.isReset
        let told = StatusLine.Flag.bound | StatusLine.Flag.listening
        // A SOCKET that may have failed holds its port until RELEASE.
        if isReset || handle.status.flags & told != 0 || handle.isUnanswered {
            _ = Commands.exchange(.release(id: handle.entry.id, reuse: false))
        }
    }

    /// close(2) with SO_LINGER: if that was the last reference, waits until the peer has everything, at most `seconds`,
    /// or until a signal. Nothing of the program's is left to wait on but the socket's generation.
    private static func awaitDelivery(_ handle: SocketHandle, _ seconds: UInt32) {
        // Behind it the service has looked for the hang-up.
        _ = Commands.exchange(.release(id: handle.entry.id, reuse: false))
        let end = Kernel.now() &+ Int(seconds) &* 1_000_000_000
        var looks = 0
        while handle.status.generation == handle.entry.generation, case .free = handle.status.state {
            let left = end &- Kernel.now()
            if left <= 0 { return }
            var time = timespec(tv_sec: 0, tv_nsec: min(left, looks < 20 ? 1_000_000 : 10_000_000))
            let result = withUnsafeMutablePointer(to: &time) {
                Kernel.call(Int(SYS_nanosleep), Int(bitPattern: $0), 0)
            }
            if result < 0 { return }
            looks &+= 1
        }
    }

    /// close_range(2), sparing the library's own descriptors.
    static func closeRange(_ first: UInt32, _ last: UInt32, _ flags: UInt32) -> Int {
        // Flags that the kernel does not know: before anything is closed.
        if first > last || flags & ~6 != 0 { return -Int(EINVAL) }
        let closeOnExec: UInt32 = 4
        if flags & closeOnExec == 0, !Session.isBorrowed { closeSockets(first, last) }
        var start = first
        var flags = flags
        while true {
            let spared = nextPrivate(start)
            guard let spared, spared <= last else { break }
            if spared > start {
                let result = Kernel.closeRange(start, spared &- 1, flags)
                if result < 0 { return result }
                flags &= ~2  // CLOSE_RANGE_UNSHARE: once is enough
            }
            if spared == last { return 0 }
            start = spared &+ 1
        }
        return Kernel.closeRange(start, last, flags)
    }

    private static func closeSockets(_ first: UInt32, _ last: UInt32) {
        guard let region = ProcessState.region else { return }
        let limit = min(last, ProcessState.highest(region))
        var fd = first
        while fd <= limit {
            if TableEntry(rawValue: ProcessState.entry(region, Int32(fd)).load()).isSocket { _ = close(Int32(fd)) }
            fd &+= 1
        }
    }

    /// The lowest of the library's own descriptors from `start` on.
    private static func nextPrivate(_ start: UInt32) -> UInt32? {
        var lowest: UInt32?
        func consider(_ fd: Int32) {
            guard fd >= 0, UInt32(fd) >= start else { return }
            if let known = lowest, known <= UInt32(fd) { return }
            lowest = UInt32(fd)
        }
        consider(xs_get_process_state().pointee.lifeline)
        consider(Door.last)
        consider(DescriptorLimit.spare)
        if let state = Session.state, Session.life(state) != nil { consider(state.pointee.socket) }
        if let region = ProcessState.region {
            for index in 0..<ProcessState.arenaCount(region) { consider(ProcessState.arena(region, index).doorbell) }
        }
        return lowest
    }
}
