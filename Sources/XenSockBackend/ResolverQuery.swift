import XenSockWire

/// What a policy must know of a query record (docs/PROTOCOL.md, 2.4).
enum ResolverQuery {
    /// EAI_SYSTEM.
    static let systemError: Int32 = -11

    /// Asks `decide` about the operation that `record` means.
    ///
    /// - Returns: what `decide` says; EINVAL for a record that is none.
    static func operation(_ record: [UInt8], _ decide: (PolicyOperation) -> Int32) -> Int32 {
        record.withUnsafeBytes { bytes in
            func word(_ offset: Int) -> UInt32? {
                offset + 4 <= bytes.count
                    ? UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) : nil
            }
            guard let kind = word(4).flatMap(Resolver.Kind.init(rawValue:)) else { return Errno.einval }
            switch kind {
            case .getaddrinfo:
                guard let length = word(Resolver.AddressQuery.nodeLength) else { return Errno.einval }
                if length == Resolver.none { return decide(.resolve(name: "")) }
                let start = Resolver.AddressQuery.names
                guard start <= bytes.count, Int(length) <= bytes.count - start else { return Errno.einval }
                let name = String(decoding: bytes[start..<start + Int(length)], as: UTF8.self)
                return decide(.resolve(name: name))
            case .getnameinfo:
                guard let length = word(Resolver.NameQuery.addressLength) else { return Errno.einval }
                let start = Resolver.NameQuery.address
                guard length <= 128, start <= bytes.count, Int(length) <= bytes.count - start else {
                    return Errno.einval
                }
                let address = UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(length)])
                return decide(.resolveAddress(address))
            }
        }
    }
}
