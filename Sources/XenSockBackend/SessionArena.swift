import XenSockRing
import XenSockWire

/// What the frontend handed over with PORT, until a SOCKET or ACCEPT names the port.
struct PendingPort {
    /// The service's end of the placeholder. Owned.
    let placeholder: Int32
    /// SO_COOKIE of the program's end.
    let cookie: UInt64
}

/// The memory that the service shares with the processes of one session (docs/PROTOCOL.md, 3.2): a sealed memfd, its
/// doorbell, and what belongs to each port. It outlives its session until the last of its sockets is gone.
final class SessionArena<Kernel: SocketKernel> {
    let kernel: Kernel
    let id: UInt64
    let ports: UInt32
    let totalPages: UInt32
    let base: UnsafeMutableRawPointer
    /// What the memory is mapped from if a guest granted it.
    let xen: XenArena?
    /// The memfd; -1 in tests and in a guest's arena. Owned.
    let memory: Int32
    /// The eventfd that a frontend writes when the service sleeps; -1 likewise. Owned.
    let doorbell: Int32
    let back: DoorbellBack

    /// Pairs that wait for their SOCKET or ACCEPT.
    var pending: [UInt32: PendingPort] = [:]
    /// The socket of each port.
    var sockets: [BackendSocket<Kernel>?]
    /// The ports that have one in `sockets`.
    var takenPorts: Set<UInt32> = []
    /// The sockets of `draft1` and `pvcalls1`.
    var v1Sockets: [UInt32: LocalSocket<Kernel>] = [:]
    /// Sockets of this arena that are not gone.
    var liveSockets = 0
    /// The generation of each port; what stands in shared memory is never believed.
    private(set) var generations: [UInt32]
    /// The user whose session it was made for.
    var userID: UInt32 = 0
    /// The guest that granted it.
    var domainID: UInt16?
    /// Whose arena it is, while that lasts.
    weak var session: Session?
    /// The session is over: nothing but the sockets keeps the arena.
    var isOrphan = false
    var isDestroyed = false
    /// Out of the reactor's tables, about to be destroyed.
    var isUnwatched = false
    /// Its memory is gone, though sockets of it still send.
    var isSevered = false
    var whenDestroyed: (() -> Void)?

    // The reactor's: whether the arena is in the list of awake ones, and for how many turns nothing rang in it.
    var isAwake = false
    var quietTurns = 0
    var source: UInt32 = 0

    /// - Parameter base: `Arena.pageCount(ports:)` pages of zeros, mapped whole; taken over.
    init(
        kernel: Kernel, id: UInt64, ports: UInt32, base: UnsafeMutableRawPointer, memory: Int32, doorbell: Int32
    ) {
        self.kernel = kernel
        self.id = id
        self.ports = ports
        self.base = base
        self.memory = memory
        self.doorbell = doorbell
        xen = nil
        totalPages = Arena.pageCount(ports: ports)
        back = DoorbellBack(arena: base, ports: ports)
        sockets = [BackendSocket<Kernel>?](repeating: nil, count: Int(ports))
        generations = [UInt32](repeating: 0, count: Int(ports))
        base.storeBytes(of: ArenaHeader.magicValue, toByteOffset: ArenaHeader.magic, as: UInt64.self)
        base.storeBytes(
            of: ArenaHeader.currentLayoutVersion, toByteOffset: ArenaHeader.layoutVersion, as: UInt32.self)
        base.storeBytes(of: ports, toByteOffset: ArenaHeader.ports, as: UInt32.self)
        base.storeBytes(of: id, toByteOffset: ArenaHeader.arenaID, as: UInt64.self)
        base.storeBytes(
            of: Arena.firstGrantablePage(ports: ports), toByteOffset: ArenaHeader.firstGrantablePage, as: UInt32.self)
        base.storeBytes(of: totalPages, toByteOffset: ArenaHeader.totalPages, as: UInt32.self)
    }

    /// The arena of a guest's session, whose header the guest has written.
    init(kernel: Kernel, id: UInt64, xen: XenArena) {
        self.kernel = kernel
        self.id = id
        self.xen = xen
        ports = xen.ports
        base = xen.base
        memory = -1
        doorbell = -1
        totalPages = XenSession.controlPages(ports: ports)
        back = DoorbellBack(arena: base, ports: ports)
        sockets = [BackendSocket<Kernel>?](repeating: nil, count: Int(ports))
        generations = [UInt32](repeating: 0, count: Int(ports))
    }

    /// Says what the arena's sockets speak.
    func setDialect(_ dialect: Dialect) {
        SharedWord32(base + ArenaHeader.dialect).store(dialect.number)
    }

    /// Bytes of the whole mapping.
    var size: Int { Int(totalPages) * pageSize }

    /// - Precondition: `port` is below `ports`.
    func status(_ port: UInt32) -> PortStatus { PortStatus(base: base + Arena.statusOffset(port: port)) }

    func generation(_ port: UInt32) -> UInt32 { generations[Int(port)] }

    /// Counts the port's generation up; the status line is told by the caller.
    func nextGeneration(_ port: UInt32) -> UInt32 {
        generations[Int(port)] &+= 1
        return generations[Int(port)]
    }

    /// Whether `port` can be a socket's.
    func isSocketPort(_ port: UInt32) -> Bool { port > Arena.commandRingPort && port < ports }

    /// The memory of one granted page; nil if there is no such page, or it is one that is never granted.
    func page(_ reference: UInt32) -> UnsafeMutableRawPointer? {
        guard reference >= UInt32(Arena.commandRingPage), reference < totalPages else { return nil }
        return base + Int(reference) * pageSize
    }

    /// The memory of granted pages.
    ///
    /// - Returns: nil if a reference is out of bounds, or they do not follow each other: mappings of single pages would
    ///   use up those that a process may have.
    func run(_ references: some Sequence<UInt32>) -> UnsafeMutableRawPointer? {
        var base: UnsafeMutableRawPointer?
        var next: UInt32 = 0
        for reference in references {
            guard let page = page(reference), base == nil || reference == next else { return nil }
            if base == nil { base = page }
            next = reference + 1
        }
        return base
    }

    /// The data ring that an indexes page lists: its order and references are read once, here.
    ///
    /// - Returns: nil for an order out of bounds, or references that are no run.
    func dataRing(indexes: UnsafeMutableRawPointer) -> (base: UnsafeMutableRawPointer, layout: DataRingLayout)? {
        let order = SharedWord32(indexes + IndexesPage.ringOrder).load()
        guard order <= Arena.maximumOrder, let layout = DataRingLayout(order: order) else { return nil }
        let references = (0..<layout.pages).lazy.map {
            SharedWord32(indexes + DataRingLayout.referenceOffset(page: $0)).load()
        }
        return run(references).map { ($0, layout) }
    }

    // MARK: The pages of one port's socket

    /// The indexes page that SOCKET or ACCEPT names, until `releasePort`.
    func indexesPage(_ reference: UInt32, port: UInt32) -> Result<UnsafeMutableRawPointer, WireError> {
        if let xen { return xen.port(port)?.mapIndexes(reference) ?? .failure(WireError(Errno.ebadf)) }
        return page(reference).map { .success($0) } ?? .failure(WireError(Errno.einval))
    }

    /// The reference of `indexes`, which `indexesPage` returned for the port.
    func reference(_ indexes: UnsafeMutableRawPointer, port: UInt32) -> UInt32 {
        if let xen { return xen.port(port)?.reference ?? 0 }
        return UInt32(truncatingIfNeeded: (indexes - base) / pageSize)
    }

    /// Looks whether the data ring that an indexes page lists can be had, before it is needed.
    ///
    /// - Returns: 0 or a negative errno.
    func prepareDataRing(indexes: UnsafeMutableRawPointer, port: UInt32) -> Int32 {
        if let xen { return xen.port(port)?.prepareRing() ?? 0 &- Errno.ebadf }
        return dataRing(indexes: indexes) == nil ? 0 &- Errno.einval : 0
    }

    /// The data ring that the port's indexes page lists, until `releaseRing`.
    func dataRing(indexes: UnsafeMutableRawPointer, port: UInt32)
        -> (base: UnsafeMutableRawPointer, layout: DataRingLayout)?
    {
        if let xen { return xen.port(port)?.takeRing() }
        return dataRing(indexes: indexes)
    }

    /// Why `dataRing` returned nil, a positive errno.
    func mappingError(port: UInt32) -> Int32 { xen?.port(port)?.mappingError ?? Errno.einval }

    func releaseRing(port: UInt32) { xen?.port(port)?.releaseRing() }

    /// The port's socket is gone, or never came to be. Before the generation is bumped.
    func releasePort(_ port: UInt32) { xen?.release(port, isLast: isOrphan) }

    /// Gives everything back. No socket of the arena exists any more.
    func destroy() {
        guard !isDestroyed else { return }
        isDestroyed = true
        whenDestroyed?()
        for port in pending.values { kernel.closePlaceholder(port.placeholder) }
        pending = [:]
        if let xen { return xen.sever() }
        kernel.unmap(base, size: size)
        if memory >= 0 { kernel.close(memory) }
        if doorbell >= 0 { kernel.close(doorbell) }
    }
}
