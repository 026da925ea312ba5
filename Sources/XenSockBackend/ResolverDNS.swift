import CXenSockResolver
import Glibc
import XenSockWire

/// A question of res_query(3), res_search(3) or res_send(3) (docs/PROTOCOL.md, 2.4).
public struct ResolverDNSQuery: Equatable, Sendable {
    public var mode: Resolver.DNSQuery.Mode
    /// RES_ options of the program, or all ones.
    public var options: UInt32
    /// ns_c_ and ns_t_ values; without meaning for a message.
    public var queryClass: Int32
    public var type: Int32
    /// The size in bytes of the program's buffer for the answer.
    public var room: UInt32
    /// A name, or a message.
    public var content: [UInt8]

    public init(
        mode: Resolver.DNSQuery.Mode, options: UInt32 = Resolver.DNSQuery.defaultOptions, queryClass: Int32 = 1,
        type: Int32 = 1, room: UInt32 = 4096, content: [UInt8]
    ) {
        self.mode = mode
        self.options = options
        self.queryClass = queryClass
        self.type = type
        self.room = room
        self.content = content
    }

    /// - Parameter record: a query record whose kind and length were looked at.
    init?(record: UnsafeRawBufferPointer) {
        typealias Query = Resolver.DNSQuery
        guard record.count >= Query.content, let mode = Query.Mode(rawValue: record.word(Query.mode)) else {
            return nil
        }
        let content = Array(record[Query.content...])
        // A name with a NUL would be another to the C library than to the policy.
        if mode != .send, content.contains(0) || String(validating: content, as: UTF8.self) == nil { return nil }
        self.init(
            mode: mode, options: record.word(Query.options), queryClass: record.number(Query.class),
            type: record.number(Query.type), room: record.word(Query.room), content: content)
    }

    func append(to record: inout [UInt8]) {
        for word in [
            mode.rawValue, options, UInt32(bitPattern: queryClass), UInt32(bitPattern: type), room,
        ] {
            record.appendWord(word)
        }
        record += content
    }

    /// The name that is asked for; nil for a message that does not ask for exactly one.
    var name: String? {
        mode == .send ? Self.questionName(content) : String(decoding: content, as: UTF8.self)
    }

    /// The name in the question section of a message, in the presentation of names: bytes that are neither letters,
    /// digits, `-` nor `_` as `\ddd`, so that no dot of a label's own passes for one between labels.
    static func questionName(_ message: [UInt8]) -> String? {
        let header = 12
        // An ordinary query with one question: QR and OPCODE 0, QDCOUNT 1.
        guard message.count > header, message[2] & 0xf8 == 0, message[4] == 0, message[5] == 1 else { return nil }
        var labels: [String] = []
        var offset = header
        while offset < message.count {
            let length = Int(message[offset])
            if length == 0 { return labels.isEmpty ? "." : labels.joined(separator: ".") }
            // Compression has nothing to point to here.
            guard length < 64, offset + 1 + length < message.count else { return nil }
            labels.append(message[offset + 1...offset + length].map(EscapedName.presented).joined())
            offset += 1 + length
        }
        return nil
    }

    /// Asks the name servers of the backend domain. Blocks, for as long as they take.
    func perform() -> ResolverAnswerRecord {
        let room = min(Int(room), Resolver.maximumAnswer - Resolver.Answer.entries)
        var answer = [UInt8](repeating: 0, count: max(room, 1))
        let result =
            mode == .send
            ? xs_dns_send(content, Int32(content.count), options, &answer, Int32(room))
            : String(decoding: content, as: UTF8.self).withCString {
                xs_dns_query($0, mode == .search ? 1 : 0, queryClass, type, options, &answer, Int32(room))
            }
        // Of a name that does not exist the answer says more than the error: the program's buffer has it natively.
        let kept = result.length < 0 ? room : min(room, Int(result.length))
        return ResolverAnswerRecord(
            status: result.host_error, systemError: result.length < 0 ? result.error : 0,
            content: .bytes(count: UInt32(max(result.length, 0)), Array(answer.prefix(kept))))
    }
}
