import Glibc
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire
import XenSockXen

@testable import XenSockBackend

extension ServiceTests {
    /// Guests that break the protocol lose what they broke (docs/PROTOCOL.md, 3.7).
    @Suite struct XenHostileTests {
        let fixture: SessionsFixture

        init() throws { fixture = try SessionsFixture() }

        /// The service still serves a session of the device.
        private func isServed(_ session: GuestClient, port: UInt32 = 40) throws -> Bool {
            let server = try Peer.listening()
            let socket = try session.socket(port: port)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            peer.write([1])
            let isServed = try socket.receive(1) == [1]
            socket.close()
            return isServed && eventually { socket.generation > 0 }
        }

        @Test func listsThatMakeNoSenseAreRefused() throws {
            defer { fixture.stop() }
            let words: [(offset: Int, values: [UInt32])] = [
                (DockRegion.ports, [0, 1, 63, 65, 4160, 1 << 31, .max]), (DockRegion.controlPages, [0, 9, 11, .max]),
                (DockRegion.dockPages, [0, 2, 4, .max]), (DockRegion.references, [0, 7_000_000, .max]),
                (DockRegion.references + 4 * 12, [0, .max]),
            ]
            for (offset, values) in words {
                for value in values {
                    let session = try fixture.agent.prepare()
                    session.list(offset, value)
                    #expect(try session.open().ret == -EINVAL, "\(value) at \(offset)")
                }
            }
            let session = try fixture.agent.prepare()
            for reference in [0, 1, UInt32.max] { #expect(try session.open(reference: reference).ret == -EINVAL) }
            for channel in [0, 1, 5000, UInt32.max] { #expect(try session.open(channel: channel).ret == -EINVAL) }
            #expect(fixture.mappedPages == 0)
            #expect(fixture.device.boundPorts == 0)
            #expect(try session.open().ret == 0)
            #expect(try session.open().ret == -EEXIST)
            #expect(try isServed(session))
            #expect(fixture.device.violations == [])
        }

        @Test func endlessNonsenseIsAViolation() throws {
            defer { fixture.stop() }
            let session = try fixture.agent.prepare()
            for _ in 0...XenSessions.patience { _ = try session.open(reference: 1) }
            #expect(eventually { fixture.device.violations.count == 1 })
        }

        @Test func requestsBeyondTheRingAreAViolation() throws {
            defer { fixture.stop() }
            fixture.agent.claimRequests(34)
            // At each look: nobody takes this device away.
            #expect(eventually { !fixture.device.violations.isEmpty })
        }

        @Test func unknownRequestsAreAnswered() throws {
            defer { fixture.stop() }
            for command: UInt32 in [0, 1, 79, 83, .max] {
                #expect(try fixture.agent.call(command, id: 5).ret == -Errno.enotsup)
            }
            #expect(try fixture.agent.call(XenSession.Command.end.rawValue, id: 5).ret == -ENOENT)
        }

        @Test func aSessionThatBreaksItsRingEndsAlone() throws {
            defer { fixture.stop() }
            let (bad, good) = (try fixture.agent.open(), try fixture.agent.open())
            let socket = try bad.socket(port: 1)
            #expect(try socket.open() == 0)
            SharedWord32(bad.base + XenSockWire.Arena.commandRingOffset).storeOrdered(1000)
            bad.ring(0)
            #expect(try isServed(good))
            #expect(fixture.device.violations == [])
            #expect(try bad.end() == 0)
            socket.close()
            #expect(eventually { fixture.mappedPages == good.control.pages + good.dock.pages })
        }

        @Test func requestsOfSessionsThatEndedDoNotWaitForAnAgentThatNeverLooks() throws {
            defer { fixture.stop() }
            let owner = try fixture.agent.open()
            let socket = try owner.socket(port: 1)
            #expect(try socket.open() == 0)
            owner.dozeAwake()
            for round in 1...8 as ClosedRange<UInt32> {
                let session = try fixture.agent.open()
                #expect(try session.attach(socket, of: owner) == 0)
                for _ in 0..<32 { _ = try session.push(.release(id: socket.id, reuse: false)) }
                #expect(eventually { owner.word(1, PlaceholderLine.looks).load() == 32 * round })
                #expect(try session.end() == 0)
            }
            var waiting = 0
            fixture.onService { [device = fixture.device] in
                waiting = device.connection?.arenas[owner.id]?.xen?.port(1)?.waiting ?? 1000
            }
            #expect(waiting > 0 && waiting <= 96)
            // Whose own are answered.
            let slot = try owner.push(.release(id: socket.id, reuse: false))
            owner.goOn()
            #expect(try owner.awaitResponse(slot).ret == 0)
            socket.close()
        }

        @Test func garbageInALineHarmsOnlyItsSocket() throws {
            defer { fixture.stop() }
            var random = SeededGenerator(seed: 1)
            let server = try Peer.listening(backlog: 64)
            let (bad, good) = (try fixture.agent.open(), try fixture.agent.open())
            for round in 0..<40 {
                let port = UInt32(1 + round % 8)
                guard let socket = try? bad.socket(port: port), try socket.open() == 0 else { continue }
                _ = try socket.connect(to: server.address)
                fixture.agent.locked {
                    bad.isAsleep = true
                    for offset in stride(from: 0, to: PlaceholderLine.size, by: 4) {
                        // Bound and ends stay honest half of the time, or nothing would be reached behind them.
                        if offset == PlaceholderLine.bound || Bool.random(using: &random) { continue }
                        bad.word(port, offset).store(UInt32.random(in: 0...3, using: &random) &- 1)
                    }
                }
                bad.ring(port)
                let release = try bad.push(.release(id: socket.id, reuse: false))
                _ = bad.hasResponse(release)
                fixture.agent.locked { bad.isAsleep = false }
                socket.close()
            }
            #expect(try isServed(good))
            #expect(fixture.device.violations == [])
        }

        @Test func garbageEverywhereIsOutlived() throws {
            defer { fixture.stop() }
            var random = SeededGenerator(seed: 2)
            let server = try Peer.listening(backlog: 64)
            let good = try fixture.agent.open()
            for round in 0..<20 {
                let bad = try fixture.agent.open()
                let sockets = try (1..<UInt32(5)).map { try bad.socket(port: $0) }
                for socket in sockets {
                    #expect(try socket.open() == 0)
                    _ = try socket.connect(to: server.address)
                }
                fixture.agent.locked { bad.isAsleep = true }
                for _ in 0..<2000 {
                    let value =
                        Bool.random(using: &random)
                        ? UInt32.random(in: 0...64, using: &random) : UInt32(truncatingIfNeeded: random.next())
                    let target = [bad.base, bad.dock.base, sockets[0].indexes].randomElement(using: &random)!
                    let size = target == bad.base ? bad.control.pages : target == bad.dock.base ? bad.dock.pages : 1
                    let offset = Int.random(in: 0..<size * 1024, using: &random) * 4
                    SharedWord32(target + offset).store(value)
                    if round % 2 == 0 { bad.ring(UInt32.random(in: 0..<64, using: &random)) }
                }
                for word in [InConsumer.offset, OutProducer.offset] {
                    SharedWord64(sockets[1].indexes + word).store(
                        UInt64(UInt32(truncatingIfNeeded: random.next())) << 32)
                }
                for port in 0..<UInt32(64) { bad.ring(port) }
                fixture.agent.locked { bad.isAsleep = false }
                #expect(try bad.end() == 0)
                for socket in sockets { socket.close() }
            }
            #expect(try isServed(good))
            fixture.closeDevice()
            #expect(fixture.mappedPages == -1)
            #expect(fixture.device.boundPorts == 0)
        }
    }
}
