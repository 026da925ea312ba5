import Glibc
import TOMLKit
import XenSockBackend

/// What is wrong with a policy file, in one line: file, place, and what to write instead.
package struct PolicyFileError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// The policy file of docs/POLICY.md. Every key is known and every value means something, or the file is refused.
package enum PolicyFile {
    /// The longest file, in bytes.
    static let maximumLength = 1 << 20

    /// Reads a file.
    package static func read(_ path: String) throws(PolicyFileError) -> Policy {
        let bytes: [UInt8]
        do {
            bytes = try readFile(path, maximumLength: maximumLength)
        } catch {
            throw PolicyFileError(description: "\(path): \(error)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PolicyFileError(description: "\(path): is not UTF-8 text")
        }
        return try parse(text, file: path)
    }

    /// Parses the text of a file whose name errors shall begin with.
    static func parse(_ text: String, file: String) throws(PolicyFileError) -> Policy {
        // The TOML library hands over C strings: a NUL would hide what follows it.
        for nul in ["\0", "\\u0000", "\\U00000000"] where text.contains(nul) {
            throw PolicyFileError(description: "\(file): contains a NUL character; remove it")
        }
        let root: TOMLTable
        do {
            root = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            throw PolicyFileError(
                description: "\(file):\(error.source.begin.line):\(error.source.begin.column): \(error.description)")
        } catch {
            throw PolicyFileError(description: "\(file): \(error)")
        }
        let table = PolicyTable(root, place: file)
        try table.refuseUnknown(["default", "allow_users", "interfaces", "limits", "rule"])
        guard let action = try table.choice("default", among: Policy.Action.self) else {
            throw table.error("default", "is missing; write default = \"allow\" or default = \"deny\"")
        }
        var policy = Policy(
            defaultAction: action, rules: try rules(table), admission: try admission(table),
            limits: try limits(table))
        if let interfaces = try table.choice("interfaces", among: Policy.Interfaces.self) {
            policy.interfaces = interfaces
        }
        return policy
    }

    private static func rules(_ table: PolicyTable) throws(PolicyFileError) -> [PolicyRule] {
        var rules: [PolicyRule] = []
        for table in try table.tables("rule") {
            rules.append(try PolicyRule(table))
        }
        return rules
    }

    private static func admission(_ table: PolicyTable) throws(PolicyFileError) -> Policy.Admission {
        guard let values = try table.list("allow_users") else { return .users([]) }
        if values.contains(where: { $0.string == "*" }) {
            guard values.count == 1 else {
                throw table.error("allow_users", "\"*\" means everyone and stands alone")
            }
            return .everyone
        }
        return .users(try table.users("allow_users") ?? [])
    }

    private static func limits(_ table: PolicyTable) throws(PolicyFileError) -> Limits {
        guard let table = try table.table("limits") else { return Limits() }
        try table.refuseUnknown(["sessions_per_user", "sockets_per_session"])
        return Limits(
            sessionsPerUser: try table.count("sessions_per_user"),
            socketsPerSession: try table.count("sockets_per_session"))
    }
}

extension PolicyRule {
    private static let keys = [
        "action", "operations", "users", "domains", "addresses", "ports", "names", "paths", "families", "types", "log",
        "error",
    ]

    /// The operations that each condition can be true of.
    private static let scope: [(key: String, operations: Set<Operation>)] = [
        ("addresses", [.connect, .bind, .resolve]), ("ports", [.connect, .bind]), ("names", [.resolve]),
        ("paths", [.connect, .bind]),
        ("families", [.socket, .connect, .bind]), ("types", [.socket, .connect, .bind]),
    ]

    init(_ table: PolicyTable) throws(PolicyFileError) {
        try table.refuseUnknown(Self.keys)
        guard let action = try table.choice("action", among: Policy.Action.self) else {
            throw table.error("action", "is missing; write action = \"allow\" or action = \"deny\"")
        }
        self.init(action: action, operations: try Self.operations(table))
        users = try table.users("users")
        domains = try table.domains("domains")
        addresses = try table.ranges("addresses")
        ports = try table.ports("ports")
        names = try table.patterns("names")
        families = try table.numbers("families", among: PolicyNames.families)
        paths = try table.paths("paths")
        if paths != nil {
            if let families, families != [AF_UNIX] {
                throw table.error("families", "must be \"unix\" alone, or left out, beside paths")
            }
            if addresses != nil || ports != nil {
                throw table.error("paths", "addresses and ports never apply to paths; write a rule for each")
            }
        }
        types = try table.numbers("types", among: PolicyNames.types)
        if let log = try table.flag("log") {
            if action == .deny { throw table.error("log", "belongs to rules that allow; denials are always logged") }
            self.log = log
        }
        if let error = try table.string("error") {
            if action == .allow { throw table.error("error", "belongs to rules that deny") }
            guard let number = PolicyNames.errors[error] else {
                throw table.error("error", "\"\(error)\" is none of \(Self.list(PolicyNames.errors.keys))")
            }
            self.error = number
        }
    }

    /// The operations given, or those that the rule's conditions can be true of.
    private static func operations(_ table: PolicyTable) throws(PolicyFileError) -> Set<Operation> {
        let conditions = scope.filter { table.has($0.key) }
        // Of one lookup either a name or an address is given.
        if table.has("names"), table.has("addresses") {
            throw table.error(nil, "addresses and names never apply to one operation together; write a rule for each")
        }
        guard let names = try table.strings("operations") else {
            let possible = conditions.reduce(Set(Operation.allCases)) { $0.intersection($1.operations) }
            if possible.isEmpty {
                let keys = conditions.map(\.key).joined(separator: " and ")
                throw table.error(nil, "\(keys) never apply to one operation together; write a rule for each")
            }
            // What a socket of a type may do is said by rules that name the operation, or an address, or a port.
            return table.has("types") && possible.contains(.socket) ? [.socket] : possible
        }
        var operations: Set<Operation> = []
        for name in names {
            guard let operation = Operation(rawValue: name) else {
                throw table.error("operations", "\"\(name)\" is none of \(list(Operation.allCases.map(\.rawValue)))")
            }
            operations.insert(operation)
        }
        for condition in conditions {
            if let stranger = operations.subtracting(condition.operations).map(\.rawValue).min() {
                throw table.error(
                    condition.key, "never applies to the operation \"\(stranger)\"; write a rule for each")
            }
        }
        return operations
    }

    static func list(_ names: some Sequence<String>) -> String {
        names.sorted().joined(separator: ", ")
    }
}
