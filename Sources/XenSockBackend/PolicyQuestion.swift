import Glibc

/// An operation as rules see it: decoded, bounded, and with its address in the form in which the kernel takes it.
public enum PolicyQuestion: Equatable, Sendable {
    /// socket(2).
    case socket(family: Int32, type: Int32, protocolNumber: Int32)
    /// connect(2) or bind(2) with an IPv4 or IPv6 address.
    case address(PolicyRule.Operation, PolicyAddress, port: UInt16, type: Int32 = 1)
    /// connect(2) or bind(2) with the name of an AF_UNIX socket.
    case path(PolicyRule.Operation, PolicyPath, type: Int32 = 1)
    /// connect(2) or bind(2) with an address of another family.
    case otherAddress(PolicyRule.Operation, family: Int32, type: Int32 = 1)
    /// listen(2).
    case listen
    /// getaddrinfo(3) of a name.
    case name(String)
    /// getnameinfo(3) of an address; nil for one that is neither IPv4 nor IPv6.
    case nameOf(PolicyAddress?)

    /// What an operation asks.
    public enum Decoded: Equatable, Sendable {
        case question(PolicyQuestion)
        /// Nobody outside the frontend is concerned: the operation needs no decision.
        case harmless
        /// The kernel would refuse this address; a positive errno.
        case invalid(Int32)
    }

    /// The domain of a resolver socket (docs/PROTOCOL.md, 2.3): each query is judged by itself.
    private static let resolverDomain: Int32 = 0x5853

    /// Decodes an operation.
    public static func decode(_ operation: PolicyOperation) -> Decoded {
        switch operation {
        case .socket(resolverDomain, _, _):
            return .harmless
        case .socket(let domain, let type, let protocolNumber):
            return .question(.socket(family: domain, type: type, protocolNumber: protocolNumber))
        case .connect(let address):
            return decode(.connect, address, Int32(SOCK_STREAM.rawValue))
        case .bind(let address):
            return decode(.bind, address, Int32(SOCK_STREAM.rawValue))
        case .connectDatagrams(let address, let type):
            return decode(.connect, address, type)
        case .bindDatagrams(let address, let type):
            return decode(.bind, address, type)
        case .listen:
            return .question(.listen)
        case .resolve(let name):
            // Nobody is asked about an address in digits, and a service is looked up in a file.
            return name.isEmpty || isNumeric(name) ? .harmless : .question(.name(EscapedName.canonical(name)))
        case .resolveAddress(let address):
            return .question(.nameOf(endpoint(address, family: family(address))?.address))
        case .interfaces:
            return .harmless
        }
    }

    private static func decode(_ operation: PolicyRule.Operation, _ bytes: UnsafeRawBufferPointer, _ type: Int32)
        -> Decoded
    {
        guard bytes.count >= 2 else { return .invalid(EINVAL) }
        var family = family(bytes)
        if family == AF_UNSPEC {
            // connect(2) with AF_UNSPEC dissolves a connection. bind(2), and sendto(2) on an IPv4 socket, take
            // AF_UNSPEC for AF_INET: an address in it must not get past the rules.
            if operation == .connect, bytes[2...].allSatisfy({ $0 == 0 }) { return .harmless }
            family = AF_INET
        }
        if family == AF_UNIX {
            guard let path = PolicyPath(bytes) else { return .invalid(EINVAL) }
            return .question(.path(operation, path, type: type))
        }
        guard family == AF_INET || family == AF_INET6 else {
            return .question(.otherAddress(operation, family: family, type: type))
        }
        guard let (address, port) = endpoint(bytes, family: family) else { return .invalid(EINVAL) }
        return .question(.address(operation, address, port: port, type: type))
    }

    private static func family(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        bytes.count < 2 ? AF_UNSPEC : Int32(bytes.loadUnaligned(as: UInt16.self))
    }

    private static func endpoint(
        _ bytes: UnsafeRawBufferPointer, family: Int32
    ) -> (address: PolicyAddress, port: UInt16)? {
        // The kernel takes a sockaddr_in6 without its last word, the scope (RFC 2133).
        guard family == AF_INET && bytes.count >= 16 || family == AF_INET6 && bytes.count >= 24 else { return nil }
        let port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        return (PolicyAddress(Array(family == AF_INET ? bytes[4..<8] : bytes[8..<24])), port)
    }

    /// Whether getaddrinfo(3) takes the name for an address, in any of the forms of inet_aton(3).
    static func isNumeric(_ name: String) -> Bool {
        // inet_aton(3) reads up to a space, and what follows a percent sign is a scope to getaddrinfo(3) only.
        guard !name.hasSuffix("."), !name.utf8.contains(where: { $0 <= 32 }) else { return false }
        var address = in_addr()
        if inet_aton(name, &address) != 0 { return true }
        return PolicyAddress(String(name.prefix { $0 != "%" })) != nil
    }

    /// The addresses that the kernel may mean by the one given. A rule that denies needs to cover one of them, a rule
    /// that allows all of them: otherwise connecting to 0.0.0.0 would get past a rule for 127.0.0.1, and binding to
    /// `::`, which takes IPv4 connections too, past a rule for IPv4.
    var meanings: [PolicyAddress] {
        switch self {
        case .address(.connect, let address, _, _) where address.isUnspecified:
            return address.family == AF_INET ? [.loopback] : [.loopback6, .loopback]
        case .address(.bind, let address, _, _) where address.isUnspecified && address.family == AF_INET6:
            return [address, .any]
        case .address(_, let address, _, _):
            return [address]
        case .nameOf(let address):
            return address.map { [$0] } ?? []
        default:
            return []
        }
    }
}

extension PolicyQuestion: CustomStringConvertible {
    public var description: String {
        switch self {
        case .socket(let family, let type, let protocolNumber):
            return "socket \(PolicyNames.family(family)) \(PolicyNames.type(type)) protocol \(protocolNumber)"
        case .address(let operation, let address, let port, let type):
            let kind = type == Int32(SOCK_STREAM.rawValue) ? "" : " \(PolicyNames.type(type))"
            return "\(operation)\(kind) \(address.family == AF_INET ? "\(address)" : "[\(address)]"):\(port)"
        case .path(let operation, let path, _):
            return "\(operation) \(path)"
        case .otherAddress(let operation, let family, _):
            return "\(operation) \(PolicyNames.family(family)) address"
        case .listen:
            return "listen"
        case .name(let name):
            // The name is the frontend's: it must not forge lines of the log.
            return "resolve \(name.unicodeScalars.prefix(255).map { $0.escaped(asASCII: true) }.joined())"
        case .nameOf(let address):
            return "resolve \(address.map(String.init(describing:)) ?? "address of another family")"
        }
    }
}
