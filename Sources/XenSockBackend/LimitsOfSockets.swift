extension PeerCredentials {
    /// Whether the two are of one peer as far as this side knows.
    fileprivate func isOne(with other: PeerCredentials) -> Bool {
        domainID == nil ? self == other : domainID == other.domainID
    }
}

extension Service {
    /// How many sockets are open now, accepted ones included, and pairs that wait for theirs, but for the one of the
    /// socket that is being opened. Sessions that a process opened for its children (DOOR) and that have its
    /// credentials are counted with it; of a guest, whose word alone the others are, all sessions of the domain.
    public func openSockets(of credentials: PeerCredentials) -> (all: Int, ofPeer: Int) {
        var count = credentials.domainID.map { openSockets(ofDomain: $0) } ?? 0
        var pairs = 0
        for session in sessions.values where session.credentials.isOne(with: credentials) {
            if credentials.domainID == nil { count += session.sockets.count + session.v1Sockets.count }
            pairs += session.arena?.pending.count ?? 0
        }
        let waiting = max(0, pairs - 1)
        return (socketCount + domainSockets.values.reduce(0, +) + waiting, count + waiting)
    }

    /// How many sockets a guest has open now, all its devices and sessions together: those of sessions that have ended and
    /// those that still send what they were left included.
    public func openSockets(ofDomain domain: UInt16) -> Int {
        domainSockets[domain, default: 0] + domainSessionSockets[domain, default: 0]
    }

    /// A guest's socket came to be, or is gone.
    func count(_ change: Int, of arena: Arena) {
        guard let domain = arena.domainID else { return }
        let left = domainSessionSockets[domain, default: 0] + change
        domainSessionSockets[domain] = left > 0 ? left : nil
    }
}
