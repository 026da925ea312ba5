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

    /// The toolstack's name of a guest.
    public var domainName: (UInt16) -> String? = { _ in nil }
    /// Open sockets of a guest, all its sessions and devices together, and how many it may have.
    public var openSocketsOfDomain: (UInt16) -> (open: Int, limit: Int) = { _ in (0, .max) }

    private let log: Logger
    /// What keeps each guest from filling the log.
    private var lines: [UInt16: ViolationLog] = [:]
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
            let domain = credentials.domainID.map { PolicyDomain(number: $0, name: domainName($0)) }
            let decision = policy.decide(
                question, userID: credentials.userID, domain: domain, serviceUserID: serviceUserID)
            record(decision, question, credentials)
            return decision.error
        }
    }

    private func limit(_ credentials: PeerCredentials) -> Int32? {
        if let domain = credentials.domainID {
            let (open, limit) = openSocketsOfDomain(domain)
            guard open < limit else {
                note(.notice, "denied socket \(name(credentials)): --max-domain-sockets is reached", credentials)
                return EMFILE
            }
        }
        var limits = policy.limits
        limits.sockets = maximumSockets
        if limits.sockets == nil, limits.socketsPerSession == nil { return nil }
        let open = openSockets(credentials)
        if limits.admitsSocket(open: open.all, ofSession: open.ofPeer) { return nil }
        let isOwn = open.ofPeer >= limits.socketsPerSession ?? .max
        note(
            .notice,
            """
            denied socket \(name(credentials)): \
            \(isOwn ? "sockets_per_session of the policy" : "--max-sockets") is reached
            """, credentials)
        return isOwn ? EMFILE : ENFILE
    }

    private func record(_ decision: PolicyDecision, _ question: PolicyQuestion, _ credentials: PeerCredentials) {
        let level: Logger.Level = decision.error != 0 ? .notice : decision.log ? .info : .debug
        let verdict = decision.error == 0 ? "allowed" : "denied"
        let answer = decision.error == 0 ? "" : ", \(PolicyNames.error(decision.error))"
        note(
            level,
            """
            \(verdict) \(question) \(name(credentials)): \
            \(decision.reason)\(answer)
            """, credentials)
    }

    /// Writes a line. Of a guest's there are no more than a few a second.
    private func note(_ level: Logger.Level, _ text: @autoclosure () -> String, _ credentials: PeerCredentials) {
        guard level >= log.logLevel else { return }
        var metadata: Logger.Metadata?
        if let domain = credentials.domainID {
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            let nanoseconds = UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
            guard let suppressed = lines[domain, default: ViolationLog()].admit(now: nanoseconds) else { return }
            if suppressed > 0 { metadata = ["suppressed": "\(suppressed)"] }
        }
        log.log(level: level, "\(text())", metadata: metadata)
    }

    /// Who asks, in the log.
    private func name(_ credentials: PeerCredentials) -> String {
        let isKnown = credentials.domainID == nil || credentials.userID != PeerCredentials.noUser
        let process = isKnown ? ["pid=\(credentials.processID) uid=\(credentials.userID)"] : []
        let domain = credentials.domainID.map { ["domain=\($0)"] + (domainName($0).map { ["name=\($0)"] } ?? []) }
        return (process + (domain ?? [])).joined(separator: " ")
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
