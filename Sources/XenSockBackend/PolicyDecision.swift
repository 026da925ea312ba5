import Glibc

/// The answer of a ``Policy`` to one question.
public struct PolicyDecision: Equatable, Sendable {
    public enum Reason: Equatable, Sendable {
        /// The rule of this number, counted from 1.
        case rule(Int)
        case defaultAction
        /// Only root and the service's own user may, and no rule names it.
        case privilege(PolicyPrivilege)
    }

    /// 0 to allow, or a positive errno.
    public var error: Int32
    public var reason: Reason
    /// Whether an allowed operation is logged at the info level.
    public var log: Bool

    public init(error: Int32, reason: Reason, log: Bool = false) {
        self.error = error
        self.reason = reason
        self.log = log
    }
}

/// What the kernel grants to privileged processes only. A service that runs as root must not pass its own privilege on.
public enum PolicyPrivilege: Equatable, Sendable {
    /// A port from 1 to 1023.
    case port(UInt16)
    /// SOCK_RAW.
    case raw
    /// Families beside IPv4 and IPv6, where root's sockets can do what others' cannot. AF_UNIX needs a rule for everyone.
    case family(Int32)
}

extension Policy {
    /// Decides one question.
    ///
    /// - Parameters:
    ///   - userID: the session's user; of a guest's what the guest says.
    ///   - domain: the guest; nil for a local process.
    ///   - serviceUserID: the effective user of the service.
    public func decide(
        _ question: PolicyQuestion, userID: UInt32, domain: PolicyDomain? = nil, serviceUserID: UInt32
    ) -> PolicyDecision {
        if case .listen = question { return decideListen(userID: userID, domain: domain) }
        if case .socket(AF_UNIX, _, _) = question,
            let decision = decideUnixSocket(question, userID: userID, domain: domain)
        {
            return decision
        }
        let index = rules.firstIndex { $0.matches(question, userID: userID, domain: domain) }
        let rule = index.map { rules[$0] }
        let reason = index.map { PolicyDecision.Reason.rule($0 + 1) } ?? .defaultAction
        if (rule?.action ?? defaultAction) == .deny {
            return PolicyDecision(error: rule?.error ?? EACCES, reason: reason)
        }
        let isTrusted = domain == nil && (userID == 0 || userID == serviceUserID)
        for privilege in question.privileges where rule?.names(privilege) != true {
            // What listens in the backend domain trusts the service's user for reasons that do not hold for a frontend.
            if isTrusted, privilege != .family(AF_UNIX) { continue }
            return PolicyDecision(error: privilege == .raw ? EPERM : EACCES, reason: .privilege(privilege))
        }
        return PolicyDecision(error: 0, reason: reason, log: rule?.log ?? false)
    }

    /// listen(2) has no address. On a bound socket bind(2) was judged; on another it binds a port that the kernel
    /// chooses, so that it is denied to those who may bind nothing at all.
    private func decideListen(userID: UInt32, domain: PolicyDomain?) -> PolicyDecision {
        for (index, rule) in rules.enumerated() {
            guard rule.operations.contains(.bind), rule.names == nil,
                rule.types?.contains(Int32(SOCK_STREAM.rawValue)) != false,
                rule.isAbout(userID: userID, domain: domain)
            else { continue }
            if rule.action == .allow {
                return PolicyDecision(error: 0, reason: .rule(index + 1), log: rule.log)
            }
            if rule.addresses == nil, rule.ports == nil, rule.families == nil, rule.paths == nil {
                return PolicyDecision(error: rule.error, reason: .rule(index + 1))
            }
        }
        return PolicyDecision(error: defaultAction == .allow ? 0 : EACCES, reason: .defaultAction)
    }
}

extension PolicyRule {
    /// Whether all conditions of the rule hold. A condition about something that the question does not have never holds.
    func matches(_ question: PolicyQuestion, userID: UInt32, domain: PolicyDomain? = nil) -> Bool {
        guard operations.contains(question.operation) else { return false }
        guard isAbout(userID: userID, domain: domain) else { return false }
        // What allows everything does not mean these, and leaves them to a rule further on.
        if action == .allow, question.family == AF_UNIX, !names(.family(AF_UNIX)) { return false }
        if let families, !families.contains(question.family ?? -1) { return false }
        if let types, !types.contains(question.type ?? -1) { return false }
        if let ports {
            guard let port = question.port, ports.contains(where: { $0.contains(port) }) else { return false }
        }
        if let names {
            guard case .name(let name) = question, names.contains(where: { $0.matches(name) }) else { return false }
        }
        if let paths {
            guard case .path(_, let path, _) = question else { return false }
            guard paths.contains(where: { $0.matches(path) }) else { return false }
        }
        if let addresses {
            let meanings = question.meanings
            let isCovered = { (address: PolicyAddress) in addresses.contains { $0.contains(address) } }
            if meanings.isEmpty { return false }
            return action == .deny ? meanings.contains(where: isCovered) : meanings.allSatisfy(isCovered)
        }
        return true
    }

    /// Whether the rule grants a privilege by its name; a rule that merely matches does not.
    func names(_ privilege: PolicyPrivilege) -> Bool {
        switch privilege {
        case .port: return ports != nil
        case .raw: return types?.contains(Int32(SOCK_RAW.rawValue)) ?? false
        case .family(let family): return families?.contains(family) ?? (family == AF_UNIX && paths != nil)
        }
    }
}

extension PolicyQuestion {
    var operation: PolicyRule.Operation {
        switch self {
        case .socket: return .socket
        case .address(let operation, _, _, _), .path(let operation, _, _), .otherAddress(let operation, _, _):
            return operation
        case .listen: return .bind
        case .name, .nameOf: return .resolve
        }
    }

    var family: Int32? {
        switch self {
        case .socket(let family, _, _), .otherAddress(_, let family, _): return family
        case .address(_, let address, _, _): return address.family
        case .path: return AF_UNIX
        case .listen, .name, .nameOf: return nil
        }
    }

    var type: Int32? {
        switch self {
        case .socket(_, let type, _), .address(_, _, _, let type), .path(_, _, let type),
            .otherAddress(_, _, let type):
            return type
        case .listen, .name, .nameOf: return nil
        }
    }

    var port: UInt16? {
        if case .address(_, _, let port, _) = self { return port }
        return nil
    }

    /// What the kernel would ask a privilege for.
    var privileges: [PolicyPrivilege] {
        var privileges: [PolicyPrivilege] = []
        if case .socket(_, Int32(SOCK_RAW.rawValue), _) = self { privileges.append(.raw) }
        if let family, family != AF_INET, family != AF_INET6 { privileges.append(.family(family)) }
        if case .address(.bind, _, let port, _) = self, 1...1023 ~= port { privileges.append(.port(port)) }
        return privileges
    }
}
