import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    /// Descriptors that programs send to be in the way.
    @Suite struct HostileDescriptorTests {
        let fixture: ServiceFixture

        init() throws {
            fixture = try ServiceFixture {
                $0.listening = $0.listening.open
                $0.allowsAnyUser = true
            }
        }

        private func pair(_ type: __socket_type = SOCK_STREAM) throws -> [Int32] {
            var pair: [Int32] = [-1, -1]
            let result = socketpair(AF_UNIX, Int32(type.rawValue), 0, &pair)
            try #require(result == 0)
            return pair
        }

        /// A session whose first frame carries descriptors; nobody but its socket has them any more when the service comes to
        /// read it.
        private func session(of parent: TestClient, behind frame: [UInt8], _ descriptors: [Int32]) throws -> Int32 {
            let ends = try pair(SOCK_SEQPACKET)
            #expect(sendMessage(ends[1], frame, descriptors) == frame.count)
            for descriptor in Set(descriptors) { close(descriptor) }
            #expect(parent.send(frame: door, [ends[0]]) == 8)
            close(ends[0])
            return ends[1]
        }

        private var door: [UInt8] { FrameWriter(.door).withBytes { Array($0) } }

        @Test func ofAnEmptyMessageNoneIsKept() throws {
            defer { fixture.stop() }
            let pair = try pair()
            let client = try TestClient(path: fixture.path)
            #expect(client.sendMany([], pair[0], count: 4) == 0)
            close(pair[0])
            #expect(waitFor(pair[1], POLLHUP, 20_000))
            close(pair[1])
        }

        @Test func ofAnEmptyMessageAtADoorNoneIsKept() throws {
            defer { fixture.stop() }
            let ends = try self.pair(SOCK_SEQPACKET)
            try fixture.service.openDoor(ends[0]) {}
            let client = TestClient(session: ends[1])
            let pair = try pair()
            #expect(client.sendMany([], pair[0], count: 4) == 0)
            client.hangUp()
            close(pair[0])
            #expect(waitFor(pair[1], POLLHUP, 20_000))
            close(pair[1])
        }

        @Test func senderIdentitiesAreNotKept() throws {
            defer { fixture.stop() }
            let parent = try TestClient.connected(path: fixture.path)
            let ends = try pair(SOCK_SEQPACKET)
            #expect(parent.send(frame: door, [ends[0]]) == 8)
            var on: Int32 = 1
            // Linux 6.5.
            let hasIdentities = setsockopt(ends[0], SOL_SOCKET, 76 /* SO_PASSPIDFD */, &on, 4) == 0
            defer { close(ends[0]) }
            guard hasIdentities else { return }
            let child = TestClient(session: ends[1])
            #expect(try child.hello() == 0)
            let before = processDescriptors()
            // Of no state: each asks for nothing. The last is answered after all of them.
            for _ in 0..<64 { #expect(child.send(frame: [2, 0, 0, 0, 0, 0, 0, 0]) == 8) }
            #expect(try child.connectRing() == "4")
            #expect(processDescriptors() - before < 32)
        }

        @Test func oneThatMakesCloseWaitKeepsNobodyBehindAFrameFull() throws {
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let pair = try pair()
            let (slow, peer) = try #require(lingeringConnection(seconds: 60))
            let end = try session(of: client, behind: door, [pair[0], dup(pair[0]), dup(pair[0]), dup(pair[0]), slow])
            #expect(waitFor(end, POLLHUP, 20_000))
            // Its descriptor came, and nobody waits for it.
            let clock = ContinuousClock()
            let taken = try clock.measure { _ = try TestClient.connected(path: fixture.path) }
            #expect(taken < .seconds(45))
            close(peer)
            close(end)
            close(pair[1])
        }

        /// What receives from a stream, or closes it.
        private static let calls: [@Sendable (LinuxKernel, Int32, Segments) -> Void] = [
            { kernel, end, _ in _ = kernel.receiveFiller(end) },
            { kernel, end, room in _ = kernel.receiveRelayed(end, into: room) },
            { kernel, end, room in _ = kernel.receive(end, into: room) },
            { _, _, _ in },
        ]

        @Test(arguments: calls.indices) func oneThatMakesCloseWaitKeepsNobodyInAStream(_ index: Int) throws {
            defer { fixture.stop() }
            let pair = try pair()
            let (slow, peer) = try #require(lingeringConnection(seconds: 60))
            #expect(sendMessage(pair[1], [1, 2, 3], [slow]) == 3)
            close(slow)
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 8)
            defer { room.deallocate() }
            let segments = Segments(UnsafeMutableRawBufferPointer(room))
            let clock = ContinuousClock()
            let taken = clock.measure {
                Self.calls[index](LinuxKernel(), pair[0], segments)
                LinuxKernel().closePlaceholder(pair[0])
            }
            #expect(taken < .seconds(45))
            close(peer)
            #expect(waitFor(pair[1], POLLHUP, 30_000))
            close(pair[1])
        }

        @Test func bytesWithoutDescriptorsAreLostAtTheClose() throws {
            defer { fixture.stop() }
            let pair = try pair()
            #expect(sendMessage(pair[1], [UInt8](repeating: 1, count: 5000), []) == 5000)
            LinuxKernel().closePlaceholder(pair[0])
            // Now, and as close(2) tells of it.
            #expect(polled(pair[1]) & (POLLHUP | POLLERR) == POLLHUP | POLLERR)
            close(pair[1])
        }

        @Test func oneThatMakesCloseWaitKeepsNobodyAtTheEndOfASession() throws {
            defer { fixture.stop() }
            let parent = try TestClient.connected(path: fixture.path)
            let ends = try pair(SOCK_SEQPACKET)
            let (slow, peer) = try #require(lingeringConnection(seconds: 60))
            // Too short, which ends the session before what stands behind it is read.
            #expect(sendMessage(ends[1], [1, 2, 3, 4], []) == 4)
            #expect(sendMessage(ends[1], door, [slow]) == 8)
            close(slow)
            #expect(parent.send(frame: door, [ends[0]]) == 8)
            // Whoever is the last to close it waits: here or there.
            let (own, other) = (ends[0], ends[1])
            let closing = Worker { close(own) }
            #expect(waitFor(other, POLLHUP, 20_000))
            close(other)
            let clock = ContinuousClock()
            let taken = try clock.measure { _ = try TestClient.connected(path: fixture.path) }
            #expect(taken < .seconds(45))
            close(peer)
            try closing.join()
        }

        @Test(.enabled(if: getuid() == 0)) func whoseDescriptorsDoNotCloseGetsNoSession() throws {
            defer { fixture.stop() }
            let (slow, peer) = try #require(lingeringConnection(seconds: 60))
            let parent = try asUser(1000) { try TestClient.connected(path: fixture.path) }
            let end = try asUser(1000) { try session(of: parent, behind: door, [slow]) }
            #expect(waitFor(end, POLLHUP, 20_000))
            close(end)
            var refusal: UInt32 = 0
            // One behind another, since the first thing that is amiss ends the session.
            #expect(
                try eventually {
                    let next = try asUser(1000) { try TestClient(path: fixture.path) }
                    refusal = (try? next.hello()) ?? 0
                    if refusal == 0 { _ = next.sendMany(door, 2, count: 128) }
                    return refusal == UInt32(EAGAIN)
                })
            // Others are served.
            let other = try asUser(1001) { try TestClient(path: fixture.path) }
            #expect(try other.hello() == 0)
            close(peer)
            #expect(
                try eventually {
                    let next = try asUser(1000) { try TestClient(path: fixture.path) }
                    return try next.hello() == 0
                })
        }
    }
}
