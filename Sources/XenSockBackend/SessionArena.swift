import XenSockRing
import XenSockWire

/// Pages that a frontend granted, mapped side by side.
struct GrantMapping {
    let base: UnsafeMutableRawPointer
    /// Bytes of the reservation to give back; 0 if the pages lie in the arena's own mapping.
    let reserved: Int
}

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
    /// The memfd; -1 in tests. Owned.
    let memory: Int32
    /// The eventfd that a frontend writes when the service sleeps. Owned.
    let doorbell: Int32
    let back: DoorbellBack

    /// Pairs that wait for their SOCKET or ACCEPT.
    var pending: [UInt32: PendingPort] = [:]
    /// The socket of each port.
    var sockets: [BackendSocket<Kernel>?]
    /// The sockets of `draft1` and `pvcalls1`.
    var v1Sockets: [UInt32: LocalSocket<Kernel>] = [:]
    /// Sockets of this arena that are not gone.
    var liveSockets = 0
    /// The generation of each port; what stands in shared memory is never believed.
    private(set) var generations: [UInt32]
    /// The user whose session it was made for.
    var userID: UInt32 = 0
    /// Whose arena it is, while that lasts.
    weak var session: Session?
    /// The session is over: nothing but the sockets keeps the arena.
    var isOrphan = false
    var isDestroyed = false
    /// Out of the reactor's tables, about to be destroyed.
    var isUnwatched = false

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

    /// Maps pages side by side: in place where the references follow each other, page by page elsewhere.
    ///
    /// - Returns: nil if a reference is out of bounds or there is no memory for the mapping. `release` gives it back.
    func map(_ references: [UInt32]) -> GrantMapping? {
        guard let first = references.first, let inPlace = page(first) else { return nil }
        var isRun = true
        for (index, reference) in references.enumerated() {
            guard page(reference) != nil else { return nil }
            if reference != first &+ UInt32(truncatingIfNeeded: index) { isRun = false }
        }
        if isRun { return GrantMapping(base: inPlace, reserved: 0) }
        let size = references.count * pageSize
        guard let base = kernel.reserve(size) else { return nil }
        for (index, reference) in references.enumerated() {
            let offset = Int(reference) * pageSize
            guard kernel.map(memory, offset: offset, size: pageSize, at: base + index * pageSize) != nil else {
                kernel.unmap(base, size: size)
                return nil
            }
        }
        return GrantMapping(base: base, reserved: size)
    }

    func release(_ mapping: GrantMapping) {
        if mapping.reserved > 0 { kernel.unmap(mapping.base, size: mapping.reserved) }
    }

    /// Maps the data ring that an indexes page lists: its order and references are read once, here.
    ///
    /// - Returns: nil for an order or a reference out of bounds.
    func mapDataRing(indexes: UnsafeMutableRawPointer) -> (mapping: GrantMapping, layout: DataRingLayout)? {
        let order = SharedWord32(indexes + IndexesPage.ringOrder).load()
        guard order <= Arena.maximumOrder, let layout = DataRingLayout(order: order) else { return nil }
        var references: [UInt32] = []
        references.reserveCapacity(layout.pages)
        for page in 0..<layout.pages {
            references.append(SharedWord32(indexes + DataRingLayout.referenceOffset(page: page)).load())
        }
        guard let mapping = map(references) else { return nil }
        return (mapping, layout)
    }

    /// Gives everything back. No socket of the arena exists any more.
    func destroy() {
        guard !isDestroyed else { return }
        isDestroyed = true
        for port in pending.values { kernel.close(port.placeholder) }
        pending = [:]
        kernel.unmap(base, size: size)
        if memory >= 0 { kernel.close(memory) }
        if doorbell >= 0 { kernel.close(doorbell) }
    }
}
