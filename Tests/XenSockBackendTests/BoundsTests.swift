import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

@Suite struct LookWaitsTests {
    @Test func whatNobodyNeedsIsForgotten() {
        var waits = LookWaits()
        for look in 1...10000 as ClosedRange<UInt32> { waits.append(look, isNeeded: { look % 1000 == 0 }) {} }
        #expect(waits.count < 200)
        var called = 0
        waits.append(10001, isNeeded: { true }) { called += 1 }
        #expect(waits.takeAnswered(10002, of: 10001).isEmpty)
        #expect(waits.takeAnswered(999, of: 10001).isEmpty)
        #expect(waits.takeAnswered(1000, of: 10001).count == 1)
        for then in waits.takeAnswered(10001, of: 10001) { then() }
        #expect(called == 1)
        #expect(waits.count == 0)
    }
}

extension ServiceTests {
    /// How long a frontend can keep the service. Once the fixture is stopped the tests take the reactor's steps themselves.
    @Suite struct BoundsTests {
        private func push(_ request: Request, _ client: TestClient, count: Int = 1) throws {
            for _ in 0..<count {
                try RequestCodec(.xensock2).encode(
                    request, requestID: client.ring.nextSlot, into: client.ring.nextRequest())
                _ = client.ring.push()
            }
        }

        private func takeResponses(_ client: TestClient) throws -> Int {
            var count = 0
            while try client.ring.nextResponse() != nil {
                client.ring.consumeResponse()
                count += 1
            }
            return count
        }

        @Test("Requests that come before another's have a bound, and that one waits for them")
        func postedRequestsHaveABound() throws {
            let fixture = try ServiceFixture()
            let (owner, heir) = (
                try TestClient.connected(path: fixture.path), try TestClient.connected(path: fixture.path)
            )
            let test = try TestSocket(owner, port: 1)
            #expect(try test.open() == 0)
            #expect(try heir.attach(test.placeholder, id: 9).u32(4) == 0)
            fixture.stop()
            let service = fixture.service
            let session = try #require(service.sessions[heir.sessionID])
            let socket = try #require(session.sockets[9])
            var performed = 0
            for _ in 0..<1000 {
                try push(.getsockname(id: test.id), owner, count: 32)
                let isDone = service.performPosted(of: socket, before: session)
                performed += try takeResponses(owner)
                if !isDone { break }
            }
            #expect(performed == Service.aheadBudget)
            // The ring of the owner is full, and what stands there comes first.
            try push(.getsockname(id: 9), heir)
            #expect(!service.runCommands(session))
            #expect(try takeResponses(heir) == 0)
            #expect(service.readySessions.contains { $0 === session })
            service.spentAhead = [:]
            #expect(service.runCommands(session))
            #expect(try takeResponses(owner) == 32)
            #expect(try takeResponses(heir) == 1)
            // An owner that posts without end does not hold the other up for ever.
            try push(.getsockname(id: 9), heir)
            service.spentAhead[session.credentials.account] = Service.aheadBudget
            try push(.getsockname(id: test.id), owner)
            var turns = 0
            while turns < 100, try takeResponses(heir) == 0 {
                service.runCommands(session)
                turns += 1
            }
            #expect(turns == 17)
        }

        @Test func anAttachOfWhatIsNotKnownHasABound() throws {
            let fixture = try ServiceFixture()
            let (owner, heir) = (
                try TestClient.connected(path: fixture.path), try TestClient.connected(path: fixture.path)
            )
            fixture.stop()
            let service = fixture.service
            let session = try #require(service.sessions[heir.sessionID])
            var performed = 0
            for _ in 0..<1000 {
                // The last makes the others come before it.
                try push(.flush(id: 77, outProducer: 0), owner, count: 31)
                let request = Request.socket(
                    id: 7, domain: 2, type: 1, protocol: 0, eventChannel: EventChannelPort(1), indexesPage: 9)
                try push(request, owner)
                let isDone = service.performPosted(visibleTo: session)
                performed += try takeResponses(owner)
                if !isDone { break }
            }
            #expect(performed >= 32)
            #expect(performed <= Service.aheadBudget / Service.movingCost + 32)
            // Frames wait then.
            var attach = FrameWriter(.attach)
            attach.append(UInt64(9))
            _ = heir.send(attach, [heir.doorbell])
            service.receiveFrames(session)
            #expect(!waitFor(heir.session, POLLIN, 0))
            service.spentAhead = [:]
            service.receiveFrames(session)
            #expect(try #require(try heir.receive()).bytes.u32(4) == UInt32(EBADF))
        }

        @Test func aSessionWithManyNamesForOneSocketEndsAtOnce() throws {
            let fixture = try ServiceFixture()
            let clients = [
                try TestClient.connected(path: fixture.path), try TestClient.connected(path: fixture.path),
            ]
            let test = try TestSocket(clients[0], port: 1)
            #expect(try test.open() == 0)
            fixture.stop()
            let service = fixture.service
            let sessions = try clients.map { try #require(service.sessions[$0.sessionID]) }
            let socket = try #require(sessions[0].sockets[test.id.rawValue])
            for session in sessions {
                for id in 0..<64000 as Range<UInt64> { service.name(socket, 1000 + id, in: session) }
            }
            // A pass for each name would take minutes.
            let start = service.kernel.now()
            service.end(sessions[1], reason: "test")
            #expect(service.kernel.now() - start < 60_000_000_000)
            #expect(socket.references.count == 64001)
            #expect(socket.references.allSatisfy { $0.session == sessions[0].id })
        }

        @Test func onlyPortsWithASocketAreLookedAtWhenASessionEnds() throws {
            let fixture = try ServiceFixture()
            let client = try TestClient.connected(path: fixture.path)
            let sockets = try (1..<4 as Range<UInt32>).map { try TestSocket(client, port: $0) }
            for socket in sockets { #expect(try socket.open() == 0) }
            sockets[1].close()
            #expect(eventually { sockets[1].generation == 1 })
            fixture.stop()
            let arena = try #require(fixture.service.sessions[client.sessionID]?.arena)
            #expect(arena.takenPorts == [1, 3])
        }

        @Test func aFlushOfManyRecordsSendsThemAllBeforeItIsAnswered() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let receiver = Peer(descriptor: socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | O_CLOEXEC, 0))
            _ = SocketAddress.loopback(port: 0).withUnsafeBytes { LinuxKernel().bind(receiver.descriptor, $0) }
            let client = try TestClient.connected(path: fixture.path)
            let sender = try TestSocket(client, port: 1, order: 7)
            #expect(try sender.open(type: 2) == 0)
            var end: UInt32 = 0
            for number in 0..<200 as Range<UInt8> {
                end = try publishRecord(sender.outgoing, [number], to: receiver.address).end
            }
            #expect(try client.call(.flush(id: sender.id, outProducer: end)).ret == 0)
            // All are there when the answer is.
            #expect(SharedWord64(sender.indexes + 4032).load() >> 32 == UInt64(end))
            for number in 0..<200 as Range<UInt8> { #expect(receiver.read(1).bytes == [number]) }
        }

        @Test func sessionsOfOneUserHaveTheirShareOfATurn() throws {
            let fixture = try ServiceFixture()
            let clients = try (0...Service.sessionsInTurn).map { _ in try TestClient.connected(path: fixture.path) }
            fixture.stop()
            let service = fixture.service
            let sessions = try clients.map { try #require(service.sessions[$0.sessionID]) }
            service.readySessions = []
            for session in service.sessions.values { session.isQueued = false }
            for client in clients { try push(.getsockname(id: 77), client) }
            for session in sessions { service.queue(session) }
            var ready = service.readySessions
            service.readySessions = []
            service.runSome(of: ready)
            #expect(try clients.map { try takeResponses($0) }.reduce(0, +) == Service.sessionsInTurn)
            #expect(service.readySessions.first === sessions.last)
            ready = service.readySessions
            service.readySessions = []
            service.runSome(of: ready)
            #expect(try takeResponses(clients[Service.sessionsInTurn]) == 1)
        }
    }
}
