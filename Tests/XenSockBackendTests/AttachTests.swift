import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    @Suite struct AttachTests {
        private func door(_ client: TestClient, user: UInt32?) throws -> TestClient {
            var pair: [Int32] = [-1, -1]
            asUser(user) { #expect(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &pair) == 0) }
            _ = client.send(FrameWriter(.door), [pair[0]])
            close(pair[0])
            let child = TestClient(session: pair[1])
            #expect(try child.hello() == 0)
            #expect(try child.connectRing() == "4")
            return child
        }

        @Test(.enabled(if: geteuid() == 0, "needs a second user"))
        func anotherUserWithOneDescriptorGetsNoArena() throws {
            let fixture = try ServiceFixture {
                $0.allowsAnyUser = true
                $0.listening = $0.listening.open
            }
            defer { fixture.stop() }
            let owner = try asUser(1000) { try TestClient.connected(path: fixture.path) }
            let socket = try TestSocket(owner, port: 1)
            #expect(try socket.open() == 0)
            let stranger = try asUser(1001) { try TestClient.connected(path: fixture.path) }
            for id in [UInt64(9), 0xff00_0000_0000_0009] {
                #expect(try stranger.attach(socket.placeholder, id: id).u32(4) == UInt32(EACCES))
            }
            #expect(try stranger.call(.getsockname(id: 9)).ret == -EBADF)
            let same = try asUser(1000) { try TestClient.connected(path: fixture.path) }
            #expect(try same.attach(socket.placeholder, id: 9).u32(4) == 0)
            let root = try TestClient.connected(path: fixture.path)
            #expect(try root.attach(socket.placeholder, id: 9).u32(4) == 0)
            // A child that has become somebody else inherited the arena, and a grandchild too.
            let child = try door(owner, user: 1002)
            #expect(try child.attach(socket.placeholder, id: 9).u32(4) == 0)
            let grandchild = try door(child, user: 1003)
            #expect(try grandchild.attach(socket.placeholder, id: 9).u32(4) == 0)
        }

        @Test func anAttachMayComeAgainAndAQuestionNamesNothing() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let owner = try TestClient.connected(path: fixture.path)
            let one = try TestSocket(owner, port: 1)
            let two = try TestSocket(owner, port: 2)
            #expect(try one.open() == 0)
            #expect(try two.open() == 0)
            let heir = try TestClient.connected(path: fixture.path)
            for _ in 0..<2 {
                let answer = try heir.attach(one.placeholder, id: 9)
                #expect(answer.u32(4) == 0)
                #expect(answer.u32(24) == 1)
            }
            #expect(try heir.attach(two.placeholder, id: 9).u32(4) == UInt32(EEXIST))
            let question: UInt64 = 0xff00_0000_0000_0003
            for socket in [one, two, one] {
                let answer = try heir.attach(socket.placeholder, id: question)
                #expect(answer.u32(4) == 0)
                #expect(answer.u32(24) == socket.port)
            }
            #expect(try heir.call(.getsockname(id: SocketID(question))).ret == -EBADF)
            #expect(try heir.call(.getsockname(id: 9)).ret == 0)
        }
    }
}
