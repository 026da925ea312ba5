/// How much the frontends may take of a service. Nil stands for the service's own limit, or none.
public struct Limits: Equatable, Sendable {
    /// Open sessions of one user id, the service's own user and root included.
    public var sessionsPerUser: Int?
    /// Open sockets of one session.
    public var socketsPerSession: Int?
    /// Open sockets of the service, all sessions together.
    public var sockets: Int?

    public init(sessionsPerUser: Int? = nil, socketsPerSession: Int? = nil, sockets: Int? = nil) {
        self.sessionsPerUser = sessionsPerUser
        self.socketsPerSession = socketsPerSession
        self.sockets = sockets
    }

    /// Whether one more socket may be opened.
    ///
    /// - Parameters:
    ///   - open: the service's open sockets.
    ///   - ofSession: those of the session that asks.
    public func admitsSocket(open: Int, ofSession: Int) -> Bool {
        open < sockets ?? .max && ofSession < socketsPerSession ?? .max
    }
}
