/// Decides where a datagram socket may send, and remembers what was allowed, so that the policy is asked once for each
/// destination and not for each datagram.
final class DatagramJudge {
    /// Destinations remembered, at most.
    static let capacity = 1024

    /// Up to 28 bytes of an address, which hold every IPv4 and IPv6 one.
    private struct Destination: Hashable {
        var words: SIMD4<UInt64>
    }

    private let policy: any BackendPolicy
    private let credentials: PeerCredentials
    private let domain: UInt32
    private let type: UInt32
    private var allowed: Set<Destination> = []
    private var generation: UInt64 = 0

    /// - Parameter credentials: of the process that made the socket: as with the kernel's, whoever has it may use it.
    init(policy: any BackendPolicy, credentials: PeerCredentials, domain: UInt32, type: UInt32) {
        self.policy = policy
        self.credentials = credentials
        self.domain = domain
        self.type = type
    }

    /// - Parameter address: private memory.
    /// - Returns: 0 or a positive errno.
    func decide(_ address: UnsafeRawBufferPointer) -> Int32 {
        guard address.count >= 2 else { return Errno.einval }
        let family = UInt32(address.loadUnaligned(as: UInt16.self))
        switch (domain, family) {
        case (SocketDomain.inet6, 0): return decideUnspecified(address)
        case (SocketDomain.inet, 0), (SocketDomain.inet, SocketDomain.inet), (SocketDomain.inet6, SocketDomain.inet),
            (SocketDomain.inet6, SocketDomain.inet6):
            break
        // The kernel refuses other families.
        default: return 0
        }
        var words = SIMD4<UInt64>()
        let isWhole = address.count <= 28
        if isWhole {
            withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: address) }
            // The kernel takes AF_UNSPEC for AF_INET here.
            if family == 0 { words[0] |= UInt64(SocketDomain.inet) }
            if generation != policy.generation {
                generation = policy.generation
                allowed = []
            } else if allowed.contains(Destination(words: words)) {
                return 0
            }
        }
        let refusal =
            family == 0 && isWhole
            ? withUnsafeBytes(of: words) { ask(UnsafeRawBufferPointer(rebasing: $0[0..<address.count])) } : ask(address)
        if refusal == 0, isWhole {
            if allowed.count >= Self.capacity { allowed = [] }
            allowed.insert(Destination(words: words))
        }
        return refusal
    }

    /// AF_UNSPEC on an IPv6 socket. To UDP it is no address: the peer's, which CONNECT was judged for. But a raw socket
    /// takes it for AF_INET6, and one that IPV6_ADDRFORM made an IPv4 socket for AF_INET.
    private func decideUnspecified(_ address: UnsafeRawBufferPointer) -> Int32 {
        let isRaw = type == SocketType.raw
        if !isRaw, address[2...].allSatisfy({ $0 == 0 }) { return 0 }
        var named = Array(address)
        for family in isRaw ? [SocketDomain.inet6] : [SocketDomain.inet, SocketDomain.inet6] {
            // Too short for the family, and so for the kernel.
            guard named.count >= (family == SocketDomain.inet ? 16 : 24) else { continue }
            named[0] = UInt8(family)
            let refusal = named.withUnsafeBytes(ask)
            if refusal != 0 { return refusal }
        }
        return 0
    }

    private func ask(_ address: UnsafeRawBufferPointer) -> Int32 {
        policy.decide(.connectDatagrams(address, type: Int32(bitPattern: type)), credentials: credentials)
    }
}

/// Which control messages of a sending frontend go to the kernel: not those that would lead a datagram past the policy,
/// or use a privilege of the service's.
enum ControlRules {
    /// - Parameter control: private memory, as `msg_control` holds it.
    /// - Returns: 0 or a positive errno.
    static func refusal(_ control: UnsafeRawBufferPointer) -> Int32 {
        let headSize = 16
        var offset = 0
        while offset + headSize <= control.count {
            let length = control.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            guard length >= UInt64(headSize), length <= UInt64(control.count - offset) else { return Errno.einval }
            let level = control.loadUnaligned(fromByteOffset: offset + 8, as: Int32.self)
            let type = control.loadUnaligned(fromByteOffset: offset + 12, as: Int32.self)
            guard isHarmless(level: level, type: type) else { return Errno.eperm }
            offset += (Int(length) + 7) & ~7
        }
        return 0
    }

    private static func isHarmless(level: Int32, type: Int32) -> Bool {
        switch level {
        // SO_MARK and SO_PRIORITY need a privilege.
        case OptionNumber.solSocket: type != 36 && type != 12
        // IP_TOS, IP_TTL, IP_PKTINFO, IP_PROTOCOL. IP_RETOPTS may hold a route.
        case OptionNumber.ipprotoIP: [1, 2, 8, 52].contains(type)
        // IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS, IPV6_DONTFRAG, IPV6_FLOWINFO and the RFC 2292 forms of the first
        // two. The others are extension headers, IPV6_RTHDR among them.
        case OptionNumber.ipprotoIPv6: [50, 52, 67, 62, 11, 2, 8].contains(type)
        // The kernel ignores levels that it does not know.
        default: true
        }
    }
}
