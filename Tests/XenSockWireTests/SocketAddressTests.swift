import Glibc
import Testing
import XenSockWire

@Suite("Socket addresses")
struct SocketAddressTests {
    @Test("An IPv4 address is the kernel's sockaddr_in")
    func ipv4() {
        var native = sockaddr_in()
        native.sin_family = sa_family_t(AF_INET)
        native.sin_port = UInt16(8443).bigEndian
        inet_pton(AF_INET, "192.0.2.33", &native.sin_addr)
        let made = SocketAddress.ipv4(0xc000_0221, port: 8443)
        #expect(made == SocketAddress(bytes: &native, length: MemoryLayout<sockaddr_in>.size))
        #expect(made.ipv4 == 0xc000_0221)
        #expect(made.port == 8443)
        #expect(made.family == UInt16(AF_INET))
        #expect(made.ipv6 == nil)
        #expect(made.with(port: 1) == .ipv4(0xc000_0221, port: 1))
    }

    @Test("An IPv6 address is the kernel's sockaddr_in6")
    func ipv6() {
        var native = sockaddr_in6()
        native.sin6_family = sa_family_t(AF_INET6)
        native.sin6_port = UInt16(53).bigEndian
        native.sin6_scope_id = 0x0102_0304
        inet_pton(AF_INET6, "2001:db8::ff:8001", &native.sin6_addr)
        let made = SocketAddress.ipv6(high: 0x2001_0db8_0000_0000, low: 0x00ff_8001, port: 53, scope: 0x0102_0304)
        #expect(made == SocketAddress(bytes: &native, length: MemoryLayout<sockaddr_in6>.size))
        #expect(made.port == 53)
        #expect(made.scope == 0x0102_0304)
        #expect(made.ipv6?.high == 0x2001_0db8_0000_0000)
        #expect(made.ipv6?.low == 0x00ff_8001)
        #expect(made.ipv4 == nil)
        #expect(made.with(port: 65535).port == 65535)
    }

    @Test("A Unix address holds path names and abstract names up to the kernel's limit")
    func unix() {
        let path = SocketAddress.unix(path: "/run/x")!
        #expect(path.length == 9)
        #expect(path.family == SocketAddress.unix)
        #expect(path.port == nil)
        #expect((0..<9).map { path[$0] } == [1, 0] + Array("/run/x".utf8) + [0])
        let abstract = SocketAddress.unix(path: "\0name")!
        #expect(abstract.length == 7)
        #expect(SocketAddress.unix(path: String(repeating: "p", count: 107))?.length == 110)
        #expect(SocketAddress.unix(path: String(repeating: "p", count: 108)) == nil)
    }

    @Test(
        "A copy is cut to the caller's room, and the whole length told", arguments: [0, 1, 2, 15, 16, 27, 28, 127, 128])
    func copy(length: Int) {
        let source = address(family: SocketAddress.inet6, length: length)
        #expect(source.length == length)
        for capacity in [-1, 0, 1, 8, length, 200] {
            var room = [UInt8](repeating: 0xee, count: 200)
            #expect(room.withUnsafeMutableBytes { source.copy(to: $0.baseAddress!, capacity: capacity) } == length)
            let copied = min(length, max(0, capacity))
            #expect((0..<copied).allSatisfy { room[$0] == source[$0] })
            #expect(room[copied...].allSatisfy { $0 == 0xee })
        }
    }

    @Test("A length beyond the capacity makes no address")
    func tooLong() {
        let bytes = pattern(200)
        #expect(SocketAddress(bytes: bytes, length: 129) == nil)
        #expect(SocketAddress(bytes: bytes, length: -1) == nil)
        #expect(SocketAddress(bytes: bytes, length: .max) == nil)
        #expect(SocketAddress(bytes: bytes, length: 128) != nil)
    }

    @Test("An address too short for a field does not have it")
    func short() {
        let native = SocketAddress.ipv4(0x7f00_0001, port: 80)
        for length in 0..<16 {
            let cut = native.withUnsafeBytes { SocketAddress(bytes: $0.baseAddress!, length: length)! }
            #expect(cut.family == (length >= 2 ? 2 : 0))
            #expect(cut.port == (length >= 4 ? 80 : nil))
            #expect(cut.ipv4 == (length >= 8 ? 0x7f00_0001 : nil))
            #expect(cut.with(port: 81).port == (length >= 4 ? 81 : nil))
        }
        #expect(native[-1] == 0 && native[128] == 0)
    }

    @Test("Addresses are equal by their bytes in use, whatever stood behind those in the entry")
    func tail() throws {
        let slot = SharedMemory.slot(.pvcalls1)
        let native = SocketAddress.ipv4(0x0a00_0001, port: 80)
        try RequestCodec(.pvcalls1).encode(.bind(id: 1, address: native), requestID: 0, into: slot.base)
        for offset in stride(from: 32, to: 44, by: 4) { slot.set(offset, UInt32.max) }
        #expect(RequestCodec(.pvcalls1).decode(from: slot.base).address == native)
    }
}
