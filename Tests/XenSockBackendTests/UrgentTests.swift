import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    /// Out-of-band data and SO_RCVLOWAT: what the status line and the tokens say.
    @Suite struct UrgentTests {
        let fixture: ServiceFixture
        let client: TestClient
        let server: Peer

        init() throws {
            fixture = try ServiceFixture()
            client = try TestClient.connected(path: fixture.path)
            server = try Peer.listening(receiveBuffer: 4096)
        }

        private func pair() throws -> (TestSocket, Peer) {
            let socket = try TestSocket(client, port: 1)
            try socket.connected(to: server.address)
            return (socket, try server.accept())
        }

        private var urgent: UInt64 {
            SharedWord64(client.base + XenSockWire.Arena.statusOffset(port: 1) + StatusLine.urgent).load()
        }

        private func set(_ socket: TestSocket, _ name: Int32, _ value: UInt8) throws -> Int32 {
            let request = Request.setsockopt(
                id: socket.id, level: 1, name: name, length: 4, outProducer: socket.outgoing.produced)
            return try client.call(request, value: [value, 0, 0, 0]).ret
        }

        @Test func anUrgentByteIsApartAndItsPlaceIsTold() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            peer.write([1, 2, 3])
            var byte: UInt8 = 33
            #expect(send(peer.descriptor, &byte, 1, Int32(MSG_OOB)) == 1)
            peer.write([4])
            #expect(try eventually { try socket.incoming.view().count == 4 })
            let flags = StatusLine.Urgent.valid | StatusLine.Urgent.mark | StatusLine.Urgent.queued
            #expect(urgent == 3 << 32 | flags | 33)
            #expect(try socket.take() == [1, 2, 3, 4])
        }

        @Test func anUrgentByteInLineStandsInItsPlace() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            #expect(try set(socket, 10, 1) == 0)
            peer.write([1, 2])
            var byte: UInt8 = 33
            #expect(send(peer.descriptor, &byte, 1, Int32(MSG_OOB)) == 1)
            peer.write([3])
            #expect(try eventually { try socket.incoming.view().count == 4 })
            #expect(try socket.take() == [1, 2, 33, 3])
            #expect(urgent >> 32 == 2)
        }

        @Test func tooLittleForLowWaterHasNoToken() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            #expect(try set(socket, 18, 3) == 0)
            peer.write([1, 2])
            #expect(try eventually { try socket.incoming.view().count == 2 })
            #expect(socket.tokensInPlaceholder == 0)
            peer.write([3])
            #expect(eventually { socket.tokensInPlaceholder == 1 })
            #expect(try socket.take().count == 3)
            #expect(try socket.disarm())
            peer.write([4])
            #expect(try eventually { try socket.incoming.view().count == 1 })
            #expect(socket.tokensInPlaceholder == 0)
            #expect(try set(socket, 18, 1) == 0)
            #expect(eventually { socket.tokensInPlaceholder == 1 })
        }
    }
}
