import Glibc
import Testing
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockBackend

extension ServiceTests {
    /// Sessions of a guest over a simulated Xen (docs/PROTOCOL.md, 3.7).
    @Suite struct XenSessionTests {
        @Test func aSocketConnectsAndMovesBytes() throws {
            let fixture = try XenFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            #expect(session.number > 0 && session.number < XenSession.numberLimit)
            let socket = try session.socket(port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            peer.write(Array("hello".utf8))
            #expect(try socket.receive(5) == Array("hello".utf8))
            #expect(try socket.send(Array("world".utf8)) == 5)
            #expect(peer.read(5).bytes == Array("world".utf8))
            #expect(fixture.mappedPages == session.control.pages + session.dock.pages + 9)
        }
    }
}
