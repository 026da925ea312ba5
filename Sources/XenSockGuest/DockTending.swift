import Glibc
import XenSockRing
import XenSockWire

/// Sessions that are over and do not go: their program, which shares the doorbell with what it was granted, may have
/// unbound its event channel or cleared bits. What the agent does then needs neither.
extension Dock {
    /// Sees to it that sessions which are ending are looked at in a second.
    func tendSoon() {
        guard tendingAt == .max else { return }
        tendingAt = monotonicTime() &+ Self.second
        alarm(at: tendingAt)
    }

    /// To be called when that time has come.
    func tend() {
        tendingAt = .max
        let waiting = sessions.values.filter(isStuck)
        guard !waiting.isEmpty else { return }
        // Locks that the dead held in anybody's arena are freed by looks there.
        for session in sessions.values where session.memory != nil { notice(session) }
        for session in waiting {
            for placeholder in session.placeholders.values where placeholder.needsLook {
                session.memory?.ring(placeholder.port)
            }
            if session.unansweredEnds < 2 { submit(.end(session)) }
        }
        tendSoon()
    }

    private func isStuck(_ session: DockSession) -> Bool {
        guard session.memory != nil else { return false }
        switch session.phase {
        case .ending: return true
        case .ended: return session.placeholders.values.contains { $0.needsLook }
        case .fresh, .opening, .open: return false
        }
    }

    /// END was answered, or asked again and answered.
    func ended(_ session: DockSession, _ ret: Int32) {
        session.unansweredEnds -= 1
        // The first one's answer is to come.
        if ret == -EAGAIN { return }
        let isFirst = if case .ending = session.phase { true } else { false }
        session.phase = .ended
        var hasLeft = false
        for placeholder in session.placeholders.values {
            // What the backend has closed until its answer, it says in the line.
            look(at: placeholder, of: session)
            if ret == -ENOENT || placeholder.isClosed {
                drop(placeholder, of: session)
                continue
            }
            if isUnused(placeholder, of: session) {
                // By what the program wrote, too: the backend knows better, and finds that the end is closed.
                placeholder.abandon()
                session.memory?.ring(placeholder.port)
            }
            hasLeft = hasLeft || placeholder.isHungUp
        }
        collect(session)
        // Of those that no SOCKET named it has nothing: it says so when it is asked again.
        if isFirst, hasLeft { submit(.end(session)) }
        if isStuck(session) { tendSoon() }
    }

    /// Whether no socket has a pair: its SOCKET never came, or its end has.
    private func isUnused(_ placeholder: DockPlaceholder, of session: DockSession) -> Bool {
        guard let memory = session.memory, placeholder.descriptor >= 0 else { return false }
        return SharedWord32(memory.status(placeholder.port) + StatusLine.state).load() == StatusLine.State.free.rawValue
    }
}
