/// How much the frontends may take of a service. Nil stands for no limit of its own.
public struct Limits: Equatable, Sendable {
    /// Open sessions of the service.
    public var sessions: Int?
    /// Open sockets of the service, all sessions together.
    public var sockets: Int?
    /// Open sessions of one user id. The service's own user and root are counted as well.
    public var sessionsPerUser: Int?
    /// Open sockets of one session.
    public var socketsPerSession: Int?

    public init(
        sessions: Int? = nil, sockets: Int? = nil, sessionsPerUser: Int? = nil, socketsPerSession: Int? = nil
    ) {
        self.sessions = sessions
        self.sockets = sockets
        self.sessionsPerUser = sessionsPerUser
        self.socketsPerSession = socketsPerSession
    }

    /// Whether one more session may be opened.
    ///
    /// - Parameters:
    ///   - open: the service's open sessions.
    ///   - ofUser: those of the user who asks.
    public func admitsSession(open: Int, ofUser: Int) -> Bool {
        open < sessions ?? .max && ofUser < sessionsPerUser ?? .max
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
