import Glibc
import XenSockRing
import XenSockWire
import XenSockXen

/// The relayed sockets of all sessions, each of which gets its turn.
extension Dock {
    /// Has a placeholder look at its line, and tells the backend what there is to tell.
    func look(at placeholder: DockPlaceholder, of session: DockSession) {
        if placeholder.look() { session.memory?.ring(placeholder.port) }
        tend(placeholder)
        queue(placeholder)
    }

    func queue(_ placeholder: DockPlaceholder) {
        guard let relay = placeholder.relay, relay.wantsTurn, !relay.isQueued else { return }
        relay.isQueued = true
        relaying.append(placeholder)
    }

    /// Gives each that has work one turn.
    func relayTurns() {
        guard !relaying.isEmpty else { return }
        let due = relaying
        relaying.removeAll(keepingCapacity: true)
        for placeholder in due {
            placeholder.relay?.isQueued = false
            if placeholder.relayTurn() { placeholder.session?.memory?.ring(placeholder.port) }
            if placeholder.descriptor < 0 { forget(placeholder.number) }
            tend(placeholder)
            queue(placeholder)
        }
    }

    /// Sees to it that the backend is told of a socket whose session is over.
    private func tend(_ placeholder: DockPlaceholder) {
        if placeholder.needsLook, case .ended? = placeholder.session?.phase { tendSoon() }
    }
}

extension DockSession {
    /// Begins to relay at a port.
    ///
    /// - Parameters: as of ``DockRelay``.
    /// - Returns: nil if no ring of the port's own pages is in use there.
    func relay(
        at port: UInt32, line: UnsafeMutableRawPointer, descriptor: Int32, fillers: UInt32, isShown: Bool
    ) -> DockRelay? {
        guard let memory, let pages = rings[port] else { return nil }
        // The program can write there, too: a larger order than was granted is none of its ring.
        let order = SharedWord32(pages.base + IndexesPage.ringOrder).load()
        guard order <= Arena.maximumOrder, let layout = DataRingLayout(order: order), layout.pages < pages.pages else {
            return nil
        }
        return DockRelay(
            pages: pages.base, layout: layout, line: line, status: memory.status(port), descriptor: descriptor,
            fillers: fillers, isShown: isShown
        ) { [weak self] in self?.memory?.ring(port) }
    }
}
