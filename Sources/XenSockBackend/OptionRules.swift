/// Which socket options go to the kernel as they are, and which may not: a value is the frontend's bytes, but the kernel
/// reads it as the service's. Pointers, descriptors and the service's own privileges must not come from there.
enum OptionRules {
    /// - Parameter reading: getsockopt(2), not setsockopt(2).
    /// - Returns: 0, or the positive errno to answer.
    static func refusal(level: Int32, name: Int32, reading: Bool) -> Int32 {
        switch level {
        case OptionNumber.solSocket: socketRefusal(name)
        case OptionNumber.ipprotoTCP: tcpRefusal(name)
        // From 64 on: netfilter's tables (pointers); from 200 on: multicast routing.
        case OptionNumber.ipprotoIP: name == 19 || name >= 64 ? Errno.enoprotoopt : 0
        case OptionNumber.ipprotoIPv6: ipv6Refusal(name)
        // What TCP answers for a level that it does not know.
        default: reading ? Errno.eopnotsupp : Errno.enoprotoopt
        }
    }

    /// As above, for a socket of `type`: datagram and raw sockets have more levels.
    static func refusal(level: Int32, name: Int32, reading: Bool, of type: UInt32) -> Int32 {
        guard type != SocketType.stream else { return refusal(level: level, name: name, reading: reading) }
        switch level {
        // UDP_ENCAP hands packets to IPsec.
        case OptionNumber.ipprotoUDP, OptionNumber.ipprotoUDPLite: return name == 100 ? Errno.enoprotoopt : 0
        // ICMP_FILTER, ICMPV6_FILTER.
        case OptionNumber.solRaw, OptionNumber.ipprotoICMPv6: return 0
        // SO_PEEK_OFF would change what the service peeks, which never does.
        case OptionNumber.solSocket where name == 42: return Errno.eopnotsupp
        // SO_BINDTODEVICE, SO_BINDTOIFINDEX.
        case OptionNumber.solSocket where name == 25 || name == 62: return 0
        // IP_OPTIONS, and IPv6's extension headers: a route in them would lead past the policy.
        case OptionNumber.ipprotoIP where name == 4 && !reading: return Errno.eperm
        case OptionNumber.ipprotoIPv6 where !reading && [6, 54, 55, 57, 59].contains(name): return Errno.eperm
        default: return refusal(level: level, name: name, reading: reading)
        }
    }

    /// Whether only root, or who has the service's own user, may set this: the kernel would ask for the service's
    /// privileges, not for the frontend's.
    static func needsPrivilege(level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Bool {
        switch (level, name) {
        // TCP_CONGESTION, SO_RESERVE_MEM.
        case (OptionNumber.ipprotoTCP, 13), (OptionNumber.solSocket, 73): true
        // SO_PRIORITY: anyone may have 0 to 6.
        case (OptionNumber.solSocket, 12): value.count >= 4 && value.loadUnaligned(as: UInt32.self) > 6
        default: false
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

    private static func socketRefusal(_ name: Int32) -> Int32 {
        switch name {
        // SO_DEBUG, SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_MARK, SO_BINDTODEVICE, SO_BINDTOIFINDEX: privileges.
        case 1, 32, 33, 36, 25, 62: 1
        // SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF and _EBPF: pointers and descriptors.
        case 26, 50, 51, 52: Errno.enoprotoopt
        // SO_PEERPIDFD makes a descriptor of the service's; SO_PEERCRED and its kin would tell about the service.
        case OptionNumber.soPeerPidfd, OptionNumber.soPeerCredentials, 31, 59: Errno.enoprotoopt
        // SO_ZEROCOPY and SO_BUSY_POLL concern the caller's memory and processor.
        case 60, 46, 69, 70: Errno.eopnotsupp
        default: 0
        }
    }

    private static func tcpRefusal(_ name: Int32) -> Int32 {
        switch name {
        // TCP_REPAIR and its kin, TCP_MD5SIG, TCP_MD5SIG_EXT, TCP_FASTOPEN_KEY, TCP_AO_*: privileges.
        case 19, 20, 21, 22, 29, 14, 32, 33, 38, 39, 40, 41, 42, 43: 1
        // TCP_ULP changes what the byte stream is; TCP_ZEROCOPY_RECEIVE writes to addresses in its value.
        case 31, 35: Errno.enoprotoopt
        default: 0
        }
    }

    private static func ipv6Refusal(_ name: Int32) -> Int32 {
        switch name {
        // netfilter's tables; IPV6_TRANSPARENT.
        case 64, 65, 68, 69, 75: Errno.enoprotoopt
        case 200...: Errno.enoprotoopt
        default: 0
        }
    }
}
