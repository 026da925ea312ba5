import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    /// RELAY on real sockets, from a frontend that does as docs/PROTOCOL.md 2.6 says, and from others.
    @Suite final class RelayServiceTests {
        let fixture: ServiceFixture
        let client: TestClient
        let server: Peer

        init() throws {
            fixture = try ServiceFixture()
            client = try TestClient.connected(path: fixture.path)
            server = try Peer.listening()
        }

        private func pair() throws -> (TestSocket, Peer) {
            let socket = try TestSocket(client, port: 1)
            try socket.connected(to: server.address)
            return (socket, try server.accept())
        }

        private func relay(_ socket: TestSocket) throws -> Int32 {
            let word = socket.incoming.producerValue()
            #expect(socket.incoming.freeze(word))
            var taken: UInt32 = 0
            while taken < word.tokens { taken += UInt32(max(0, socket.takeTokens())) }
            return try client.call(.relay(id: socket.id)).ret
        }

        private func read(_ socket: TestSocket, _ count: Int) -> [UInt8] {
            var bytes: [UInt8] = []
            while bytes.count < count, waitFor(socket.placeholder, POLLIN, 20_000) {
                var buffer = [UInt8](repeating: 0, count: count - bytes.count)
                let got = Glibc.read(socket.placeholder, &buffer, buffer.count)
                guard got > 0 else { break }
                bytes += buffer[0..<got]
            }
            return bytes
        }

        @Test func thePlaceholderCarriesTheBytesBehindThoseOfTheRings() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            peer.write([1, 2, 3])
            #expect(try eventually { try socket.incoming.view().count == 3 })
            #expect(try socket.send([10, 11]) == 2)
            #expect(try relay(socket) == 0)
            peer.write([4])
            #expect(read(socket, 4) == [1, 2, 3, 4])
            #expect(write(socket.placeholder, [UInt8]([12, 13]), 2) == 2)
            #expect(peer.read(4).bytes == [10, 11, 12, 13])
            #expect(socket.status(StatusLine.flags) & StatusLine.Flag.relayed != 0)
            #expect(try relay(socket) == 0)
            Glibc.shutdown(socket.placeholder, 1)
            #expect(peer.read(1).result == 0)
            peer.write([5])
            peer.close()
            #expect(read(socket, 2) == [5])
            #expect(eventually { socket.generation == 1 })
        }

        @Test func whatWasUnreadAtTheEndOfTheStreamIsRelayed() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            peer.write([1, 2, 3])
            peer.close()
            #expect(try eventually { try socket.incoming.view().endOfFile })
            #expect(try relay(socket) == 0)
            #expect(read(socket, 4) == [1, 2, 3])
            #expect(polled(socket.placeholder) & 0x2000 != 0)
            socket.close()
            #expect(eventually { socket.generation == 1 })
        }

        @Test func whatLayInThePlaceholderBeforeIsNoData() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            #expect(write(socket.placeholder, [UInt8](repeating: 9, count: 700), 700) == 700)
            #expect(try relay(socket) == 0)
            #expect(write(socket.placeholder, [UInt8]([1, 2]), 2) == 2)
            #expect(peer.read(2).bytes == [1, 2])
        }

        @Test func aFrontendThatTakesNothingAwayHarmsItsOwnStreamOnly() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            peer.write([1])
            #expect(try eventually { try socket.incoming.view().count == 1 })
            #expect(try client.call(.relay(id: socket.id)).ret == 0)
            // Its token is still there, before the data.
            #expect(read(socket, 2).last == 1)
            socket.close()
            #expect(eventually { socket.generation == 1 })
            #expect(try socket.release() == -EBADF)
        }

        @Test func listenersAreRefusedAndUnconnectedSocketsWait() throws {
            defer { fixture.stop() }
            let listener = try TestSocket(client, port: 1)
            #expect(try listener.open() == 0)
            let address = SocketAddress.loopback(port: 0)
            #expect(try client.call(.bind(id: listener.id, address: address)).ret == 0)
            #expect(try client.call(.listen(id: listener.id, backlog: 1)).ret == 0)
            #expect(try client.call(.relay(id: listener.id)).ret == -EINVAL)
            let socket = try TestSocket(client, port: 2)
            #expect(try client.call(.relay(id: socket.id)).ret == -EBADF)
            #expect(try socket.open() == 0)
            #expect(try client.call(.relay(id: socket.id)).ret == 0)
            #expect(socket.status(StatusLine.flags) == 0)
            #expect(try [0, -115].contains(socket.connect(to: server.address)))
            #expect(eventually { socket.status(StatusLine.flags) & StatusLine.Flag.relayed != 0 })
            let peer = try server.accept()
            peer.write([7])
            #expect(read(socket, 1) == [7])
        }

        @Test func aResolverCannotBeRelayed() throws {
            defer { fixture.stop() }
            let socket = try TestSocket(client, port: 1)
            #expect(try socket.open(domain: Resolver.domain) == 0)
            #expect(try client.call(.relay(id: socket.id)).ret == -EOPNOTSUPP)
        }
    }
}
