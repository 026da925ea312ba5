import Glibc
import Testing
import XenSockPlatform
import XenSockTestSupport

@Suite struct StrangeDescriptorTests {
    /// A TCP connection whose close(2) waits until its peer has taken what was sent, or for `linger` seconds.
    private func slow(linger: Int32) throws -> (descriptor: Int32, peer: Int32) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (descriptor, peer) = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> (Int32, Int32) in
                guard bind(listener, address, length) == 0, listen(listener, 1) == 0,
                    getsockname(listener, address, &length) == 0
                else { return (-1, -1) }
                let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
                guard connect(descriptor, address, length) == 0 else { return (-1, -1) }
                return (descriptor, accept(listener, nil, nil))
            }
        }
        try #require(descriptor >= 0 && peer >= 0)
        var value = Glibc.linger(l_onoff: 1, l_linger: linger)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<Glibc.linger>.size))
        let bytes = [UInt8](repeating: 0, count: 1 << 16)
        while send(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT)) > 0 {}
        return (descriptor, peer)
    }

    @Test func oneThatMakesCloseWaitKeepsNobody() throws {
        let (descriptor, peer) = try slow(linger: 60)
        let file = FileIdentity(descriptor)
        let clock = ContinuousClock()
        let taken = clock.measure { #expect(StrangeDescriptors.close(descriptor)) }
        #expect(taken < .seconds(10))
        // The queue goes on once the peer is gone.
        close(peer)
        let end = clock.now + .seconds(30)
        while FileIdentity(descriptor) == file, clock.now < end { usleep(10_000) }
        #expect(FileIdentity(descriptor) != file)
    }

    @Test func socketsOfTheFileSystemAreClosedAtOnce() throws {
        var pair: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &pair) {
            socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, $0.bindMemory(to: Int32.self).baseAddress!)
        }
        try #require(result == 0)
        defer { close(pair.1) }
        #expect(StrangeDescriptors.close(pair.0))
        // That end alone is closed: the other shows it.
        var byte: UInt8 = 0
        #expect(recv(pair.1, &byte, 1, Int32(MSG_DONTWAIT)) == 0)
        #expect(StrangeDescriptors.close(-1))
    }
}
