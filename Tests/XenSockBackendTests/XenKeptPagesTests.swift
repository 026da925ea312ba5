import Glibc
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire
import XenSockXen

@testable import XenSockBackend

extension ServiceTests {
    /// Pages that stay mapped for a port's next socket (docs/PROTOCOL.md, 3.7, Rings).
    @Suite struct XenKeptPagesTests {
        /// Of a ring of order 3 with its indexes page.
        static let socketPages = 9

        /// A connection that is over: its port's pages are kept.
        @discardableResult
        private func use(
            _ port: UInt32, of session: GuestClient, _ server: Peer, order: UInt32 = 3,
            change: (TestSocket) -> Void = { _ in }
        ) throws -> TestSocket {
            let socket = try session.socket(port: port, order: order)
            change(socket)
            let generation = socket.generation
            try socket.connected(to: server.address)
            let peer = try server.accept()
            peer.write([1, 2, 3])
            #expect(try socket.receive(3) == [1, 2, 3])
            #expect(try socket.send([4, 5]) == 2)
            #expect(peer.read(2).bytes == [4, 5])
            socket.close()
            #expect(eventually { socket.generation == generation + 1 })
            return socket
        }

        @Test func theNextSocketOfAPortMapsNothing() throws {
            let fixture = try SessionsFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let before = fixture.mappedPages
            try use(1, of: session, server)
            // Whoever maps now fails.
            fixture.xen.fail(.map, in: .control, errno: ENOSPC)
            for _ in 0..<3 {
                try use(1, of: session, server)
                #expect(fixture.mappedPages == before + Self.socketPages)
            }
            #expect(fixture.xen.mappedGrants(of: fixture.guest) == fixture.mappedPages + 1)
            let other = try session.socket(port: 2)
            #expect(try other.open() == 0)
            // The kept pages of the other port went for it, in vain: it was not they.
            #expect(fixture.mappedPages == before + 1)
        }

        @Test func otherPagesOfAPortTakeThePlaceOfItsOldOnes() throws {
            let fixture = try SessionsFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let (before, grants) = (fixture.mappedPages, fixture.xen.grants(of: fixture.guest).count)
            try use(1, of: session, server)
            // The agent frees the old allocation: its grants end when nobody has them mapped.
            try use(1, of: session, server, order: 4)
            #expect(fixture.mappedPages == before + 17)
            #expect(fixture.xen.grants(of: fixture.guest).count == grants + 17)
            try use(1, of: session, server, order: 1)
            #expect(fixture.mappedPages == before + 3)
            #expect(fixture.xen.grants(of: fixture.guest).count == grants + 3)
        }

        @Test func aRingIsTheOneThatIsListedNow() throws {
            let fixture = try SessionsFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let before = fixture.mappedPages
            let first = try use(1, of: session, server, order: 1)
            let socket = try session.socket(port: 1, order: 1)
            let listed = (0..<2).map { SharedWord32(first.indexes + DataRingLayout.referenceOffset(page: $0)) }
            let references = listed.map { $0.load() }
            listed[0].store(references[1])
            listed[1].store(references[0])
            try socket.connected(to: server.address)
            let peer = try server.accept()
            peer.write([77])
            #expect(waitFor(socket.placeholder, POLLIN, 20_000))
            // What comes lies in the page that was listed first.
            #expect((socket.indexes + 2 * pageSize).load(as: UInt8.self) == 77)
            #expect(fixture.mappedPages == before + 3)
            socket.close()
            #expect(eventually { socket.generation == 2 })
            // The same page of indexes with a larger ring than there is: nothing of the old one is used.
            let greedy = try session.socket(port: 1, order: 1)
            #expect(try greedy.open() == 0)
            SharedWord32(greedy.indexes + IndexesPage.ringOrder).store(2)
            for page in 2..<4 {
                SharedWord32(greedy.indexes + DataRingLayout.referenceOffset(page: page)).store(7_777_777)
            }
            #expect(try greedy.connect(to: server.address) == -EINVAL)
        }

        @Test func keptPagesMakeRoomWithinTheDomainsLimit() throws {
            var configuration = XenConfiguration()
            // The device's ring, a session, and two sockets.
            configuration.pagesPerDomain = 1 + 10 + 3 + 2 * Self.socketPages
            let fixture = try SessionsFixture(xenConfiguration: configuration)
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            #expect(fixture.mappedPages == 13)
            for port in 1..<UInt32(9) { try use(port, of: session, server) }
            #expect(fixture.mappedPages == 13 + 2 * Self.socketPages)
            // The two used last are there still.
            fixture.xen.fail(.map, in: .control, errno: ENOSPC)
            try use(7, of: session, server)
            try use(8, of: session, server)
            let socket = try session.socket(port: 7)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            peer.write([1])
            // Which was still to come.
            let refused = try session.socket(port: 9)
            #expect(try refused.open() == -ENOMEM)
            refused.close()
            // One that is in use is nobody's to drop.
            let large = try session.socket(port: 10, order: 4)
            #expect(try large.open() == 0)
            #expect(try large.connect(to: server.address) == -ENOMEM)
            #expect(try socket.receive(1) == [1])
        }

        @Test func keptPagesMakeRoomInTheTableOfMappedGrants() throws {
            let fixture = try SessionsFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let before = fixture.mappedPages
            fixture.xen.setLimits(of: .control) { $0.mapTrack = before + 1 + 2 * Self.socketPages }
            for port in 1..<UInt32(6) { try use(port, of: session, server) }
            #expect(fixture.mappedPages <= before + 2 * Self.socketPages)
            try use(6, of: session, server, order: 4)
            #expect(fixture.mappedPages <= before + 2 * Self.socketPages)
        }

        @Test func pagesWithoutAUseGoAfterSomeSeconds() throws {
            let fixture = try SessionsFixture()
            defer { fixture.stop() }
            fixture.onService { [device = fixture.device] in device.kept.patience = 1 }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let before = fixture.mappedPages
            let live = try session.socket(port: 1)
            try live.connected(to: server.address)
            let peer = try server.accept()
            // More than go in one turn.
            for port in 2..<UInt32(40) { try use(port, of: session, server, order: 1) }
            #expect(eventually(within: 10) { fixture.mappedPages == before + Self.socketPages })
            peer.write([9])
            #expect(try live.receive(1) == [9])
            try use(2, of: session, server)
            #expect(eventually(within: 10) { fixture.mappedPages == before + Self.socketPages })
        }

        @Test func aSessionsEndAndTheDevicesLeaveNothingKept() throws {
            let fixture = try SessionsFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let (session, other) = (try fixture.agent.open(), try fixture.agent.open())
            let before = fixture.mappedPages
            for port in 1..<UInt32(4) { try use(port, of: session, server) }
            try use(1, of: other, server)
            #expect(fixture.mappedPages == before + 4 * Self.socketPages)
            #expect(try session.end() == 0)
            #expect(eventually { fixture.mappedPages == before / 2 + Self.socketPages })
            fixture.closeDevice()
            #expect(fixture.mappedPages == -1)
            #expect(eventually { fixture.isServiceIdle })
        }

        @Test func aPortWhoseSessionIsOverKeepsNothing() throws {
            let fixture = try SessionsFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let before = fixture.mappedPages
            let (first, second) = (try session.socket(port: 1), try session.socket(port: 2))
            try first.connected(to: server.address)
            try second.connected(to: server.address)
            #expect(try session.end() == 0)
            first.close()
            #expect(eventually { first.generation == 1 })
            #expect(fixture.mappedPages == before + Self.socketPages)
        }

        @Test func aGuestThatNamesWhatIsNotThereGainsNothing() throws {
            let fixture = try SessionsFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let before = fixture.mappedPages
            for port in 1..<UInt32(4) { try use(port, of: session, server) }
            for round in 0..<UInt32(8) {
                let strange = try session.socket(port: 5)
                let ret = try session.call(
                    .socket(
                        id: 5, domain: 2, type: 1, protocol: 0, eventChannel: 5,
                        indexesPage: GrantReference(7_777_777 + round))
                ).ret
                #expect(ret == -EINVAL)
                #expect(strange.generation == round + 1)
                strange.close()
            }
            #expect(fixture.mappedPages == before)
            try use(1, of: session, server)
        }
    }
}
