import Glibc
import Testing
import XenSockWire

@testable import XenSockBackend

/// A service of root, which the kernel lets do what its users may not.
extension ServiceTests {
    @Suite struct ForeignUserTests {
        private func socket(_ client: TestClient, port: UInt32, type: UInt32 = 1) throws -> TestSocket {
            let socket = try TestSocket(client, port: port)
            #expect(try socket.open(type: type) == 0)
            return socket
        }

        private func set(_ socket: TestSocket, _ level: Int32, _ name: Int32, _ value: [UInt8]) throws -> Int32 {
            let request = Request.setsockopt(
                id: socket.id, level: level, name: name, length: UInt32(value.count), outProducer: 0)
            return try socket.client.call(request, value: value).ret
        }

        @Test(.enabled(if: geteuid() == 0, "needs two more users"))
        func usersDoNotShareAPort() throws {
            let fixture = try ServiceFixture {
                $0.allowsAnyUser = true
                $0.listening = $0.listening.open
            }
            defer { fixture.stop() }
            let first = try asUser(1000) { try TestClient.connected(path: fixture.path) }
            let second = try asUser(1001) { try TestClient.connected(path: fixture.path) }
            func sharing(_ client: TestClient, _ port: UInt32) throws -> TestSocket {
                let socket = try socket(client, port: port)
                // SO_REUSEPORT.
                #expect(try set(socket, 1, 15, [1, 0, 0, 0]) == 0)
                return socket
            }
            let listener = try sharing(first, 1)
            #expect(try first.call(.bind(id: listener.id, address: .loopback(port: 0))).ret == 0)
            let address = try #require(try first.call(.getsockname(id: listener.id)).address)
            let (own, foreign) = (try sharing(first, 2), try sharing(second, 1))
            #expect(try first.call(.bind(id: own.id, address: address)).ret == 0)
            #expect(try second.call(.bind(id: foreign.id, address: address)).ret == -EADDRINUSE)
        }

        /// The kernel writes as many sources as the value says, whatever room there is.
        @Test(arguments: [SocketDomain.inet, SocketDomain.inet6])
        func filtersOfMulticastSourcesStayWithinTheirRoom(_ domain: UInt32) throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1, order: 7)
            try #require(try socket.open(domain: domain, type: 2) == 0)
            let isIPv4 = domain == SocketDomain.inet
            let level: Int32 = isIPv4 ? 0 : 41
            // struct group_filter: 232.0.0.1 or ff3e::1, on the loopback.
            var filter = [UInt8](repeating: 0, count: 512)
            func put(_ prefix: [UInt8], _ last: UInt8, at offset: Int, in value: inout [UInt8]) {
                value[offset] = UInt8(domain)
                let (start, size) = isIPv4 ? (offset + 4, 4) : (offset + 8, 16)
                value.replaceSubrange(start..<start + prefix.count, with: prefix)
                value[start + size - 1] = last
            }
            filter[0] = 1
            put(isIPv4 ? [232, 0, 0] : [0xff, 0x3e], 1, at: 8, in: &filter)
            for source in 1...UInt8(10) {
                // struct group_source_req, MCAST_JOIN_SOURCE_GROUP.
                var join = Array(filter[0..<136]) + [UInt8](repeating: 0, count: 128)
                put(isIPv4 ? [192, 0, 2] : [0x20, 0x01, 0x0d, 0xb8], source, at: 136, in: &join)
                #expect(try set(socket, level, 46, join) == 0)
            }
            for count in [UInt32.max, 64, 10, 2, 0] {
                withUnsafeBytes(of: count) { filter.replaceSubrange(140..<144, with: $0) }
                let request = Request.getsockopt(id: socket.id, level: level, name: 48, length: 512)
                #expect(try client.call(request, value: filter).ret == 0)
            }
            #expect(try client.call(.getsockopt(id: socket.id, level: level, name: 48, length: 143)).ret == -EINVAL)
        }
    }
}
