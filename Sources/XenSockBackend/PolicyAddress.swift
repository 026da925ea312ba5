import Glibc

/// An IPv4 or IPv6 address. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is the IPv4 address.
public struct PolicyAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes, in network order.
    let bytes: [UInt8]

    static let loopback = PolicyAddress([127, 0, 0, 1])
    static let loopback6 = PolicyAddress([UInt8](repeating: 0, count: 15) + [1])
    static let any = PolicyAddress([0, 0, 0, 0])

    /// - Parameter bytes: 4 or 16 bytes, in network order.
    init(_ bytes: [UInt8]) {
        self.bytes = Self.isMapped(bytes) ? Array(bytes[12...]) : bytes
    }

    /// Parses what inet_pton(3) takes: `192.0.2.1`, `2001:db8::1`. Nil for anything else.
    public init?(_ text: String) {
        guard let bytes = Self.parse(text) else { return nil }
        self.init(bytes)
    }

    /// AF_INET or AF_INET6.
    var family: Int32 { bytes.count == 4 ? AF_INET : AF_INET6 }

    var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

    public var description: String {
        if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func parse(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes[..<4]) }
        return inet_pton(AF_INET6, text, &bytes) == 1 ? bytes : nil
    }

    static func isMapped(_ bytes: [UInt8]) -> Bool {
        bytes.count == 16 && bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
    }
}

/// A range of addresses in CIDR notation. IPv4 ranges hold IPv4 addresses only, IPv6 ranges IPv6 addresses only.
public struct PolicyAddressRange: Hashable, Sendable, CustomStringConvertible {
    let first: PolicyAddress
    /// Leading bits that must be equal: 0 to 32, or 0 to 128.
    let prefix: Int

    /// What is wrong with the text of a range.
    public struct Failure: Error, Equatable {
        public let message: String
    }

    /// Parses `10.0.0.0/8`, `2001:db8::/32`, or one address.
    ///
    /// - Throws: ``Failure``, also if bits behind the prefix are set: it is then not clear what was meant.
    public init(_ text: String) throws(Failure) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let bytes = PolicyAddress.parse(String(parts[0])) else {
            throw Failure(message: "\"\(text)\" is not an IPv4 or IPv6 address or range")
        }
        var prefix = bytes.count * 8
        if parts.count == 2 {
            guard let given = Self.decimal(parts[1]), given <= prefix else {
                throw Failure(message: "\"\(text)\": the prefix length must be 0 to \(prefix)")
            }
            prefix = given
        }
        for bit in prefix..<bytes.count * 8 where bytes[bit / 8] & (0x80 >> UInt8(bit % 8)) != 0 {
            throw Failure(message: "\"\(text)\": bit \(bit + 1) is set behind the prefix of \(prefix) bits")
        }
        if PolicyAddress.isMapped(bytes), prefix >= 96 { prefix -= 96 }
        first = PolicyAddress(bytes)
        guard prefix <= first.bytes.count * 8 else {
            throw Failure(message: "\"\(text)\": write this IPv4 range as IPv4, for example 10.0.0.0/8")
        }
        self.prefix = prefix
    }

    /// Whether the address lies in the range.
    public func contains(_ address: PolicyAddress) -> Bool {
        guard address.bytes.count == first.bytes.count else { return false }
        let whole = prefix / 8
        guard address.bytes[..<whole] == first.bytes[..<whole] else { return false }
        if prefix % 8 == 0 { return true }
        return (address.bytes[whole] ^ first.bytes[whole]) >> (8 - prefix % 8) == 0
    }

    public var description: String { "\(first)/\(prefix)" }

    private static func decimal(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 3, text.utf8.allSatisfy({ 48...57 ~= $0 }) else { return nil }
        return Int(text)
    }
}
