import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    @Suite struct SessionTests {
        @Test func aSessionGetsAnArenaAndTheBackendsNodes() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let client = try TestClient(path: fixture.path)
            #expect(try client.hello(ports: 65) == 0)
            #expect(client.ports == 128)
            #expect(client.nodes["feature-xensock2"] == "1")
            #expect(client.nodes["state"] == "2")
            #expect(client.base.load(as: UInt64.self) == ArenaHeader.magicValue)
            #expect(client.base.load(fromByteOffset: 16, as: UInt64.self) == client.arenaID)
            #expect(fcntl(client.memory, 1034) == 7)
            #expect(try client.connectRing() == "4")
        }

        @Test func aProgramSendsReceivesAndSeesTheEnd() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let server = try Peer.listening()
            let socket = try TestSocket(client, port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            #expect(socket.tokensInPlaceholder == 0)
            #expect(try socket.send(Array("hello".utf8)) == 5)
            #expect(peer.read(5).bytes == Array("hello".utf8))
            peer.write(Array("world".utf8))
            #expect(try socket.receive(5) == Array("world".utf8))
            #expect(try socket.disarm())
            #expect(socket.tokensInPlaceholder == 0)
            #expect(polled(socket.placeholder) & POLLIN == 0)
            peer.write(Array("!".utf8))
            peer.close()
            #expect(try socket.receive(10) == Array("!".utf8))
            #expect(try eventually { try socket.incoming.view().endOfFile })
            #expect(polled(socket.placeholder) & (0x2000 | POLLIN) == POLLIN)
            #expect(socket.state == .connected)
            let generation = socket.generation
            socket.close()
            #expect(eventually { socket.generation == generation + 1 })
            #expect(socket.state == .free)
        }
    }
}
