import Glibc
import TOMLKit
import XenSockBackend

/// A table of a policy file, read by key: each method returns nil for a key that is not there, and throws an error that
/// names the place for a value that is not what the key takes.
struct PolicyTable {
    private let table: TOMLTable
    private let place: String

    /// - Parameter place: the file, and the table in it; errors begin with it.
    init(_ table: TOMLTable, place: String) {
        self.table = table
        self.place = place
    }

    func error(_ key: String?, _ message: String) -> PolicyFileError {
        PolicyFileError(description: key.map { "\(place): \($0): \(message)" } ?? "\(place): \(message)")
    }

    func has(_ key: String) -> Bool { table[key] != nil }

    func refuseUnknown(_ known: [String]) throws(PolicyFileError) {
        for key in table.keys.sorted() where !known.contains(key) {
            throw error(key, "is no key of this table, which has \(known.joined(separator: ", "))")
        }
    }

    func string(_ key: String) throws(PolicyFileError) -> String? {
        guard let value = table[key] else { return nil }
        guard let string = value.string else { throw error(key, "must be a string, not \(value.type)") }
        return string
    }

    func flag(_ key: String) throws(PolicyFileError) -> Bool? {
        guard let value = table[key] else { return nil }
        guard let flag = value.bool else { throw error(key, "must be true or false, not \(value.type)") }
        return flag
    }

    /// A number from 1 to 1000000.
    func count(_ key: String) throws(PolicyFileError) -> Int? {
        guard let value = table[key] else { return nil }
        guard let number = value.int, 1...1_000_000 ~= number else {
            throw error(key, "must be a number from 1 to 1000000")
        }
        return number
    }

    func choice<Choice>(_ key: String, among: Choice.Type) throws(PolicyFileError) -> Choice?
    where Choice: RawRepresentable<String> & CaseIterable {
        guard let text = try string(key) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw error(key, "\"\(text)\" is none of \(PolicyRule.list(Choice.allCases.map(\.rawValue)))")
        }
        return choice
    }

    func table(_ key: String) throws(PolicyFileError) -> PolicyTable? {
        guard let value = table[key] else { return nil }
        guard let inner = value.table else { throw error(key, "must be a table: write [\(key)]") }
        return PolicyTable(inner, place: "\(place): [\(key)]")
    }

    func tables(_ key: String) throws(PolicyFileError) -> [PolicyTable] {
        guard let value = table[key] else { return [] }
        guard let array = value.array else { throw error(key, "must be a list of tables: write [[\(key)]]") }
        var tables: [PolicyTable] = []
        for (index, value) in array.enumerated() {
            guard let inner = value.table else { throw error(key, "must be a list of tables: write [[\(key)]]") }
            tables.append(PolicyTable(inner, place: "\(place): \(key) \(index + 1)"))
        }
        return tables
    }

    /// A list that is not empty: an empty condition would never hold, which nobody means.
    func list(_ key: String) throws(PolicyFileError) -> [any TOMLValueConvertible]? {
        guard let value = table[key] else { return nil }
        guard let array = value.array else { throw error(key, "must be a list, not \(value.type)") }
        if array.isEmpty { throw error(key, "is empty; remove it or fill it") }
        return Array(array)
    }

    func strings(_ key: String) throws(PolicyFileError) -> [String]? {
        guard let values = try list(key) else { return nil }
        var strings: [String] = []
        for value in values {
            guard let string = value.string else { throw error(key, "must hold strings, not \(value.type)") }
            strings.append(string)
        }
        return strings
    }

    func numbers(_ key: String, among names: [String: Int32]) throws(PolicyFileError) -> Set<Int32>? {
        guard let strings = try strings(key) else { return nil }
        var numbers: Set<Int32> = []
        for name in strings {
            guard let number = names[name] else {
                throw error(key, "\"\(name)\" is none of \(PolicyRule.list(names.keys))")
            }
            numbers.insert(number)
        }
        return numbers
    }

    func ranges(_ key: String) throws(PolicyFileError) -> [PolicyAddressRange]? {
        guard let strings = try strings(key) else { return nil }
        var ranges: [PolicyAddressRange] = []
        for text in strings {
            do {
                ranges.append(try PolicyAddressRange(text))
            } catch {
                throw self.error(key, error.message)
            }
        }
        return ranges
    }

    func patterns(_ key: String) throws(PolicyFileError) -> [PolicyNamePattern]? {
        guard let strings = try strings(key) else { return nil }
        var patterns: [PolicyNamePattern] = []
        for text in strings {
            guard let pattern = PolicyNamePattern(text) else {
                throw error(key, "\"\(text)\" is no pattern; write www.example.org, *.example.org or *")
            }
            patterns.append(pattern)
        }
        return patterns
    }

    func paths(_ key: String) throws(PolicyFileError) -> [PolicyPathPattern]? {
        guard let strings = try strings(key) else { return nil }
        var patterns: [PolicyPathPattern] = []
        for text in strings {
            guard let pattern = PolicyPathPattern(text) else {
                throw error(
                    key, "\"\(text)\" is no pattern; write /run/server/socket, /run/server/*, /run/server/ or @name")
            }
            patterns.append(pattern)
        }
        return patterns
    }

    func ports(_ key: String) throws(PolicyFileError) -> [ClosedRange<UInt16>]? {
        guard let values = try list(key) else { return nil }
        var ports: [ClosedRange<UInt16>] = []
        for value in values {
            guard let text = value.string ?? value.int.map(String.init) else {
                throw error(key, "must hold ports as 443 or \"8000-8999\", not \(value.type)")
            }
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map(Self.port)
            guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1] else {
                throw error(key, "\"\(text)\" is no port from 0 to 65535 and no range as \"8000-8999\"")
            }
            guard first <= last else { throw error(key, "\"\(text)\": the range ends before it begins") }
            ports.append(first...last)
        }
        return ports
    }

    /// User ids, or names that the system knows.
    func users(_ key: String) throws(PolicyFileError) -> Set<UInt32>? {
        guard let values = try list(key) else { return nil }
        var users: Set<UInt32> = []
        for value in values {
            if let number = value.int {
                // The last one stands for "no user" in setreuid(2) and for an unmapped one nowhere.
                guard 0..<0xffff_ffff ~= number else { throw error(key, "\(number) is no user id") }
                users.insert(UInt32(number))
            } else if let name = value.string {
                guard let entry = getpwnam(name) else { throw error(key, "there is no user \"\(name)\"") }
                users.insert(entry.pointee.pw_uid)
            } else {
                throw error(key, "must hold user names and ids, not \(value.type)")
            }
        }
        return users
    }

    /// Numbers and names of guests; "*" stands for all of them.
    func domains(_ key: String) throws(PolicyFileError) -> Set<PolicyDomainPattern>? {
        guard let values = try list(key) else { return nil }
        var domains: Set<PolicyDomainPattern> = []
        for value in values {
            if let number = value.int {
                // 0x7ff0 is the first that Xen gives to no domain.
                guard 0..<0x7ff0 ~= number else { throw error(key, "\(number) is no number of a domain") }
                domains.insert(.number(UInt16(number)))
            } else if let name = value.string {
                guard name != "*" else {
                    domains.insert(.everyGuest)
                    continue
                }
                // Xen's tools take such a text for a number.
                guard !name.isEmpty, !name.utf8.allSatisfy({ 48...57 ~= $0 }), !name.contains("/") else {
                    throw error(key, "\"\(name)\" is no name of a domain; write numbers without quotes")
                }
                domains.insert(.name(name))
            } else {
                throw error(key, "must hold names and numbers of domains, not \(value.type)")
            }
        }
        return domains
    }

    private static func port(_ text: Substring) -> UInt16? {
        guard 1...5 ~= text.utf8.count, text.utf8.allSatisfy({ 48...57 ~= $0 }) else { return nil }
        return UInt16(text)
    }
}
