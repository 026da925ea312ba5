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
        var count = 0
        var pairs = 0
        for session in sessions.values where session.credentials.isOne(with: credentials) {
            count += session.sockets.count + session.v1Sockets.count
            pairs += session.arena?.pending.count ?? 0
        }
        let waiting = max(0, pairs - 1)
        return (socketCount + waiting, count + waiting)
    }
}
