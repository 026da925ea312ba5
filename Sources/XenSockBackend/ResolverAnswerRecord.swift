import XenSockWire

/// An answer record of the resolver (docs/PROTOCOL.md, 2.4).
public struct ResolverAnswerRecord: Equatable, Sendable {
    /// One `struct addrinfo` of the answer to getaddrinfo(3).
    public struct Entry: Equatable, Sendable {
        public var flags: Int32
        public var family: Int32
        public var type: Int32
        public var protocolNumber: Int32
        /// A Linux socket address.
        public var address: [UInt8]
        /// `ai_canonname`; nil for a null pointer.
        public var canonicalName: String?

        public init(
            flags: Int32, family: Int32, type: Int32, protocolNumber: Int32, address: [UInt8],
            canonicalName: String? = nil
        ) {
            self.flags = flags
            self.family = family
            self.type = type
            self.protocolNumber = protocolNumber
            self.address = address
            self.canonicalName = canonicalName
        }
    }

    public enum Content: Equatable, Sendable {
        /// Nothing was found; the status says why.
        case none
        /// getaddrinfo(3).
        case addresses([Entry])
        /// getnameinfo(3), both without the terminating NUL.
        case names(host: String, service: String)
        /// What stands behind the first 16 bytes, and the count in them: the answers to the other kinds.
        case bytes(count: UInt32, [UInt8])
    }

    /// 0 or an EAI_ value of glibc (negative).
    public var status: Int32
    /// errno, if the status is EAI_SYSTEM; otherwise 0.
    public var systemError: Int32
    public var content: Content

    /// The longest record, in bytes.
    public static let maximumLength = Resolver.maximumAnswer

    public init(status: Int32 = 0, systemError: Int32 = 0, content: Content = .none) {
        self.status = status
        self.systemError = systemError
        self.content = content
    }

    /// The record of this answer, at most 65536 bytes: entries that would not fit are left out, the last ones first.
    public func encoded() -> [UInt8] {
        var record = [UInt8](repeating: 0, count: 16)
        var count: UInt32 = 0
        switch content {
        case .none:
            break
        case .addresses(let entries):
            for entry in entries {
                let bytes = Self.encode(entry)
                if record.count + bytes.count > Self.maximumLength { break }
                record += bytes
                count += 1
            }
        case .names(let host, let service):
            record.appendWord(UInt32(host.utf8.count))
            record.appendWord(UInt32(service.utf8.count))
            record += host.utf8
            record += service.utf8
        case .bytes(let number, let bytes):
            count = number
            record += bytes.prefix(Self.maximumLength - record.count)
        }
        record.storeWord(UInt32(record.count), at: 0)
        record.storeWord(UInt32(bitPattern: status), at: 4)
        record.storeWord(UInt32(bitPattern: systemError), at: 8)
        record.storeWord(count, at: 12)
        return record
    }

    /// Decodes the answer to a query of a kind.
    ///
    /// - Returns: nil if a length in the record exceeds what is there.
    public init?(record: UnsafeRawBufferPointer, kind: Resolver.Kind) {
        guard record.count >= 16, record.count <= Self.maximumLength, record.word(0) == UInt32(record.count) else {
            return nil
        }
        status = record.number(4)
        systemError = record.number(8)
        content = .none
        guard kind == .getaddrinfo || kind == .getnameinfo else {
            content = .bytes(count: record.word(12), Array(record[16...]))
            return
        }
        guard status == 0 else { return }
        if kind == .getaddrinfo {
            guard let entries = Self.entries(record, count: record.word(12)) else { return nil }
            content = .addresses(entries)
        } else {
            guard record.count >= 24 else { return nil }
            let host = Int(record.word(16))
            let service = Int(record.word(20))
            guard host <= record.count - 24, service <= record.count - 24 - host else { return nil }
            content = .names(
                host: String(decoding: record[24..<24 + host], as: UTF8.self),
                service: String(decoding: record[24 + host..<24 + host + service], as: UTF8.self))
        }
    }

    private static func encode(_ entry: Entry) -> [UInt8] {
        let name = (entry.canonicalName ?? "").utf8
        var bytes: [UInt8] = []
        for number in [entry.flags, entry.family, entry.type, entry.protocolNumber] {
            bytes.appendWord(UInt32(bitPattern: number))
        }
        bytes.appendWord(UInt32(entry.address.count))
        bytes.appendWord(UInt32(name.count))
        bytes += entry.address
        bytes += name
        while bytes.count % 8 != 0 { bytes.append(UInt8(0)) }
        return bytes
    }

    private static func entries(_ record: UnsafeRawBufferPointer, count: UInt32) -> [Entry]? {
        var entries: [Entry] = []
        var offset = 16
        for _ in 0..<count {
            guard record.count - offset >= 24 else { return nil }
            let length = Int(record.word(offset + 16))
            let nameLength = Int(record.word(offset + 20))
            let room = record.count - offset - 24
            guard length <= room, nameLength <= room - length else { return nil }
            let start = offset + 24
            let name = record[start + length..<start + length + nameLength]
            entries.append(
                Entry(
                    flags: record.number(offset), family: record.number(offset + 4),
                    type: record.number(offset + 8),
                    protocolNumber: record.number(offset + 12),
                    address: Array(record[start..<start + length]),
                    canonicalName: nameLength == 0 ? nil : String(decoding: name, as: UTF8.self)))
            offset = start + (length + nameLength + 7) / 8 * 8
        }
        return entries
    }
}
