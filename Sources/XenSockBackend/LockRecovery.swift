import XenSockRing
import XenSockWire

/// Frees the locks of a session that died, after settling what its holders left (docs/PROTOCOL.md, 3.4).
/// `BackendSocket.settleDeadReader` and `settleDeadSender` do the settling.
enum LockRecovery {
    /// Looks at every socket that processes of `session` could hold.
    ///
    /// - Parameter settle: called with each socket whose lock was freed, which has work then.
    static func breakLocks(of session: Session, settle: (Service.Socket) -> Void) {
        if let device = session.xen { return device.breakLocks(of: session) }
        for arena in arenas(of: session) { breakLocks(of: session.id, in: arena, settle) }
    }

    /// Those whose sockets processes of `session` could hold, and whose doorbells they could ring.
    static func arenas(of session: Session) -> [Service.Arena] {
        if let device = session.xen { return Array(device.arenas.values) }
        return session.otherArenas.filter { !$0.isDestroyed } + [session.arena].compactMap { $0 }
    }

    private static func breakLocks(of session: UInt32, in arena: Service.Arena, _ settle: (Service.Socket) -> Void) {
        // Settling one may remove it.
        for port in Array(arena.takenPorts) {
            guard let socket = arena.sockets[Int(port)], settleLocks(of: session, on: socket) else { continue }
            freeLocks(of: session, on: socket)
            settle(socket)
        }
    }

    /// Settles what the holder left of the locks that it had: before a lock is free, for behind it a successor may receive and
    /// send on its own.
    ///
    /// - Returns: whether it had any.
    static func settleLocks(of session: UInt32, on socket: Service.Socket) -> Bool {
        let (receive, send) = socket.status.locks
        let (heldReceive, heldSend) = (isHeld(receive, by: session), isHeld(send, by: session))
        if heldReceive { socket.settleDeadReader() }
        if heldSend { socket.settleDeadSender() }
        return heldReceive || heldSend
    }

    static func freeLocks(of session: UInt32, on socket: Service.Socket) {
        let (receive, send) = socket.status.locks
        free(receive, of: session)
        free(send, of: session)
        // The dead may have taken STALL or IDLE away and not rung.
        socket.doorbell()
    }

    /// The same for sockets of `draft1` and `pvcalls1`.
    static func breakV1Locks(of session: Session, settle: (Service.V1) -> Void) {
        guard session.dialect != .xensock2 else { return }
        for arena in arenas(of: session) {
            for (port, local) in arena.v1Sockets {
                let (receive, send) = arena.status(port).locks
                let heldReceive = isHeld(receive, by: session.id)
                let heldSend = isHeld(send, by: session.id)
                guard heldReceive || heldSend else { continue }
                if heldReceive {
                    local.settleDead(reader: true)
                    free(receive, of: session.id)
                }
                if heldSend {
                    local.settleDead(reader: false)
                    free(send, of: session.id)
                }
                // The dead may have moved an index and not notified.
                local.socket.notified()
                settle(local)
            }
        }
    }

    private static func isHeld(_ word: SharedWord64, by session: UInt32) -> Bool {
        UInt32(truncatingIfNeeded: word.load() >> 32) == session
    }

    private static func free(_ word: SharedWord64, of session: UInt32) {
        let held = word.load()
        // Whoever changes the word meanwhile is alive: the dead do not.
        if UInt32(truncatingIfNeeded: held >> 32) == session { _ = word.compareExchange(held, 0) }
    }
}
