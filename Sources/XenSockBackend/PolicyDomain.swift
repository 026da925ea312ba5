/// A guest, as rules see it.
public struct PolicyDomain: Hashable, Sendable {
    /// Xen's number.
    public var number: UInt16
    /// The toolstack's name; nil if it is not known.
    public var name: String?

    public init(number: UInt16, name: String?) {
        self.number = number
        self.name = name
    }
}

/// Which guests a rule is about.
public enum PolicyDomainPattern: Hashable, Sendable {
    case number(UInt16)
    case name(String)
    case everyGuest

    /// - Parameter unknown: whether a guest whose name is not known counts as the one of a name.
    func matches(_ domain: PolicyDomain, unknown: Bool = false) -> Bool {
        switch self {
        case .number(let number): domain.number == number
        case .name(let name): domain.name.map { $0 == name } ?? unknown
        case .everyGuest: true
        }
    }
}

extension PolicyRule {
    /// Whether the rule's `users` and `domains` hold for who asks. What is denied to a name is denied to a guest whose name
    /// is not known.
    ///
    /// - Parameter domain: nil for a local process.
    func isAbout(userID: UInt32, domain: PolicyDomain?) -> Bool {
        if let domains {
            guard let domain, domains.contains(where: { $0.matches(domain, unknown: action == .deny) }) else {
                return false
            }
        } else if domain != nil, users != nil {
            // A guest says of its users what it likes: only a rule that means the guest listens to it.
            return false
        }
        return users?.contains(userID) ?? true
    }
}
