import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Arenas on Xen (docs/PROTOCOL.md, 3.7): the control region is mapped when the session opens, each port's indexes page
/// and ring when a socket first needs them. The agent grants all of them.
///
/// The rest of the address space of such an arena is private memory that nobody fills: a backend that writes a larger
/// order to a status line has the program read zeros there, not fault.
enum GrantedRings {
    /// The order to ask for: the agent gives less where memory is short, and never less for datagrams.
    static var streamOrder: UInt32 { 6 }

    /// Reserves an arena's address space and maps its control region.
    ///
    /// - Returns: its first byte; nil if the descriptor is not the device, or there is no address space.
    static func mapControl(_ memory: Int32, ports: UInt32, offset: UInt64) -> UnsafeMutableRawPointer? {
        guard XenSession.isValid(ports: ports) else { return nil }
        let size = Int(Arena.pageCount(ports: ports)) &* pageSize
        let control = Int(XenSession.controlPages(ports: ports)) &* pageSize
        guard DeviceFile.holds(memory, offset, control), let base = Kernel.mapAnonymous(size) else { return nil }
        _ = Kernel.advise(base, size, 16 /* MADV_DONTDUMP */)
        if Kernel.mapShared(memory, control, offset: offset, at: base) { return base }
        Kernel.unmap(base, size)
        return nil
    }

    /// The number of ports that a control region's header claims.
    static func ports(_ memory: Int32, offset: UInt64) -> UInt32? {
        guard DeviceFile.holds(memory, offset, pageSize), let page = Kernel.mapAnonymous(pageSize) else { return nil }
        defer { Kernel.unmap(page, pageSize) }
        guard Kernel.mapShared(memory, pageSize, offset: offset, at: page) else { return nil }
        return page.load(fromByteOffset: ArenaHeader.ports, as: UInt32.self)
    }

    /// Has the pages of a port of this session's own arena mapped, before its next socket is asked for. Signals are
    /// blocked, the session's lock is free.
    ///
    /// - Returns: 0, or a negative errno: -ENOBUFS if the guest can grant no more.
    static func map(
        _ state: UnsafeMutablePointer<SessionState>, _ mask: UInt64, _ life: UInt32, _ port: UInt32, order: UInt32
    ) -> Int {
        let known = Session.mappedOrder(state, port)
        // A larger one serves as well, and streams take any.
        if known.pointee >= order || known.pointee > 0 && order < DatagramRecord.minimumOrder { return 0 }
        guard let base = state.pointee.base else { return -Int(ENETDOWN) }
        let result = ask(
            state, mask, life, base: base, ports: state.pointee.ports, arenaID: 0, port, order: order)
        if result < 0 { return result }
        known.pointee = UInt32(truncatingIfNeeded: result)
        return 0
    }

    /// Likewise, of a socket of another session's arena, which this one has attached.
    static func mapAttached(_ arena: ProcessState.ArenaRecord, _ port: UInt32) -> Bool {
        guard let state = Session.state, let life = Session.life(state) else { return false }
        let mask = Kernel.blockSignals()
        defer { Kernel.restoreSignals(mask) }
        return ask(state, mask, life, base: arena.base, ports: arena.ports, arenaID: arena.id, port, order: 0) > 0
    }

    /// - Returns: the order of what is mapped now, or a negative errno.
    private static func ask(
        _ state: UnsafeMutablePointer<SessionState>, _ mask: UInt64, _ life: UInt32, base: UnsafeMutableRawPointer,
        ports: UInt32, arenaID: UInt64, _ port: UInt32, order: UInt32
    ) -> Int {
        guard port > 0, port < ports else { return -Int(EINVAL) }
        var frame = (SessionFrame.Kind.ring.rawValue, port, order, UInt32(0), arenaID)
        let answer = Commands.ask(state, mask, life, .ring, &frame, SessionFrame.Ring.size, -1, -1)
        defer { Frames.drop(answer.memory, answer.doorbell) }
        if answer.error != 0 { return -Int(answer.error) }
        // The process had no room for the descriptor.
        if answer.memory < 0 { return -Int(EMFILE) }
        guard answer.port == port, answer.order > 0, answer.order <= Arena.maximumOrder,
            answer.order >= order || order < DatagramRecord.minimumOrder,
            answer.pages == 1 &+ UInt32(1) &<< answer.order, let offset = answer.offset,
            DeviceFile.holds(answer.memory, offset, Int(answer.pages) &* pageSize)
        else { return -Int(EPROTO) }
        let place = base + Arena.offset(of: Arena.indexesPage(forPort: port, ports: ports))
        let size = Int(answer.pages) &* pageSize
        // What stood there before would keep its pages granted.
        guard Kernel.clear(place, Int(Arena.pagesPerPort) &* pageSize),
            Kernel.mapShared(answer.memory, size, offset: offset, at: place)
        else { return -Int(ENOMEM) }
        return Int(answer.order)
    }

    /// The order of the ring that a port's indexes page lists: what the agent wrote there, if the backend left it.
    static func listedOrder(_ indexes: UnsafeMutableRawPointer) -> UInt32 {
        let order = SharedWord32(indexes + IndexesPage.ringOrder).load()
        return order <= Arena.maximumOrder ? order : 0
    }
}

extension Frontend {
    /// Lists the pages of a port's ring, unless the agent has, and takes the ring into use.
    ///
    /// - Parameter order: of a ring whose pages are the frontend's to list.
    static func prepareRing(
        base: UnsafeMutableRawPointer, ports: UInt32, port: UInt32, isGranted: Bool, order: UInt32
    ) {
        let page = Arena.indexesPage(forPort: port, ports: ports)
        let indexes = base + Arena.offset(of: page)
        if !isGranted { IndexesPageWriter(indexes).writeRing(order: order, indexesPage: page) }
        SocketStatus(line: base + Arena.statusOffset(port: port))
            .setOrder(isGranted ? GrantedRings.listedOrder(indexes) : order)
    }
}

/// What descriptors of Xen's devices are known by.
enum DeviceFile {
    /// Whether a descriptor may be mapped: /dev/xen/gntalloc's, or, where Xen is simulated, one that an arena may have too.
    /// Never a file's that could shrink and end the program by SIGBUS.
    static func holds(_ fd: Int32, _ offset: UInt64, _ size: Int) -> Bool {
        if isDevice(fd, "/dev/xen/gntalloc") { return true }
        return offset < 1 &<< 40 && ArenaMemory.isTrustworthy(fd, size: Int(offset) &+ size)
    }

    /// Whether a descriptor is /dev/xen/evtchn's.
    static func isChannel(_ fd: Int32) -> Bool { isDevice(fd, "/dev/xen/evtchn") }

    private static func isDevice(_ fd: Int32, _ path: StaticString) -> Bool {
        var found = stat()
        var named = stat()
        let result = withUnsafeMutablePointer(to: &found) {
            Kernel.call(Int(SYS_fstat), Int(fd), Int(bitPattern: $0))
        }
        guard result == 0, found.st_mode & 0o170000 == 0o020000 else { return false }
        let known = withUnsafeMutablePointer(to: &named) {
            Kernel.call(Int(SYS_newfstatat), Int(AT_FDCWD), Int(bitPattern: path.utf8Start), Int(bitPattern: $0), 0)
        }
        // Out of reach in another root; then what an agent of user 0 hands over is believed.
        return known != 0 || named.st_rdev == found.st_rdev
    }
}
