import XenSockRing
import XenSockWire

/// Breaks the locks of a session that died (docs/PROTOCOL.md, 3.3). `BackendSocket.restoreToken` is the other half of
/// the service's part.
enum LockRecovery {
    /// Looks at every socket that processes of `session` could hold.
    static func breakLocks(of session: Session) {
        if let arena = session.arena { breakLocks(of: session.id, in: arena) }
        for arena in session.otherArenas where !arena.isDestroyed { breakLocks(of: session.id, in: arena) }
    }

    private static func breakLocks(of session: UInt32, in arena: Service.Arena) {
        for port in 1..<arena.ports where arena.sockets[Int(port)] != nil {
            let (receive, send) = arena.status(port).locks
            breakLock(receive, of: session)
            breakLock(send, of: session)
        }
    }

    private static func breakLock(_ word: SharedWord64, of session: UInt32) {
        let held = word.load()
        // Whoever changes the word meanwhile is alive: the dead do not.
        guard UInt32(truncatingIfNeeded: held >> 32) == session else { return }
        _ = word.compareExchange(held, StatusLine.brokenLock)
    }
}
