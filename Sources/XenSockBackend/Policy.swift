import Glibc

/// What sessions may do: a list of rules of which the first that matches decides (docs/POLICY.md).
public struct Policy: Equatable, Sendable {
    public enum Action: String, CaseIterable, Sendable {
        case allow
        case deny
    }

    /// Who may open a session besides the service's own user and root.
    public enum Admission: Equatable, Sendable {
        case users(Set<UInt32>)
        case everyone
    }

    /// Whose interfaces programs are told of.
    public enum Interfaces: String, CaseIterable, Sendable {
        case backend
        case frontend
    }

    /// What holds if no rule matches.
    public var defaultAction: Action
    /// In the order of the file; the log counts them from 1.
    public var rules: [PolicyRule]
    public var admission: Admission
    public var limits: Limits
    /// The backend domain's, where the program's sockets are, unless it is to be told of its own.
    public var interfaces = Interfaces.backend

    /// The policy without a file: allows everything that the kernel allows the service, except what is
    /// a ``PolicyPrivilege`` for users that the kernel would not have asked.
    public init(
        defaultAction: Action = .allow, rules: [PolicyRule] = [], admission: Admission = .users([]),
        limits: Limits = Limits()
    ) {
        self.defaultAction = defaultAction
        self.rules = rules
        self.admission = admission
        self.limits = limits
    }
}

/// One rule. A condition that is nil holds always; a rule matches if all its conditions hold.
public struct PolicyRule: Equatable, Sendable {
    public enum Operation: String, CaseIterable, Sendable {
        /// connect(2), and the first datagram to a new destination.
        case connect
        /// bind(2), and the listen(2) that follows it.
        case bind
        /// getaddrinfo(3) and getnameinfo(3).
        case resolve
        /// socket(2).
        case socket
    }

    public var action: Policy.Action
    public var operations: Set<Operation>
    /// User ids of sessions: of local ones, or, in a rule with `domains`, those that guests say.
    public var users: Set<UInt32>?
    /// Guests. Never a local process.
    public var domains: Set<PolicyDomainPattern>?
    public var addresses: [PolicyAddressRange]?
    public var ports: [ClosedRange<UInt16>]?
    public var names: [PolicyNamePattern]?
    /// Names of AF_UNIX sockets.
    public var paths: [PolicyPathPattern]?
    /// AF_ values.
    public var families: Set<Int32>?
    /// SOCK_ values.
    public var types: Set<Int32>?
    /// Whether what the rule allows is logged at the info level.
    public var log: Bool
    /// The errno of a denial.
    public var error: Int32

    public init(
        action: Policy.Action, operations: Set<Operation> = Set(Operation.allCases), users: Set<UInt32>? = nil,
        domains: Set<PolicyDomainPattern>? = nil, addresses: [PolicyAddressRange]? = nil,
        ports: [ClosedRange<UInt16>]? = nil,
        names: [PolicyNamePattern]? = nil, paths: [PolicyPathPattern]? = nil, families: Set<Int32>? = nil,
        types: Set<Int32>? = nil, log: Bool = false, error: Int32 = EACCES
    ) {
        self.action = action
        self.operations = operations
        self.users = users
        self.domains = domains
        self.addresses = addresses
        self.ports = ports
        self.names = names
        self.paths = paths
        self.families = families
        self.types = types
        self.log = log
        self.error = error
    }
}
