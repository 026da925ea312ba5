import Glibc
import Logging
import Synchronization

/// Applies a ``Policy`` to what sessions ask, and logs it. The policy can be replaced at any time, from any thread.
public final class PolicyJudge: BackendPolicy, Sendable {
    private let current: Mutex<Policy>
    private let log: Logger
    private let serviceUserID: UInt32

    /// - Parameters:
    ///   - log: denials go there at the notice level, what is allowed at debug, or at info if the rule says so.
    ///   - serviceUserID: the user in whose name the kernel judges the service's calls.
    public init(policy: Policy, log: Logger, serviceUserID: UInt32 = geteuid()) {
        current = Mutex(policy)
        self.log = log
        self.serviceUserID = serviceUserID
    }

    /// The policy in force. What it replaces still holds for operations that were decided before.
    public var policy: Policy {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    /// See ``BackendPolicy/decide(_:credentials:)``.
    public func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 {
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

    /// Whether a user may open a session. A refusal is logged.
    public func admits(_ credentials: PeerCredentials) -> Bool {
        if policy.admits(userID: credentials.userID, serviceUserID: serviceUserID) { return true }
        log.notice(
            "denied session pid=\(credentials.processID) uid=\(credentials.userID): not in allow_users of the policy")
        return false
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
        case .unseenAddresses: return "SCTP would get past the rules for addresses"
        }
    }
}
