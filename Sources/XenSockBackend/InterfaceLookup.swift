import CXenSockResolver
import Glibc
import XenSockWire

/// The interfaces of the backend domain (docs/PROTOCOL.md, 2.4, kinds 4 and 5).
enum InterfaceLookup {
    /// getifaddrs(3). Entries that would not fit into a record are left out, the last ones first.
    static func all() -> ResolverAnswerRecord {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return ResolverAnswerRecord(status: EAI_SYSTEM, systemError: errno) }
        defer { freeifaddrs(list) }
        var bytes: [UInt8] = []
        var count: UInt32 = 0
        var next = list
        while let entry = next {
            let encoded = encode(entry.pointee)
            if Resolver.Answer.entries + bytes.count + encoded.count > Resolver.maximumAnswer { break }
            bytes += encoded
            count += 1
            next = entry.pointee.ifa_next
        }
        return ResolverAnswerRecord(content: .bytes(count: count, bytes))
    }

    private static func encode(_ entry: ifaddrs) -> [UInt8] {
        let name = String(cString: entry.ifa_name)
        let family = entry.ifa_addr.map { Int32($0.pointee.sa_family) } ?? AF_UNSPEC
        // A label of an IPv4 address (eth0:1) is the name of no interface: what stands before the colon is.
        let index = if_nametoindex(String(name.prefix { $0 != ":" }))
        let parts: [[UInt8]] = [
            Array(name.utf8), address(entry.ifa_addr), address(entry.ifa_netmask),
            address(entry.ifa_ifu.ifu_broadaddr), statistics(entry, family),
        ]
        var bytes: [UInt8] = []
        bytes.appendWord(index)
        bytes.appendWord(entry.ifa_flags)
        for part in parts { bytes.appendWord(UInt32(part.count)) }
        for part in parts { bytes += part }
        while bytes.count % 8 != 0 { bytes.append(0) }
        return bytes
    }

    private static func address(_ pointer: UnsafeMutablePointer<sockaddr>?) -> [UInt8] {
        guard let pointer else { return [] }
        let size: Int
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET: size = MemoryLayout<sockaddr_in>.size
        case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
        case AF_PACKET:
            // sockaddr_ll: 12 bytes and the hardware address, of which 8 are always there.
            size = 12 + max(8, Int(UnsafeRawPointer(pointer).load(fromByteOffset: 11, as: UInt8.self)))
        default: return []
        }
        return Array(UnsafeRawBufferPointer(start: pointer, count: size))
    }

    /// `struct rtnl_link_stats`, which an interface's own entry carries.
    private static func statistics(_ entry: ifaddrs, _ family: Int32) -> [UInt8] {
        guard family == AF_PACKET, let data = entry.ifa_data else { return [] }
        return Array(UnsafeRawBufferPointer(start: data, count: 96))
    }

    /// ioctl(2) with a `struct ifreq`: the requests of netdevice(7) that only ask, and name no memory.
    static func control(_ request: UInt32, _ structure: [UInt8]) -> ResolverAnswerRecord {
        guard requests.contains(request) else {
            return ResolverAnswerRecord(status: EAI_SYSTEM, systemError: ENOTTY)
        }
        var structure = structure
        let result = structure.withUnsafeMutableBytes { xs_interface_control(request, $0.baseAddress) }
        if result < 0 { return ResolverAnswerRecord(status: EAI_SYSTEM, systemError: -result) }
        return ResolverAnswerRecord(content: .bytes(count: 1, structure))
    }

    private static let requests: Set<UInt32> = [
        0x8910,  // SIOCGIFNAME
        0x8913,  // SIOCGIFFLAGS
        0x8915,  // SIOCGIFADDR
        0x8917,  // SIOCGIFDSTADDR
        0x8919,  // SIOCGIFBRDADDR
        0x891b,  // SIOCGIFNETMASK
        0x891d,  // SIOCGIFMETRIC
        0x8921,  // SIOCGIFMTU
        0x8927,  // SIOCGIFHWADDR
        0x8933,  // SIOCGIFINDEX
        0x8942,  // SIOCGIFTXQLEN
        0x8970,  // SIOCGIFMAP
    ]
}
