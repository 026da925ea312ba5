import Glibc
import XenSockWire

/// gethostbyname2(3) and gethostbyaddr(3) in the backend domain (docs/PROTOCOL.md, 2.4, kind 6): in the order of its name
/// servers and with the aliases that they tell, which getaddrinfo(3) has not.
enum HostLookup {
    static func host(_ name: String, _ family: Int32) -> ResolverAnswerRecord {
        answer { gethostbyname2_r(name, family, $0, $1, $2, $3, $4) }
    }

    static func host(_ address: [UInt8], _ family: Int32) -> ResolverAnswerRecord {
        answer { gethostbyaddr_r(address, socklen_t(address.count), family, $0, $1, $2, $3, $4) }
    }

    private static func answer(
        _ lookUp: (
            UnsafeMutablePointer<hostent>, UnsafeMutablePointer<CChar>, Int,
            UnsafeMutablePointer<UnsafeMutablePointer<hostent>?>, UnsafeMutablePointer<Int32>
        ) -> Int32
    ) -> ResolverAnswerRecord {
        var room = 4096
        while true {
            var buffer = [CChar](repeating: 0, count: room)
            let answer: ResolverAnswerRecord? = buffer.withUnsafeMutableBufferPointer { buffer in
                var entry = hostent()
                var found: UnsafeMutablePointer<hostent>?
                var error: Int32 = 0
                let result = lookUp(&entry, buffer.baseAddress!, buffer.count, &found, &error)
                if result == ERANGE, room < 1 << 20 { return nil }
                if let found { return ResolverAnswerRecord(content: .bytes(count: 1, encode(found.pointee))) }
                let status = error == 0 ? HOST_NOT_FOUND : error
                return ResolverAnswerRecord(status: status, systemError: status == NETDB_INTERNAL ? result : 0)
            }
            if let answer { return answer }
            room *= 4
        }
    }

    private static func encode(_ entry: hostent) -> [UInt8] {
        let size = Int(entry.h_length)
        let limit = Resolver.maximumAnswer - Resolver.Answer.entries - Resolver.HostAnswer.content
        var content = bytes(entry.h_name)
        var aliases: UInt32 = 0
        var addresses: UInt32 = 0
        // Addresses are what is asked for: aliases leave room for a thousand.
        var alias = entry.h_aliases
        while let next = alias?.pointee {
            let text = bytes(next)
            if content.count + text.count > limit - 1000 * size { break }
            content += text
            aliases += 1
            alias = alias.map { $0 + 1 }
        }
        var address = entry.h_addr_list
        while let next = address?.pointee, content.count + size <= limit {
            content += UnsafeRawBufferPointer(start: next, count: size)
            addresses += 1
            address = address.map { $0 + 1 }
        }
        var record: [UInt8] = []
        for word in [UInt32(bitPattern: entry.h_addrtype), UInt32(size), aliases, addresses] { record.appendWord(word) }
        return record + content
    }

    /// With its NUL.
    private static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8] {
        guard let text else { return [0] }
        return Array(UnsafeRawBufferPointer(start: text, count: strlen(text) + 1))
    }
}

extension ResolverQueryRecord {
    /// - Parameter record: a query record whose kind and length were looked at.
    static func host(_ record: UnsafeRawBufferPointer) -> ResolverQueryRecord? {
        typealias Query = Resolver.HostQuery
        guard record.count >= Query.content else { return nil }
        let family = record.number(Query.family)
        let content = Array(record[Query.content...])
        guard family == AF_INET || family == AF_INET6 else { return nil }
        switch record.word(Query.mode) {
        case 0:
            guard !content.contains(0), let name = String(validating: content, as: UTF8.self) else { return nil }
            return .hostByName(name, family: family)
        case 1:
            return content.count == (family == AF_INET ? 4 : 16) ? .hostByAddress(content, family: family) : nil
        default:
            return nil
        }
    }

    static func appendHost(_ mode: UInt32, _ family: Int32, _ content: [UInt8], to record: inout [UInt8]) {
        record.storeWord(Resolver.Kind.host.rawValue, at: Resolver.Query.kind)
        record.appendWord(mode)
        record.appendWord(UInt32(bitPattern: family))
        record += content
    }
}
