extension Service {
    /// How many sockets are open now, accepted ones included. Sessions that a process opened for its children (DOOR)
    /// have its credentials and are counted with it.
    public func openSockets(of credentials: PeerCredentials) -> (all: Int, ofPeer: Int) {
        var count = 0
        for session in sessions.values where session.credentials == credentials {
            count += session.sockets.count + session.v1Sockets.count
        }
        return (socketCount, count)
    }
}
