extension SocketAddress {
    /// `sa_family`, or `unspecified` in an address too short to have one.
    public var family: UInt16 {
        length < 2 ? Self.unspecified : UInt16(truncatingIfNeeded: words[0])
    }

    /// The port of an IPv4 or IPv6 address in host order; nil in other families and in addresses too short.
    public var port: UInt16? {
        guard length >= 4, family == Self.inet || family == Self.inet6 else { return nil }
        return UInt16(truncatingIfNeeded: words[0] &>> 16).byteSwapped
    }

    /// The same address with another port; unchanged if it has none.
    public func with(port: UInt16) -> SocketAddress {
        guard self.port != nil else { return self }
        var copy = self
        copy.words[0] = (words[0] & ~0xffff_0000) | (UInt64(port.byteSwapped) &<< 16)
        return copy
    }

    /// The address of a `sockaddr_in` in host order (127.0.0.1 is 0x7f000001); nil in other families.
    public var ipv4: UInt32? {
        guard family == Self.inet, length >= 8 else { return nil }
        return UInt32(truncatingIfNeeded: words[0] &>> 32).byteSwapped
    }

    /// The address of a `sockaddr_in6` in host order, first eight bytes and last eight; nil in other families.
    public var ipv6: (high: UInt64, low: UInt64)? {
        guard family == Self.inet6, length >= 24 else { return nil }
        return (words[1].byteSwapped, words[2].byteSwapped)
    }

    /// `sin6_scope_id`; 0 where there is none.
    public var scope: UInt32 {
        family == Self.inet6 && length >= 28 ? UInt32(truncatingIfNeeded: words[3]) : 0
    }

    /// A `sockaddr_in`, 16 bytes. `address` and `port` are in host order.
    public static func ipv4(_ address: UInt32, port: UInt16) -> SocketAddress {
        var words = InlineArray<16, UInt64>(repeating: 0)
        words[0] = UInt64(inet) | UInt64(port.byteSwapped) &<< 16 | UInt64(address.byteSwapped) &<< 32
        return SocketAddress(words: words, length: 16)
    }

    /// A `sockaddr_in6`, 28 bytes, flow information 0. `high`, `low` and `port` are in host order.
    public static func ipv6(high: UInt64, low: UInt64, port: UInt16, scope: UInt32 = 0) -> SocketAddress {
        var words = InlineArray<16, UInt64>(repeating: 0)
        words[0] = UInt64(inet6) | UInt64(port.byteSwapped) &<< 16
        words[1] = high.byteSwapped
        words[2] = low.byteSwapped
        words[3] = UInt64(scope)
        return SocketAddress(words: words, length: 28)
    }

    #if !hasFeature(Embedded)
        /// A `sockaddr_un` of a path name, or of an abstract name if `path` begins with a zero; nil above 108 bytes.
        public static func unix(path: String) -> SocketAddress? {
            var bytes: [UInt8] = [UInt8(truncatingIfNeeded: unix), 0]
            bytes += Array(path.utf8)
            if bytes.count > 2, bytes[2] != 0 { bytes.append(0) }
            guard bytes.count <= 110 else { return nil }
            return bytes.withUnsafeBytes { SocketAddress(bytes: $0.baseAddress!, length: $0.count) }
        }
    #endif
}
