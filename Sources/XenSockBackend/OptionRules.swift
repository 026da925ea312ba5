/// Which socket options go to the kernel as they are, and which may not: a value is the frontend's bytes, but the kernel
/// reads it as the service's. Pointers, descriptors and the service's own privileges must not come from there. What is
/// not passed on gets the number that the kernel gives a program that may not, or asks for what is not there.
enum OptionRules {
    /// - Parameters:
    ///   - domain: the socket's.
    ///   - value: what is to be set; nil for getsockopt(2).
    /// - Returns: 0, or the positive errno to answer.
    static func refusal(domain: UInt32, level: Int32, name: Int32, value: UnsafeRawBufferPointer?) -> Int32 {
        if value != nil, isRoute(level: level, name: name) { return Errno.eperm }
        switch level {
        case OptionNumber.solSocket: return socketRefusal(domain, name, value)
        case OptionNumber.ipprotoTCP: return tcpRefusal(name, value)
        case OptionNumber.ipprotoIP: return filterRefusal(name, [64, 65, 66, 67, 96, 97, 98, 99])
        case OptionNumber.ipprotoIPv6 where domain != SocketDomain.inet:
            if name == 32, let value, carriesHeaders(value) { return Errno.einval }
            return filterRefusal(name, [64, 65, 68, 69])
        default:
            // What TCP answers for a level that it does not know.
            return value == nil && domain != SocketDomain.inet6 ? Errno.eopnotsupp : Errno.enoprotoopt
        }
    }

    /// IP_OPTIONS, and IPv6's extension headers: a route in them would lead past the policy.
    private static func isRoute(level: Int32, name: Int32) -> Bool {
        switch level {
        case OptionNumber.ipprotoIP: name == 4
        case OptionNumber.ipprotoIPv6: [6, 54, 55, 57, 59].contains(name)
        default: false
        }
    }

    /// IPV6_FLOWLABEL_MGR with control messages behind its 32 bytes: headers that the label's packets get.
    private static func carriesHeaders(_ value: UnsafeRawBufferPointer) -> Bool { value.count > 32 }

    /// As above, for a socket of `type`: datagram and raw sockets have more levels.
    static func refusal(
        domain: UInt32, type: UInt32, level: Int32, name: Int32, value: UnsafeRawBufferPointer?
    ) -> Int32 {
        guard type != SocketType.stream else { return refusal(domain: domain, level: level, name: name, value: value) }
        switch level {
        // UDP_ENCAP hands packets to IPsec.
        case OptionNumber.ipprotoUDP, OptionNumber.ipprotoUDPLite: return name == 100 ? Errno.enoprotoopt : 0
        // ICMP_FILTER, ICMPV6_FILTER.
        case OptionNumber.solRaw, OptionNumber.ipprotoICMPv6: return 0
        // SO_PEEK_OFF would change what the service peeks, which never does.
        case OptionNumber.solSocket where name == 42: return Errno.eopnotsupp
        // SO_BINDTODEVICE, SO_BINDTOIFINDEX.
        case OptionNumber.solSocket where name == 25 || name == 62: return 0
        default: return refusal(domain: domain, level: level, name: name, value: value)
        }
    }

    /// What a program without privileges gets where the kernel asks for some: it would look at the service's, not at
    /// the frontend's.
    ///
    /// - Returns: 0 if anyone may set this, else the positive errno.
    static func unprivilegedRefusal(level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Int32 {
        // Options of IP may be one byte.
        let number = value.count >= 4 ? value.loadUnaligned(as: Int32.self) : Int32(value.first ?? 0)
        switch (level, name) {
        // SO_DEBUG.
        case (OptionNumber.solSocket, 1): return number == 0 ? 0 : Errno.eacces
        // SO_PRIORITY: anyone may have 0 to 6.
        case (OptionNumber.solSocket, 12): return number < 0 || number > 6 ? Errno.eperm : 0
        // SO_TXTIME by another clock than CLOCK_MONOTONIC.
        case (OptionNumber.solSocket, 61): return number == 1 ? 0 : Errno.eperm
        // SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_BINDTODEVICE, SO_MARK, SO_BINDTOIFINDEX, SO_RESERVE_MEM, SO_RCVMARK.
        case (OptionNumber.solSocket, 32), (OptionNumber.solSocket, 33), (OptionNumber.solSocket, 36),
            (OptionNumber.solSocket, 25), (OptionNumber.solSocket, 62), (OptionNumber.solSocket, 73),
            (OptionNumber.solSocket, 75):
            return Errno.eperm
        // SO_BUSY_POLL, SO_PREFER_BUSY_POLL, SO_BUSY_POLL_BUDGET.
        case (OptionNumber.solSocket, 46), (OptionNumber.solSocket, 69), (OptionNumber.solSocket, 70):
            return number == 0 ? 0 : Errno.eperm
        // TCP_CONGESTION: not every algorithm is for everyone.
        case (OptionNumber.ipprotoTCP, 13): return Errno.eperm
        // IP_TRANSPARENT, IPV6_TRANSPARENT.
        case (OptionNumber.ipprotoIP, 19), (OptionNumber.ipprotoIPv6, 75): return number == 0 ? 0 : Errno.eperm
        // IP_IPSEC_POLICY, IP_XFRM_POLICY, IPV6_IPSEC_POLICY, IPV6_XFRM_POLICY.
        case (OptionNumber.ipprotoIP, 16), (OptionNumber.ipprotoIP, 17), (OptionNumber.ipprotoIPv6, 34),
            (OptionNumber.ipprotoIPv6, 35):
            return Errno.eperm
        // IPV6_FLOWLABEL_MGR: times of `struct in6_flowlabel_req` beyond a minute.
        case (OptionNumber.ipprotoIPv6, 32) where value.count >= 28:
            let expires = value.loadUnaligned(fromByteOffset: 24, as: UInt16.self)
            let linger = value.loadUnaligned(fromByteOffset: 26, as: UInt16.self)
            return max(expires, linger) > 60 ? Errno.eperm : 0
        // IPV6_JOIN_ANYCAST, IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_DSTOPTS.
        case (OptionNumber.ipprotoIPv6, 27), (OptionNumber.ipprotoIPv6, 54), (OptionNumber.ipprotoIPv6, 55),
            (OptionNumber.ipprotoIPv6, 59):
            return Errno.eperm
        default: return 0
        }
    }

    /// SO_REUSEPORT: others of the same user may bind the socket's port, too.
    static func sharesPort(level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Bool {
        level == OptionNumber.solSocket && name == 15 && value.count >= 4 && value.loadUnaligned(as: Int32.self) != 0
    }

    /// Whether getsockopt(2) reads from the value first.
    static func readsValue(level: Int32, name: Int32) -> Bool {
        switch (level, name) {
        // IP_MSFILTER, MCAST_MSFILTER, IPV6_FLOWLABEL_MGR.
        case (OptionNumber.ipprotoIP, 41), (OptionNumber.ipprotoIP, 48), (OptionNumber.ipprotoIPv6, 48),
            (OptionNumber.ipprotoIPv6, 32):
            true
        default: false
        }
    }

    /// Makes a value that getsockopt(2) reads harmless: the kernel writes as many sources of a multicast filter as the
    /// value itself says, whatever its length is.
    ///
    /// - Parameter value: the value, all of it writable; changed. One too short for the struct is refused by the kernel.
    static func bound(_ value: UnsafeMutableRawBufferPointer, level: Int32, name: Int32) {
        guard let filter = SourceFilter(level: level, name: name), value.count >= filter.size else { return }
        let wanted = value.loadUnaligned(fromByteOffset: filter.count, as: UInt32.self)
        let room = UInt32((value.count - filter.size) / filter.sourceSize)
        value.storeBytes(of: min(wanted, room), toByteOffset: filter.count, as: UInt32.self)
    }

    /// `struct ip_msfilter` or `struct group_filter`: ends with a count, behind which that many sources stand.
    private struct SourceFilter {
        /// Bytes of the struct without sources, and of a source.
        let size: Int
        let sourceSize: Int
        /// Where the count stands, in bytes.
        var count: Int { size - 4 }

        init?(level: Int32, name: Int32) {
            switch (level, name) {
            // IP_MSFILTER.
            case (OptionNumber.ipprotoIP, 41): (size, sourceSize) = (16, 4)
            // MCAST_MSFILTER.
            case (OptionNumber.ipprotoIP, 48), (OptionNumber.ipprotoIPv6, 48): (size, sourceSize) = (144, 128)
            default: return nil
            }
        }
    }

    /// The size in bytes of an option that acts at a place in the stream (docs/PROTOCOL.md, 2.3); nil for others.
    static func orderedSize(level: Int32, name: Int32) -> Int? {
        switch (level, name) {
        case (OptionNumber.ipprotoTCP, OptionNumber.tcpNoDelay), (OptionNumber.ipprotoTCP, OptionNumber.tcpCork): 4
        case (OptionNumber.solSocket, OptionNumber.soLinger): 8
        default: nil
        }
    }

    private static func socketRefusal(_ domain: UInt32, _ name: Int32, _ value: UnsafeRawBufferPointer?) -> Int32 {
        // A short value comes before all others but those that have a size of their own.
        if let value, value.count < 4, name != 25 { return Errno.einval }
        switch name {
        // SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF: a struct of 16 bytes with a pointer in it.
        case 26 where value != nil, 51 where value != nil: return value?.count == 16 ? Errno.eperm : Errno.einval
        // SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF: a descriptor.
        case 50 where value != nil, 52 where value != nil: return value?.count == 4 ? Errno.eperm : Errno.einval
        // SO_PEERPIDFD makes a descriptor of the service's; SO_PEERSEC and SO_PEERGROUPS tell of the backend domain.
        case OptionNumber.soPeerPidfd, 31, 59:
            return domain == SocketDomain.unix && value == nil ? Errno.enoprotoopt : 0
        // SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD: ancillary data does not cross.
        case 16 where domain == SocketDomain.unix, 34 where domain == SocketDomain.unix,
            76 where domain == SocketDomain.unix:
            return (value?.loadUnaligned(as: Int32.self) ?? 0) == 0 ? 0 : Errno.eopnotsupp
        // SO_ZEROCOPY concerns the caller's memory.
        case 60: return (value?.loadUnaligned(as: Int32.self) ?? 0) == 0 ? 0 : Errno.eopnotsupp
        default: return 0
        }
    }

    private static func tcpRefusal(_ name: Int32, _ value: UnsafeRawBufferPointer?) -> Int32 {
        guard let value else {
            // TCP_ZEROCOPY_RECEIVE reads addresses in its value.
            return name == 35 ? Errno.einval : 0
        }
        switch name {
        // TCP_REPAIR and TCP_AO_REPAIR change what the byte stream is.
        case 19, 43: return value.count < 4 ? Errno.einval : Errno.eperm
        // So does TCP_ULP; this kernel knows none, so to speak.
        case 31: return value.isEmpty ? Errno.einval : Errno.enoent
        default: return 0
        }
    }

    /// The tables of netfilter, whose values hold pointers: what a program without privileges gets. SO_ORIGINAL_DST (80)
    /// is harmless; from 128 on there are others and multicast routing.
    private static func filterRefusal(_ name: Int32, _ tables: Set<Int32>) -> Int32 {
        if tables.contains(name) { return Errno.eperm }
        return name >= 128 ? Errno.enoprotoopt : 0
    }
}
