import Glibc
import Logging
import Synchronization
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire
import XenSockXen

@testable import XenSockBackend

/// Set by one thread, seen by another.
private final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}

/// A port of 127.0.0.1 that nobody has just now.
private func freePort() throws -> UInt16 {
    let peer = try Peer.listening()
    defer { peer.close() }
    return peer.address.port ?? 0
}

extension ServiceTests {
    /// `pvcalls1` with guests.
    @Suite struct XenV1Tests {
        let fixture: XenFixture
        var xen: SimulatedXen { fixture.xen }

        init() throws { fixture = try XenFixture() }

        @Test(arguments: [1, 4, 8] as [UInt32]) func aConnectionCarriesBytesBothWays(_ order: UInt32) throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let guest = try fixture.guest(5)
            try guest.makeRing(1, order: order)
            #expect(try guest.socket(1, domain: 2, type: 1) == 0)
            #expect(try guest.connect(1, to: server.address) == 0)
            #expect(xen.mappings(by: .control) == 2 + 1 << Int(order))
            let peer = try server.accept()
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            for start in stride(from: 0, to: bytes.count, by: 10_000) {
                let piece = Array(bytes[start..<start + 10_000])
                try guest.send(1, piece)
                #expect(peer.read(piece.count).bytes == piece)
                peer.write(piece)
                #expect(try guest.receive(1, piece.count) == piece)
            }
            #expect(try guest.release(1) == 0)
            #expect(xen.mappings(by: .control) == 1)
            #expect(xen.boundPorts(of: .control).count == 1)
            #expect(peer.read(1).bytes == [])
        }

        @Test func theEndOfTheStreamComesBehindItsBytes() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let guest = try fixture.guest(5)
            #expect(try guest.connect(1, to: server.address) == 0)
            let peer = try server.accept()
            peer.write([1, 2, 3])
            peer.close()
            #expect(try guest.receive(1, 10) == [1, 2, 3])
            #expect(guest.view(1).input.error.load() == UInt32(bitPattern: -107))
        }

        @Test func bytesLeftAtTheReleaseAreSent() throws {
            defer { fixture.stop() }
            let server = try Peer.listening(receiveBuffer: 4096)
            let guest = try fixture.guest(5)
            try guest.makeRing(1, order: 8)
            #expect(try guest.connect(1, to: server.address) == 0)
            let peer = try server.accept()
            let bytes = [UInt8](repeating: 7, count: 4_000_000)
            // Until the kernel takes no more, and the ring is full.
            let output = guest.view(1).output
            var sent = 0
            while sent < bytes.count {
                let room = Int(output.size - (output.producer.load() &- output.consumer.load()))
                if room == 0,
                    !eventually(within: 0.2, { output.producer.load() &- output.consumer.load() < output.size })
                {
                    break
                }
                let count = min(room, bytes.count - sent)
                if count > 0 { try guest.send(1, Array(bytes[0..<count])) }
                sent += count
            }
            #expect(sent < bytes.count)
            #expect(try guest.release(1) == 0)
            #expect(xen.mappings(by: .control) == 1)
            #expect(peer.read(sent).bytes == Array(bytes[0..<sent]))
            #expect(peer.read(1).bytes == [])
        }

        @Test func aRefusedConnectLeavesNothingMapped() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let address = server.address
            server.close()
            let guest = try fixture.guest(5)
            #expect(try guest.connect(1, to: address) == -111)
            #expect(xen.mappings(by: .control) == 1)
            #expect(try guest.release(1) == 0)
            #expect(try guest.release(1) == 0)
        }

        @Test func aListenerAcceptsAndPolls() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            #expect(try guest.socket(1, domain: 2, type: 1) == 0)
            let port = try freePort()
            #expect(try guest.call(.bind(id: 1, address: .loopback(port: port))) == 0)
            #expect(try guest.call(.listen(id: 1, backlog: 8)) == 0)
            let poll = try guest.post(.poll(id: 1))
            let accept = try guest.post(guest.acceptRequest(1, into: 2))
            #expect(try guest.call(.poll(id: 1)) == -4)
            #expect(try guest.call(guest.acceptRequest(1, into: 3)) == -4)
            #expect(try !guest.hasAnswer())
            let first = try Peer.connected(to: .loopback(port: port))
            #expect(try guest.answer(accept).ret == 0)
            let second = try Peer.connected(to: .loopback(port: port))
            #expect(try guest.answer(poll).ret == 0)
            #expect(try guest.call(guest.acceptRequest(1, into: 3)) == 0)
            first.write([1])
            second.write([2])
            #expect(try guest.receive(2, 1) == [1])
            #expect(try guest.receive(3, 1) == [2])
            for id in [SocketID(2), 3, 1] { #expect(try guest.release(id) == 0) }
            #expect(xen.mappings(by: .control) == 1)
        }

        @Test func whatAListenerHoldsIsAnsweredBeforeItsRelease() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            #expect(try guest.call(.bind(id: 1, address: .loopback(port: 0))) == 0)
            #expect(try guest.call(.listen(id: 1, backlog: 8)) == 0)
            let poll = try guest.post(.poll(id: 1))
            let accept = try guest.post(guest.acceptRequest(1, into: 2))
            let release = try guest.post(.release(id: 1, reuse: false))
            let answers = [try guest.next(), try guest.next(), try guest.next()]
            #expect(Set(answers[0..<2].map(\.requestID)) == [poll, accept])
            // Also the ACCEPT's, which nobody would collect.
            #expect(answers.map(\.command) == [6, 6, 2])
            #expect(answers.map(\.id) == [1, 1, 1])
            #expect(answers[2].requestID == release)
            #expect(answers[2].ret == 0)
            #expect(xen.mappings(by: .control) == 1)
            #expect(xen.boundPorts(of: .control).count == 1)
            // The name of the connection that did not come is unknown.
            #expect(try guest.call(.poll(id: 2)) == -22)
            #expect(try guest.release(2) == 0)
        }

        @Test func everyRequestIsAnswered() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            #expect(try guest.socket(1, domain: 10, type: 1) == -95)
            #expect(try guest.socket(1, domain: 2, type: 2) == -95)
            #expect(try guest.call(.poll(id: 1)) == -22)
            #expect(try guest.call(.listen(id: 1, backlog: 1)) == -22)
            #expect(try guest.call(guest.acceptRequest(1, into: 2)) == -22)
            #expect(try guest.socket(1, domain: 2, type: 1) == 0)
            #expect(try guest.socket(1, domain: 2, type: 1) == -17)
            #expect(try guest.call(.poll(id: 1)) == -22)
            #expect(try guest.call(guest.acceptRequest(1, into: 2)) == -22)
            // BIND's failure is LISTEN's.
            #expect(try guest.call(.bind(id: 1, address: .ipv4(0xc000_0201, port: 80))) == -99)
            #expect(try guest.call(.listen(id: 1, backlog: 1)) == -99)
            for command in [7, 64, 77, 80, 0xffff_ffff] as [UInt32] {
                let slot = guest.ring.nextRequest()
                for word in 0..<16 { SharedWord32(slot + 4 * word).store(0xffff_ffff) }
                SharedWord32(slot + 4).store(command)
                if guest.ring.push() { guest.ringBell() }
                let answer = try guest.next()
                #expect(answer.command == command)
                #expect(answer.ret == -95)
                #expect(answer.id == SocketID(0xffff_ffff_ffff_ffff))
            }
            #expect(try guest.release(1) == 0)
        }

        @Test func ringsThatCannotBeMappedAreRefused() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let guest = try fixture.guest(5)
            let ring = try guest.makeRing(1)
            let order = SharedWord32(ring.memory.base + IndexesPage.ringOrder)
            for bad in [0, 9, 10, 31, 32, 0xffff_ffff] as [UInt32] {
                order.store(bad)
                #expect(try guest.connect(1, to: server.address) == -22)
            }
            order.store(1)
            let reference = SharedWord32(ring.memory.base + DataRingLayout.referenceOffset(page: 1))
            let good = reference.load()
            reference.store(0xdead)
            #expect(try guest.connect(1, to: server.address) == -22)
            reference.store(good)
            for (page, port) in [
                (0xdead, ring.port), (ring.memory.references[0], 4000), (ring.memory.references[0], guest.port),
            ] {
                let request = Request.connect(
                    id: 1, address: server.address, flags: 0, ring: .indexesPage(GrantReference(page)),
                    eventChannel: EventChannelPort(port))
                #expect(try guest.call(request) == -22)
            }
            #expect(xen.mappings(by: .control) == 1)
            #expect(xen.boundPorts(of: .control).count == 1)
            #expect(try guest.connect(1, to: server.address) == 0)
        }

        @Test func indexesBeyondTheRingEndTheSocketOnly() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let guest = try fixture.guest(5)
            #expect(try guest.connect(1, to: server.address) == 0)
            #expect(try guest.connect(2, to: server.address) == 0)
            guest.view(1).output.producer.store(0x8000_0000)
            guest.ringBell(of: 1)
            #expect(eventually { guest.view(1).input.error.load() == UInt32(bitPattern: -5) })
            #expect(try guest.release(1) == 0)
            try guest.send(2, [1, 2])
            _ = try server.accept()
            #expect(try server.accept().read(2).bytes == [1, 2])
        }

        @Test func moreRequestsThanThereIsRoomForEndTheDeviceOnly() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            let other = try fixture.guest(6)
            SharedWord32(guest.page.base + CommandRingLayout.requestProducer).store(1000)
            guest.ringBell()
            #expect(guest.awaitBackend(.closing))
            #expect(fixture.node(guest, "error")?.contains("violation") == true)
            #expect(xen.mappedGrants(of: 5) == 0)
            #expect(try other.call(.release(id: 1, reuse: false)) == 0)
        }

        @Test func aDeviceThatClosesTakesAllItsSocketsWithIt() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let guest = try fixture.guest(5)
            #expect(try guest.call(.bind(id: 100, address: .loopback(port: 0))) == 0)
            #expect(try guest.call(.listen(id: 100, backlog: 8)) == 0)
            _ = try guest.post(.poll(id: 100))
            _ = try guest.post(guest.acceptRequest(100, into: 101))
            var peers: [Peer] = []
            for id in 1...20 {
                #expect(try guest.connect(SocketID(UInt64(id)), to: server.address) == 0)
                peers.append(try server.accept())
            }
            #expect(xen.mappings(by: .control) == 1 + 21 * 3)
            try guest.send(1, [1, 2, 3])
            try guest.set(.closed)
            #expect(guest.awaitBackend(.closed))
            #expect(fixture.holdsNothing())
            #expect(peers[0].read(10).bytes == [1, 2, 3])
            for peer in peers.dropFirst() { #expect(peer.read(1).bytes == []) }
        }

        @Test func aGuestThatRingsWithoutEndDoesNotStarveAnother() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let hostile = try fixture.guest(5)
            let other = try fixture.guest(6)
            #expect(try hostile.connect(1, to: server.address) == 0)
            let isOver = Flag()
            let worker = Worker {
                while !isOver.isSet {
                    hostile.ringBell(of: 1)
                    hostile.ringBell()
                }
            }
            for _ in 0..<200 { #expect(try other.call(.release(id: 1, reuse: false)) == 0) }
            isOver.set()
            try worker.join()
        }
    }

    /// What a guest may take.
    @Suite struct XenLimitTests {
        @Test func sessionsAreLimited() throws {
            let fixture = try SessionsFixture { $0.maximumSessionsPerUser = 2 }
            defer { fixture.stop() }
            let first = try fixture.agent.open()
            _ = try fixture.agent.open()
            let third = try fixture.agent.prepare()
            #expect(try third.open().ret == -EAGAIN)
            #expect(try first.end() == 0)
            #expect(eventually { (try? third.open().ret) == 0 })
        }

        @Test func acceptedSocketsOfSessionsAreLimitedByDomain() throws {
            var configuration = XenConfiguration()
            configuration.socketsPerDomain = 2
            let fixture = try SessionsFixture(xenConfiguration: configuration)
            defer { fixture.stop() }
            func open() -> Int {
                var open = 0
                fixture.onService { open = fixture.service.openSockets(ofDomain: fixture.guest.rawValue) }
                return open
            }
            let session = try fixture.agent.open()
            let listener = try session.socket(port: 1)
            guard try listener.open() == 0,
                try session.call(.bind(id: listener.id, address: .loopback(port: 0))).ret == 0,
                try session.call(.listen(id: listener.id, backlog: 8)).ret == 0,
                let address = try session.call(.getsockname(id: listener.id)).address
            else { throw ClientError(description: "LISTEN") }
            let peers = try (0..<2).map { _ in try Peer.connected(to: address) }
            let first = try session.socket(port: 2)
            #expect(try eventually { try first.accept(listener).ret == 0 })
            let second = try session.socket(port: 3)
            #expect(try second.accept(listener).ret == -24)
            // A name more is no socket more, and a session less no socket less.
            let heir = try fixture.agent.open()
            #expect(try heir.attach(first, of: session) == 0)
            #expect(open() == 2)
            #expect(try session.end() == 0)
            #expect(open() == 2)
            first.close()
            #expect(eventually { open() == 1 })
            listener.close()
            #expect(eventually { open() == 0 })
            for peer in peers { peer.close() }
        }

        @Test func socketsAreLimitedByDomain() throws {
            let fixture = try XenFixture { $0.socketsPerDomain = 3 }
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            let other = try fixture.guest(6)
            for id in 1...3 { #expect(try guest.socket(SocketID(UInt64(id)), domain: 2, type: 1) == 0) }
            #expect(try guest.socket(4, domain: 2, type: 1) == -24)
            #expect(try other.socket(1, domain: 2, type: 1) == 0)
            #expect(try guest.release(3) == 0)
            #expect(try guest.socket(4, domain: 2, type: 1) == 0)
        }

        @Test func mappedPagesAreLimitedByDomain() throws {
            let fixture = try XenFixture { $0.pagesPerDomain = 8 }
            defer { fixture.stop() }
            let server = try Peer.listening()
            let guest = try fixture.guest(5)
            #expect(try guest.connect(1, to: server.address) == 0)
            #expect(try guest.connect(2, to: server.address) == 0)
            #expect(try guest.connect(3, to: server.address) == -12)
            #expect(fixture.xen.mappings(by: .control) == 7)
            #expect(try guest.release(1) == 0)
            #expect(try guest.connect(4, to: server.address) == 0)
        }

        @Test func withoutAPolicyPrivilegedPortsAreRefused() throws {
            let fixture = try XenFixture(
                policy: PolicyJudge(policy: Policy(), log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
            defer { fixture.stop() }
            let server = try Peer.listening()
            let guest = try fixture.guest(5)
            #expect(try guest.call(.bind(id: 1, address: .loopback(port: 80))) == -13)
            #expect(try guest.call(.listen(id: 1, backlog: 1)) == -13)
            #expect(try guest.call(.bind(id: 2, address: .loopback(port: 0))) == 0)
            #expect(try guest.connect(3, to: server.address) == 0)
        }
    }
}
