import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Requests of `draft1` and `pvcalls1`, which the backend may hold: posted here, and answered to whoever next reads the
/// ring. What they bring about shows in the status line and the placeholder.
enum V1Commands {
    /// What a posted request is. The word at 4 of its record.
    enum Kind {
        static let connect: UInt32 = 1
        static let poll: UInt32 = 2
    }

    /// Requests of one kind that may be in flight, so that others always find a slot: of eight slots three each, of 32
    /// twelve and sixteen.
    static func limit(_ kind: UInt32, _ dialect: Dialect) -> Int {
        if dialect == .draft1 { return 3 }
        return kind == Kind.connect ? 16 : 12
    }

    /// Sends a request without waiting for its answer.
    ///
    /// - Parameter blocked: the program's signal mask, if the caller has blocked signals.
    /// - Returns: 0; -ENOBUFS if too many of its kind are in flight; -ENETDOWN; or what the dialect cannot carry.
    static func post(_ request: Request, kind: UInt32, mask blocked: UInt64? = nil) -> Int {
        guard let state = Session.opened() else { return -Int(ENETDOWN) }
        let now = Kernel.blockSignals()
        defer { Kernel.restoreSignals(now) }
        let mask = blocked ?? now
        guard let life = Session.life(state) else { return -Int(ENETDOWN) }
        guard Commands.takeResponses(state, life) != nil else {
            Session.markDead(state, life)
            return -Int(ENETDOWN)
        }
        guard let (slot, _) = Commands.reserve(state, mask) else { return -Int(ENETDOWN) }
        let inFlight = posted(state, kind)
        if inFlight >= limit(kind, Session.dialect(state)) {
            Session.unlock(state)
            return -Int(ENOBUFS)
        }
        let record = Session.exchange(state, slot)
        do throws(WireError) {
            try Commands.encode(request, slot, state)
        } catch {
            Session.unlock(state)
            return Int(error.ret)
        }
        SharedWord32(record + 4).store(kind)
        SharedWord32(record).storeOrdered(Commands.Progress.posted)
        let mustNotify = state.pointee.ring.push()
        Session.unlock(state)
        if mustNotify { Commands.ownDomain(state)?.notify(Arena.commandRingPort) }
        return 0
    }

    /// Requests of a kind that have no answer yet. The session's lock is held.
    private static func posted(_ state: UnsafeMutablePointer<SessionState>, _ kind: UInt32) -> Int {
        var count = 0
        for slot in 0..<Session.dialect(state).slotCount {
            let record = Session.exchange(state, slot)
            if SharedWord32(record).load() == Commands.Progress.posted, SharedWord32(record + 4).load() == kind {
                count &+= 1
            }
        }
        return count
    }

    /// Waits until the backend has taken every request posted before. A RELEASE of a socket that is none is answered 0
    /// at once, by any backend.
    ///
    /// - Parameter mask: the program's signal mask, if the caller has blocked signals.
    /// - Returns: 0, or -ENETDOWN.
    static func fence(mask: UInt64? = nil) -> Int32 {
        Commands.exchange(.release(id: SocketID(0), reuse: false), mask: mask).ret
    }

    /// Makes sure that this session may name the socket: it may be one of a session before a fork or an exec.
    ///
    /// - Returns: 0, or a negative errno.
    static func know(_ handle: SocketHandle) -> Int {
        guard let state = Session.opened() else { return -Int(ENETDOWN) }
        if handle.entry.arena == Int(state.pointee.arena) { return 0 }
        let attachment = Commands.attach(handle.fd, id: handle.entry.id, withArena: false)
        Frames.drop(attachment.memory, attachment.doorbell)
        return attachment.error == 0 || attachment.error == EEXIST ? 0 : -Int(ENETDOWN)
    }
}
