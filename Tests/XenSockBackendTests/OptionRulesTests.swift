import Testing

@testable import XenSockBackend

@Suite struct OptionRulesTests {
    private func unprivileged(_ level: Int32, _ name: Int32, _ number: Int32) -> Int32 {
        withUnsafeBytes(of: number) { OptionRules.unprivilegedRefusal(level: level, name: name, value: $0) }
    }

    private func refusal(_ domain: UInt32, _ level: Int32, _ name: Int32, set bytes: [UInt8]? = nil) -> Int32 {
        guard let bytes else { return OptionRules.refusal(domain: domain, level: level, name: name, value: nil) }
        return bytes.withUnsafeBytes { OptionRules.refusal(domain: domain, level: level, name: name, value: $0) }
    }

    @Test func whatNeedsPrivilegesIsNotForEveryone() {
        // SO_DEBUG, SO_PRIORITY, SO_MARK, SO_BINDTODEVICE, IP_TRANSPARENT, IP_XFRM_POLICY, IPV6_HOPOPTS.
        #expect(unprivileged(1, 1, 1) == Errno.eacces)
        #expect(unprivileged(1, 1, 0) == 0)
        #expect(unprivileged(1, 12, 7) == Errno.eperm)
        #expect(unprivileged(1, 12, 6) == 0)
        #expect(unprivileged(1, 36, 1) == Errno.eperm)
        #expect(unprivileged(1, 25, 0) == Errno.eperm)
        #expect(unprivileged(0, 19, 1) == Errno.eperm)
        #expect(unprivileged(0, 19, 0) == 0)
        #expect(unprivileged(0, 17, 0) == Errno.eperm)
        #expect(unprivileged(41, 54, 0) == Errno.eperm)
        // SO_TXTIME by CLOCK_TAI and CLOCK_MONOTONIC, SO_RCVMARK, IPV6_JOIN_ANYCAST.
        #expect(unprivileged(1, 61, 11) == Errno.eperm)
        #expect(unprivileged(1, 61, 1) == 0)
        #expect(unprivileged(1, 75, 1) == Errno.eperm)
        #expect(unprivileged(41, 27, 0) == Errno.eperm)
        // SO_KEEPALIVE.
        #expect(unprivileged(1, 9, 1) == 0)
    }

    @Test("The kernel takes one byte for a number too")
    func privilegedOptionsOfOneByte() {
        func unprivileged(_ bytes: [UInt8]) -> Int32 {
            bytes.withUnsafeBytes { OptionRules.unprivilegedRefusal(level: 0, name: 19, value: $0) }
        }
        #expect(unprivileged([1]) == Errno.eperm)
        #expect(unprivileged([1, 0]) == Errno.eperm)
        #expect(unprivileged([0]) == 0)
    }

    @Test func routesLeadNoSocketPastThePolicy() {
        // IP_OPTIONS, IPV6_RTHDR, IPV6_2292PKTOPTIONS.
        for domain in [SocketDomain.inet, SocketDomain.inet6] {
            #expect(refusal(domain, 0, 4, set: [137, 7, 4, 127, 0, 0, 1, 0]) == Errno.eperm)
            #expect(refusal(domain, 0, 4) == 0)
        }
        #expect(refusal(SocketDomain.inet6, 41, 57, set: [UInt8](repeating: 0, count: 24)) == Errno.eperm)
        #expect(refusal(SocketDomain.inet6, 41, 6, set: [UInt8](repeating: 0, count: 24)) == Errno.eperm)
        #expect(refusal(SocketDomain.inet6, 41, 57) == 0)
    }

    @Test func aFilterHasNoMoreSourcesThanItsRoom() {
        /// The count that the kernel sees, of a value of `size` bytes that asks for `wanted` sources.
        func bounded(_ level: Int32, _ name: Int32, size: Int, wanted: UInt32) -> UInt32 {
            var value = [UInt8](repeating: 0, count: 512)
            let count = name == 41 ? 12 : 140
            return value.withUnsafeMutableBytes { bytes in
                bytes.storeBytes(of: wanted, toByteOffset: count, as: UInt32.self)
                OptionRules.bound(UnsafeMutableRawBufferPointer(rebasing: bytes[..<size]), level: level, name: name)
                return bytes.loadUnaligned(fromByteOffset: count, as: UInt32.self)
            }
        }
        for level: Int32 in [0, 41] {
            #expect(bounded(level, 48, size: 512, wanted: .max) == 2)
            #expect(bounded(level, 48, size: 400, wanted: 2) == 2)
            #expect(bounded(level, 48, size: 399, wanted: 2) == 1)
            #expect(bounded(level, 48, size: 144, wanted: 7) == 0)
            #expect(bounded(level, 48, size: 143, wanted: 7) == 7)
        }
        #expect(bounded(0, 41, size: 512, wanted: 1000) == 124)
        #expect(bounded(0, 41, size: 20, wanted: 1) == 1)
        #expect(bounded(0, 41, size: 15, wanted: 1) == 1)
        // IPV6_FLOWLABEL_MGR has no sources.
        #expect(bounded(41, 32, size: 512, wanted: 1000) == 1000)
    }

    @Test func flowLabelsCarryNoHeadersAndDoNotLast() {
        var label = [UInt8](repeating: 0, count: 32)
        #expect(refusal(SocketDomain.inet6, 41, 32, set: label) == 0)
        #expect(refusal(SocketDomain.inet6, 41, 32, set: label + [0]) == Errno.einval)
        func unprivileged() -> Int32 {
            label.withUnsafeBytes { OptionRules.unprivilegedRefusal(level: 41, name: 32, value: $0) }
        }
        (label[24], label[26]) = (60, 60)
        #expect(unprivileged() == 0)
        label[26] = 61
        #expect(unprivileged() == Errno.eperm)
        (label[25], label[26]) = (1, 0)
        #expect(unprivileged() == Errno.eperm)
    }

    @Test func pointersAndDescriptorsDoNotReachTheKernel() {
        let inet = SocketDomain.inet
        // SO_ATTACH_FILTER, SO_ATTACH_BPF, TCP_ULP, TCP_REPAIR, TCP_ZEROCOPY_RECEIVE, iptables.
        #expect(refusal(inet, 1, 26, set: [UInt8](repeating: 0, count: 16)) == Errno.eperm)
        #expect(refusal(inet, 1, 50, set: [0, 0, 0, 0]) == Errno.eperm)
        #expect(refusal(inet, 6, 31, set: [116, 108, 115]) == Errno.enoent)
        #expect(refusal(inet, 6, 19, set: [1, 0, 0, 0]) == Errno.eperm)
        #expect(refusal(inet, 6, 35) == Errno.einval)
        #expect(refusal(inet, 0, 64) == Errno.eperm)
        #expect(refusal(SocketDomain.inet6, 41, 64) == Errno.eperm)
        #expect(refusal(SocketDomain.inet6, 41, 67) == 0)
    }

    @Test func ancillaryDataOfUnixSocketsCannotBeAskedFor() {
        for name: Int32 in [16, 34, 76] {
            #expect(refusal(SocketDomain.unix, 1, name, set: [1, 0, 0, 0]) == Errno.eopnotsupp)
            #expect(refusal(SocketDomain.unix, 1, name, set: [0, 0, 0, 0]) == 0)
            #expect(refusal(SocketDomain.unix, 1, name) == 0)
            #expect(refusal(SocketDomain.inet, 1, name, set: [1, 0, 0, 0]) == 0)
        }
    }

    @Test func peersOfTheServiceAreNotTold() {
        #expect(refusal(SocketDomain.unix, 1, 77) == Errno.enoprotoopt)
        #expect(refusal(SocketDomain.unix, 1, 59) == Errno.enoprotoopt)
        #expect(refusal(SocketDomain.unix, 1, 17) == 0)
        #expect(refusal(SocketDomain.inet, 1, 17) == 0)
    }
}
