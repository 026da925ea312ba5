import XenSockRing
import XenSockWire

/// Breaks the locks of a session that died (docs/PROTOCOL.md, 3.3). `BackendSocket.settleDeadSender` and `restoreToken`
/// are the rest of the service's part.
enum LockRecovery {
    /// Looks at every socket that processes of `session` could hold.
    ///
    /// - Parameter settle: called with each socket whose lock was broken, which has work then.
    static func breakLocks(of session: Session, settle: (Service.Socket) -> Void) {
        if let arena = session.arena { breakLocks(of: session.id, in: arena, settle) }
        for arena in session.otherArenas where !arena.isDestroyed { breakLocks(of: session.id, in: arena, settle) }
    }

    private static func breakLocks(of session: UInt32, in arena: Service.Arena, _ settle: (Service.Socket) -> Void) {
        for port in 1..<arena.ports {
            guard let socket = arena.sockets[Int(port)] else { continue }
            let (receive, send) = arena.status(port).locks
            // Before the lock is free: behind it a successor may send fillers of its own.
            let heldSend = isHeld(send, by: session)
            if heldSend { socket.settleDeadSender() }
            let brokeSend = heldSend && breakLock(send, of: session)
            if breakLock(receive, of: session) || brokeSend {
                socket.doorbell()
                settle(socket)
            }
        }
    }

    private static func isHeld(_ word: SharedWord64, by session: UInt32) -> Bool {
        UInt32(truncatingIfNeeded: word.load() >> 32) == session
    }

    private static func breakLock(_ word: SharedWord64, of session: UInt32) -> Bool {
        let held = word.load()
        // Whoever changes the word meanwhile is alive: the dead do not.
        guard UInt32(truncatingIfNeeded: held >> 32) == session else { return false }
        return word.compareExchange(held, StatusLine.brokenLock)
    }
}
