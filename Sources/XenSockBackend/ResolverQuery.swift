import Glibc
import XenSockWire

/// What a policy must know of a query record (docs/PROTOCOL.md, 2.4).
enum ResolverQuery {
    /// EAI_SYSTEM.
    static let systemError: Int32 = -11
    private static let numericHostHint: Int32 = 4  // AI_NUMERICHOST
    private static let numericHost: Int32 = 1  // NI_NUMERICHOST

    /// Asks `decide` about the operation that `record` means; what looks nothing up is nobody's to deny.
    ///
    /// - Returns: what `decide` says; EINVAL for a record that is none.
    static func operation(_ record: [UInt8], _ decide: (PolicyOperation) -> Int32) -> Int32 {
        // The resolver reads the record by the same decoder: what is decided on is what is looked up.
        switch record.withUnsafeBytes({ ResolverQueryRecord(record: $0) }) {
        case .addressInfo(let flags, _, _, _, let node, _):
            return flags & numericHostHint != 0 ? 0 : decide(.resolve(name: node ?? ""))
        case .nameInfo(let flags, let address):
            return flags & numericHost != 0 ? 0 : address.withUnsafeBytes { decide(.resolveAddress($0)) }
        case .dns(let query):
            // A message without one name in it could ask anything.
            return query.name.map { decide(.resolve(name: asName($0))) } ?? Errno.einval
        case .hostByName(let name, _):
            // With digits alone it asks nobody, but a scope makes a name of them.
            return decide(.resolve(name: name.contains("%") ? asName(name) : name))
        case .hostByAddress(let address, let family):
            let named = family == AF_INET ? [2, 0, 0, 0] + address : [10, 0, 0, 0, 0, 0, 0, 0] + address
            // As long as the kernel's sockaddr_in and sockaddr_in6.
            let padded = named + [UInt8](repeating: 0, count: family == AF_INET ? 8 : 4)
            return padded.withUnsafeBytes { decide(.resolveAddress($0)) }
        case .interfaces, .interfaceControl:
            return decide(.interfaces)
        case nil:
            return Errno.einval
        }
    }

    /// What is a name to this call although it reads like an address.
    private static func asName(_ name: String) -> String {
        PolicyQuestion.isNumeric(name) ? name + "." : name
    }
}
