import Glibc
import XenSockWire

/// The name of an AF_UNIX socket as rules see it: an absolute path without what means nothing in it, or `@` and the bytes
/// of an abstract name.
public struct PolicyPath: Equatable, Sendable, CustomStringConvertible {
    let text: [UInt8]

    /// Reads a `struct sockaddr_un`.
    ///
    /// - Returns: nil for one without a name, for a relative path, which would begin in the service's directory, and for
    ///   one with `..`, which leads where the text does not say.
    public init?(_ address: UnsafeRawBufferPointer) {
        text = [UInt8](unsafeUninitializedCapacity: UnixName.capacity) { buffer, count in
            count = UnixName.text(of: address, into: UnsafeMutableRawBufferPointer(buffer))
        }
        if text.isEmpty { return nil }
    }

    /// For the log: the name is the frontend's, and must not forge lines.
    public var description: String {
        String(decoding: text, as: UTF8.self).unicodeScalars.map { $0.escaped(asASCII: true) }.joined()
    }
}

/// A pattern for names of AF_UNIX sockets.
public struct PolicyPathPattern: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// Parses `/run/postgresql/.s.PGSQL.5432`, `/run/postgresql/*`, `/run/postgresql/` (everything below) or `@name`.
    ///
    /// - Returns: nil if the text is no such pattern (`UnixName.isPattern`).
    public init?(_ text: String) {
        guard Array(text.utf8).withUnsafeBytes(UnixName.isPattern) else { return nil }
        description = text
    }

    public func matches(_ path: PolicyPath) -> Bool {
        path.text.withUnsafeBytes { text in
            Array(description.utf8).withUnsafeBytes { UnixName.matches(text, $0) }
        }
    }
}

extension Policy {
    /// This policy and, behind its rules, leave to connect to and to bind such names.
    public func allowing(_ paths: [PolicyPathPattern]) -> Policy {
        guard !paths.isEmpty else { return self }
        var policy = self
        policy.rules.append(PolicyRule(action: .allow, operations: [.connect, .bind], paths: paths))
        return policy
    }

    /// Who may connect to some name, or bind one, may make the socket for it; no rule for the type alone is needed.
    func decideUnixSocket(_ question: PolicyQuestion, userID: UInt32, domain: PolicyDomain?) -> PolicyDecision? {
        for (index, rule) in rules.enumerated() {
            if rule.matches(question, userID: userID, domain: domain) { return nil }
            guard rule.action == .allow, rule.paths != nil, rule.isAbout(userID: userID, domain: domain),
                rule.types?.contains(question.type ?? -1) != false
            else { continue }
            return PolicyDecision(error: 0, reason: .rule(index + 1))
        }
        return nil
    }
}
