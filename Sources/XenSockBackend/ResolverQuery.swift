import Glibc

/// A query record of the resolver (docs/PROTOCOL.md, 2.4), decoded and bounded.
///
/// The record comes from the frontend: every length in it is checked against the bytes that are there, and a string
/// that contains a NUL is refused, since the C library would silently see only its head.
public enum ResolverQuery: Equatable, Sendable {
    /// getaddrinfo(3). The four numbers are those of `hints`; nil stands for a null pointer.
    case addressInfo(flags: Int32, family: Int32, type: Int32, protocolNumber: Int32, node: String?, service: String?)
    /// getnameinfo(3). The address is a Linux socket address of at most 128 bytes.
    case nameInfo(flags: Int32, address: [UInt8])

    /// The longest record, in bytes.
    public static let maximumLength = 4096
    /// The longest socket address, in bytes: `sizeof(struct sockaddr_storage)`.
    public static let maximumAddressLength = 128

    private static let noString: UInt32 = 0xffff_ffff

    /// Decodes a record.
    ///
    /// - Parameter record: the whole record. Read once, not kept.
    /// - Returns: nil if the record is not one that docs/PROTOCOL.md allows.
    public init?(record: UnsafeRawBufferPointer) {
        guard record.count >= 8, record.count <= Self.maximumLength, record.word(0) == UInt32(record.count) else {
            return nil
        }
        switch record.word(4) {
        case 1:
            guard record.count >= 32,
                let nodeEnd = Self.end(of: record.word(24), from: 32, in: record),
                let serviceEnd = Self.end(of: record.word(28), from: nodeEnd, in: record)
            else { return nil }
            guard let node = Self.string(record, 32..<nodeEnd, length: record.word(24)),
                let service = Self.string(record, nodeEnd..<serviceEnd, length: record.word(28))
            else { return nil }
            self = .addressInfo(
                flags: Int32(bitPattern: record.word(8)), family: Int32(bitPattern: record.word(12)),
                type: Int32(bitPattern: record.word(16)), protocolNumber: Int32(bitPattern: record.word(20)),
                node: node, service: service)
        case 2:
            guard record.count >= 16, let end = Self.end(of: record.word(12), from: 16, in: record),
                end - 16 <= Self.maximumAddressLength, record.word(12) != Self.noString
            else { return nil }
            self = .nameInfo(flags: Int32(bitPattern: record.word(8)), address: Array(record[16..<end]))
        default:
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
            record.store(1, at: 4)
            for number in [flags, family, type, protocolNumber] {
                record.append(UInt32(bitPattern: number))
            }
            for text in [node, service] {
                record.append(text.map { UInt32($0.utf8.count) } ?? Self.noString)
            }
            record += (node ?? "").utf8
            record += (service ?? "").utf8
        case .nameInfo(let flags, let address):
            record.store(2, at: 4)
            record.append(UInt32(bitPattern: flags))
            record.append(UInt32(address.count))
            record += address
        }
        guard record.count <= Self.maximumLength else { return nil }
        record.store(UInt32(record.count), at: 0)
        return record
    }

    private static func end(of length: UInt32, from start: Int, in record: UnsafeRawBufferPointer) -> Int? {
        if length == noString { return start }
        guard Int(length) <= record.count - start else { return nil }
        return start + Int(length)
    }

    /// The string in `range`: `.some(nil)` if the query has none, nil if it holds a NUL or is not UTF-8.
    private static func string(_ record: UnsafeRawBufferPointer, _ range: Range<Int>, length: UInt32) -> String?? {
        if length == noString { return .some(nil) }
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
}

extension [UInt8] {
    mutating func append(_ word: UInt32) {
        Swift.withUnsafeBytes(of: word.littleEndian) { self += $0 }
    }

    mutating func store(_ word: UInt32, at offset: Int) {
        Swift.withUnsafeBytes(of: word.littleEndian) { replaceSubrange(offset..<offset + 4, with: $0) }
    }
}
