import CXenSockSystem
import Glibc
import Testing
import XenSockTestSupport
import XenSockWire

@testable import XenSockGuest

/// Descriptors that programs send to the agent to be in the way.
@Suite(.serialized) struct DockDescriptorTests {
    private let store: [UInt8] = [2, 0, 0, 0, 0, 0, 0, 0] + Array("x".utf8) + [0] + Array("1".utf8) + [0]

    @Test func `The identities of senders are not kept`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let parent = try fixture.open(direct: true)
        var shared: Int32 = -1
        let program = try fixture.door(of: parent, user: 0) { shared = $0 }
        defer { close(shared) }
        var on: Int32 = 1
        // Linux 6.5.
        guard setsockopt(shared, SOL_SOCKET, 76 /* SO_PASSPIDFD */, &on, 4) == 0 else { return }
        let before = processDescriptors()
        for _ in 0..<64 { #expect(sendMessage(program.descriptor, store, []) == store.count) }
        // Answered after all of them.
        _ = try program.ask(1, order: 4)
        #expect(processDescriptors() - before < 32)
    }

    @Test func `One that makes close wait keeps nobody behind a frame of many`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try fixture.open(direct: true)
        let (slow, peer) = try #require(lingeringConnection(seconds: 60))
        #expect(sendMessage(program.descriptor, store, [1, 2, slow]) == store.count)
        // Whoever is the last to close it waits: here or there.
        let closing = Worker { close(slow) }
        let clock = ContinuousClock()
        let taken = try clock.measure { _ = try program.ask(1, order: 4) }
        #expect(taken < .seconds(45))
        close(peer)
        try closing.join()
    }
}
