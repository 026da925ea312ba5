/// How a service is set up.
public struct ServiceConfiguration: Sendable {
    /// Where frontends come from.
    public enum Listening: Sendable {
        /// A path of the file system; the socket is made, and removed at the end. A socket left by a service that died
        /// is replaced. `mode`: the permissions.
        case path(String, mode: UInt32)
        /// A listening SOCK_SEQPACKET AF_UNIX socket (socket activation). Taken over.
        case descriptor(Int32)
    }

    public var listening: Listening
    /// Users that may open a session beside the service's own and root.
    public var allowedUsers: Set<UInt32> = []
    /// Any user may open a session: whoever can connect to the socket.
    public var allowsAnyUser = false
    /// Sessions of one user, and of all, at most.
    public var maximumSessionsPerUser = defaultSessionsPerUser
    public var maximumSessions = 8192
    /// Ports, that is sockets, of a session that asks for no number, and at most: multiples of 64 up to 16384.
    public var defaultPorts: UInt32 = 1024
    public var maximumPorts: UInt32 = 16384

    /// How long a session may take to say HELLO, in nanoseconds.
    var helloLimit: UInt64 = 10_000_000_000

    private static let defaultSessionsPerUser = 1024

    public init(listening: Listening) { self.listening = listening }

    /// Takes from a policy who may open a session, and how many.
    public mutating func admit(_ policy: Policy) {
        let users: Set<UInt32>? = if case .users(let users) = policy.admission { users } else { nil }
        allowedUsers = users ?? []
        allowsAnyUser = users == nil
        maximumSessionsPerUser = policy.limits.sessionsPerUser ?? Self.defaultSessionsPerUser
    }
}

extension Service {
    /// From now on sessions are opened as the policy says; those that exist stay.
    public func admit(by policy: Policy) { configuration.admit(policy) }
}

/// Why a service cannot start: the call that failed and its errno.
public struct ServiceError: Error, CustomStringConvertible {
    public var call: String
    public var errno: Int32

    public var description: String { "\(call): errno \(errno)" }
}
