import XenSockWire

/// A query record of the resolver (docs/PROTOCOL.md, 2.4), decoded and bounded.
///
/// The record comes from the frontend: every length in it is checked against the bytes that are there, and a string
/// that contains a NUL is refused, since the C library would silently see only its head.
public enum ResolverQueryRecord: Equatable, Sendable {
    /// getaddrinfo(3). The four numbers are those of `hints`; nil stands for a null pointer.
    case addressInfo(flags: Int32, family: Int32, type: Int32, protocolNumber: Int32, node: String?, service: String?)
    /// getnameinfo(3). The address is a Linux socket address of at most 128 bytes.
    case nameInfo(flags: Int32, address: [UInt8])
    /// res_query(3) and its family.
    case dns(ResolverDNSQuery)
    /// gethostbyname2(3).
    case hostByName(String, family: Int32)
    /// gethostbyaddr(3), with an address of 4 or 16 bytes.
    case hostByAddress([UInt8], family: Int32)
    /// getifaddrs(3), if_nameindex(3).
    case interfaces
    /// ioctl(2) with a `struct ifreq` of 40 bytes.
    case interfaceControl(request: UInt32, structure: [UInt8])

    /// The longest record, in bytes.
    public static let maximumLength = Resolver.maximumQuery
    /// The longest socket address, in bytes: `sizeof(struct sockaddr_storage)`.
    public static let maximumAddressLength = 128

    /// Decodes a record.
    ///
    /// - Parameter record: the whole record. Read once, not kept.
    /// - Returns: nil if the record is not one that docs/PROTOCOL.md allows.
    public init?(record: UnsafeRawBufferPointer) {
        guard record.count >= 8, record.count <= Self.maximumLength, record.word(0) == UInt32(record.count) else {
            return nil
        }
        switch Resolver.Kind(rawValue: record.word(Resolver.Query.kind)) {
        case .getaddrinfo:
            typealias Query = Resolver.AddressQuery
            guard record.count >= Query.names else { return nil }
            let nodeLength = record.word(Query.nodeLength)
            let serviceLength = record.word(Query.serviceLength)
            guard let nodeEnd = Self.end(of: nodeLength, from: Query.names, in: record),
                let serviceEnd = Self.end(of: serviceLength, from: nodeEnd, in: record),
                let node = Self.string(record, Query.names..<nodeEnd, length: nodeLength),
                let service = Self.string(record, nodeEnd..<serviceEnd, length: serviceLength)
            else { return nil }
            self = .addressInfo(
                flags: record.number(Resolver.Query.flags), family: record.number(Query.family),
                type: record.number(Query.type), protocolNumber: record.number(Query.protocol), node: node,
                service: service)
        case .getnameinfo:
            typealias Query = Resolver.NameQuery
            guard record.count >= Query.address else { return nil }
            let length = record.word(Query.addressLength)
            guard length <= UInt32(Self.maximumAddressLength),
                let end = Self.end(of: length, from: Query.address, in: record)
            else { return nil }
            self = .nameInfo(flags: record.number(Resolver.Query.flags), address: Array(record[Query.address..<end]))
        case .dns:
            guard let query = ResolverDNSQuery(record: record) else { return nil }
            self = .dns(query)
        case .host:
            guard let query = Self.host(record) else { return nil }
            self = query
        case .interfaces:
            self = .interfaces
        case .interfaceControl:
            typealias Query = Resolver.InterfaceControlQuery
            guard record.count >= Query.size else { return nil }
            self = .interfaceControl(
                request: record.word(Query.request), structure: Array(record[Query.structure..<Query.size]))
        case nil:
            return nil
        }
    }

    /// The record of this query.
    ///
    /// - Returns: nil if it would be longer than 4096 bytes.
    public func encoded() -> [UInt8]? {
        var record = [UInt8](repeating: 0, count: 8)
        switch self {
        case .addressInfo(let flags, let family, let type, let protocolNumber, let node, let service):
            record.storeWord(Resolver.Kind.getaddrinfo.rawValue, at: Resolver.Query.kind)
            for number in [flags, family, type, protocolNumber] {
                record.appendWord(UInt32(bitPattern: number))
            }
            for text in [node, service] {
                record.appendWord(text.map { UInt32($0.utf8.count) } ?? Resolver.none)
            }
            record += (node ?? "").utf8
            record += (service ?? "").utf8
        case .nameInfo(let flags, let address):
            record.storeWord(Resolver.Kind.getnameinfo.rawValue, at: Resolver.Query.kind)
            record.appendWord(UInt32(bitPattern: flags))
            record.appendWord(UInt32(address.count))
            record += address
        case .dns(let query):
            record.storeWord(Resolver.Kind.dns.rawValue, at: Resolver.Query.kind)
            query.append(to: &record)
        case .hostByName(let name, let family):
            Self.appendHost(0, family, Array(name.utf8), to: &record)
        case .hostByAddress(let address, let family):
            Self.appendHost(1, family, address, to: &record)
        case .interfaces:
            record.storeWord(Resolver.Kind.interfaces.rawValue, at: Resolver.Query.kind)
        case .interfaceControl(let request, let structure):
            record.storeWord(Resolver.Kind.interfaceControl.rawValue, at: Resolver.Query.kind)
            record.appendWord(request)
            record += structure
        }
        guard record.count <= Self.maximumLength else { return nil }
        record.storeWord(UInt32(record.count), at: 0)
        return record
    }

    private static func end(of length: UInt32, from start: Int, in record: UnsafeRawBufferPointer) -> Int? {
        if length == Resolver.none { return start }
        guard Int(length) <= record.count - start else { return nil }
        return start + Int(length)
    }

    /// The string in `range`: `.some(nil)` if the query has none, nil if it holds a NUL or is not UTF-8.
    private static func string(_ record: UnsafeRawBufferPointer, _ range: Range<Int>, length: UInt32) -> String?? {
        if length == Resolver.none { return .some(nil) }
        guard !record[range].contains(0), let text = String(validating: record[range], as: UTF8.self) else {
            return nil
        }
        return .some(text)
    }
}

extension UnsafeRawBufferPointer {
    /// The little-endian 32-bit word at a byte offset that the caller has bounded.
    func word(_ offset: Int) -> UInt32 {
        UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// Likewise, signed.
    func number(_ offset: Int) -> Int32 { Int32(bitPattern: word(offset)) }
}

extension [UInt8] {
    mutating func appendWord(_ word: UInt32) {
        Swift.withUnsafeBytes(of: word.littleEndian) { self += $0 }
    }

    mutating func storeWord(_ word: UInt32, at offset: Int) {
        Swift.withUnsafeBytes(of: word.littleEndian) { replaceSubrange(offset..<offset + 4, with: $0) }
    }
}
