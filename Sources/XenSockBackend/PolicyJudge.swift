import Glibc
import Logging

/// Applies a ``Policy`` and the limits of sockets to what sessions ask, and logs it. Used on the service's thread only.
public final class PolicyJudge: BackendPolicy {
    /// The policy in force. What it replaces still holds for operations that were decided before.
    public var policy: Policy {
        didSet { generation &+= 1 }
    }
    public private(set) var generation: UInt64 = 0
    /// Open sockets of the service, all sessions together, at most; nil for no limit.
    public var maximumSockets: Int?
    /// Open sockets now: of the service, and of the sessions with these credentials.
    public var openSockets: (PeerCredentials) -> (all: Int, ofPeer: Int) = { _ in (0, 0) }

    private let log: Logger
    private let serviceUserID: UInt32

    /// - Parameters:
    ///   - log: denials go there at the notice level, what is allowed at debug, or at info if the rule says so.
    ///   - serviceUserID: the user in whose name the kernel judges the service's calls.
    public init(policy: Policy, log: Logger, serviceUserID: UInt32 = geteuid()) {
        self.policy = policy
        self.log = log
        self.serviceUserID = serviceUserID
    }

    /// See ``BackendPolicy/decide(_:credentials:)``. A socket beyond a limit gets EMFILE or ENFILE, as from the kernel.
    public func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 {
        if case .socket = operation, let refusal = limit(credentials) { return refusal }
        if case .interfaces = operation { return policy.interfaces == .backend ? 0 : EOPNOTSUPP }
        switch PolicyQuestion.decode(operation) {
        case .harmless:
            return 0
        case .invalid(let error):
            return error
        case .question(let question):
            let decision = policy.decide(question, userID: credentials.userID, serviceUserID: serviceUserID)
            record(decision, question, credentials)
            return decision.error
        }
    }

    private func limit(_ credentials: PeerCredentials) -> Int32? {
        var limits = policy.limits
        limits.sockets = maximumSockets
        if limits.sockets == nil, limits.socketsPerSession == nil { return nil }
        let open = openSockets(credentials)
        if limits.admitsSocket(open: open.all, ofSession: open.ofPeer) { return nil }
        let isOwn = open.ofPeer >= limits.socketsPerSession ?? .max
        log.notice(
            """
            denied socket pid=\(credentials.processID) uid=\(credentials.userID): \
            \(isOwn ? "sockets_per_session of the policy" : "--max-sockets") is reached
            """)
        return isOwn ? EMFILE : ENFILE
    }

    private func record(_ decision: PolicyDecision, _ question: PolicyQuestion, _ credentials: PeerCredentials) {
        let level: Logger.Level = decision.error != 0 ? .notice : decision.log ? .info : .debug
        let verdict = decision.error == 0 ? "allowed" : "denied"
        let answer = decision.error == 0 ? "" : ", \(PolicyNames.error(decision.error))"
        log.log(
            level: level,
            """
            \(verdict) \(question) pid=\(credentials.processID) uid=\(credentials.userID): \
            \(decision.reason)\(answer)
            """)
    }
}

extension PolicyDecision.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .rule(let number): return "rule \(number)"
        case .defaultAction: return "default"
        case .privilege(.port(let port)): return "no rule names the privileged port \(port)"
        case .privilege(.raw): return "no rule names the type raw"
        case .privilege(.family(let family)): return "no rule names the family \(PolicyNames.family(family))"
        }
    }
}
