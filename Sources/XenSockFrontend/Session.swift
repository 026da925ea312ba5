import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// This process's session with the service: one connection, one arena, one command ring (docs/PROTOCOL.md, chapter 3).
///
/// Its state lies in memory that fork(2) wipes: a forked child finds no session, with every lock free, and opens its own
/// when it first needs one. A vfork(2) child shares the memory but not the process number, and changes nothing.
struct SessionState {
    var lock: UInt32
    /// Counts events that a waiting thread may care about; a futex.
    var progress: UInt32
    /// Threads that sleep on `progress`, or are about to.
    var sleepers: UInt32
    /// 1 while a thread reads the session's socket on behalf of all.
    var leader: UInt32
    /// `Session.Phase` in bits 1..0; above them the number of the session, so that a thread that waited for an answer of
    /// one does not take the next for it.
    var phase: UInt32
    /// The phase word of the last session that was given up because the service was silent.
    var silent: UInt32
    /// Counts the attempts at opening that failed.
    var failures: UInt32
    var processID: Int32
    var sessionID: UInt32
    var socket: Int32
    var arena: Int32
    var base: UnsafeMutableRawPointer?
    var ports: UInt32
    var nextPort: UInt32
    var closedPorts: UInt32
    /// How often a thread looks for its response before it sleeps; 0 on a single processor.
    var looks: UInt32
    /// The number of the dialect that the session speaks; 0 is `xensock2`.
    var dialect: UInt32
    /// 1: the arena is on Xen, its rings are mapped one by one (`GrantedRings`).
    var isGranted: UInt32
    /// What may be posted (`Posting.Promise`), and which kinds of sockets and options have succeeded.
    var posting: UInt32
    var knownSockets: UInt32
    /// Posted SOCKETs without an answer yet.
    var unansweredSockets: UInt32
    var knownOptions: KnownOptions
    var ring: CommandRingFront
}

enum Session {
    enum Phase {
        static let none: UInt32 = 0
        static let open: UInt32 = 1
        /// The service is gone; the next socket opens a new session.
        static let dead: UInt32 = 2
    }

    /// The phase word of the open session, which names this one among all; nil if none is open.
    @inline(__always)
    static func life(_ state: UnsafeMutablePointer<SessionState>) -> UInt32? {
        let phase = SharedWord32(&state.pointee.phase).load()
        return phase & 3 == Phase.open ? phase : nil
    }

    /// Whether the session that `life` names is still open.
    @inline(__always)
    static func isAlive(_ state: UnsafeMutablePointer<SessionState>, _ life: UInt32) -> Bool {
        SharedWord32(&state.pointee.phase).load() == life
    }

    private static let exchangesOffset = 1024
    /// A slot's record: its progress, and from 8 on its response.
    static let exchangeSize = (8 + MemoryLayout<Response>.stride + 63) & ~63
    private static let closedPortsOffset = (exchangesOffset + 32 * exchangeSize + 4095) & ~4095
    private static let generationsOffset = closedPortsOffset + Int(Arena.maximumPorts) * 4
    private static let ordersOffset = generationsOffset + Int(Arena.maximumPorts) * 4
    private static let size = ordersOffset + Int(XenSession.maximumPorts) * 4

    @inline(__always)
    static var state: UnsafeMutablePointer<SessionState>? {
        UnsafeMutableRawPointer(bitPattern: UInt(SharedWord64(&xs_get_process_state().pointee.session).load()))?
            .assumingMemoryBound(to: SessionState.self)
    }

    /// The state, mapped if need be.
    static func mappedState() -> UnsafeMutablePointer<SessionState>? {
        if let state { return state }
        guard let mapped = Kernel.mapAnonymous(size) else { return nil }
        if Kernel.advise(mapped, size, 18 /* MADV_WIPEONFORK */) < 0 {
            Kernel.unmap(mapped, size)
            return nil
        }
        let root = SharedWord64(&xs_get_process_state().pointee.session)
        if root.compareExchange(0, UInt64(UInt(bitPattern: mapped))) {
            return mapped.assumingMemoryBound(to: SessionState.self)
        }
        Kernel.unmap(mapped, size)
        return state
    }

    @inline(__always)
    static func dialect(_ state: UnsafeMutablePointer<SessionState>) -> Dialect {
        Dialect(number: state.pointee.dialect) ?? .xensock2
    }

    static func exchange(_ state: UnsafeMutablePointer<SessionState>, _ slot: UInt32) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(state) + exchangesOffset + Int(slot & 31) &* exchangeSize
    }

    static func closedPort(_ state: UnsafeMutablePointer<SessionState>, _ index: UInt32) -> UnsafeMutablePointer<UInt32>
    {
        (UnsafeMutableRawPointer(state) + closedPortsOffset).assumingMemoryBound(to: UInt32.self)
            + Int(index & (Arena.maximumPorts &- 1))
    }

    static func generation(
        _ state: UnsafeMutablePointer<SessionState>, _ port: UInt32
    ) -> UnsafeMutablePointer<UInt32> {
        (UnsafeMutableRawPointer(state) + generationsOffset).assumingMemoryBound(to: UInt32.self)
            + Int(port & (Arena.maximumPorts &- 1))
    }

    /// The order of the ring that is mapped for a port on Xen; 0: none.
    static func mappedOrder(
        _ state: UnsafeMutablePointer<SessionState>, _ port: UInt32
    ) -> UnsafeMutablePointer<UInt32> {
        (UnsafeMutableRawPointer(state) + ordersOffset).assumingMemoryBound(to: UInt32.self)
            + Int(port & (XenSession.maximumPorts &- 1))
    }

    /// What requests name a port's indexes page by.
    static func indexesReference(_ state: UnsafeMutablePointer<SessionState>, _ port: UInt32) -> GrantReference {
        guard state.pointee.isGranted != 0, let base = state.pointee.base else {
            return Arena.indexesPage(forPort: port, ports: state.pointee.ports)
        }
        return SocketStatus(line: base + Arena.statusOffset(port: port)).indexesReference
    }

    /// Whether the caller runs in a vfork(2) child: the parent's memory, another process.
    static var isBorrowed: Bool {
        guard let state, state.pointee.processID != 0, !Kernel.isLockedIn else { return false }
        return state.pointee.processID != Kernel.processID()
    }

    /// The calling thread's lock tag. A process that cannot have a session gets a tag of its own that nobody breaks.
    @inline(__always)
    static func tag() -> UInt64 {
        let tag = xs_get_thread_tag()
        if let state, tag != 0, UInt32(tag >> 32) == state.pointee.sessionID { return tag }
        return newTag()
    }

    private static func newTag() -> UInt64 {
        let thread = UInt64(UInt32(bitPattern: Kernel.threadID()))
        guard let state = opened(quietly: true) else { return 0x7fff_ffff << 32 | thread }
        let tag = UInt64(state.pointee.sessionID) << 32 | thread
        xs_set_thread_tag(tag)
        return tag
    }

    // MARK: The lock: held for bookkeeping, never while waiting for an answer; taken with signals blocked.

    ///
    /// - Parameter mask: the program's signal mask, by which signals without a handler are let in meanwhile.
    static func lock(_ state: UnsafeMutablePointer<SessionState>, mask: UInt64 = ~0) {
        let word = SharedWord32(&state.pointee.lock)
        if word.compareExchange(0, 1) { return }
        while word.exchange(2) != 0 {
            Kernel.futexWait(&state.pointee.lock, 2, nanoseconds: Patience.slice)
            if mask != ~0 { Signals.admitDefaults(mask) }
        }
    }

    static func unlock(_ state: UnsafeMutablePointer<SessionState>) {
        if SharedWord32(&state.pointee.lock).exchange(0) == 2 { Kernel.futexWake(&state.pointee.lock, 1) }
    }
}
