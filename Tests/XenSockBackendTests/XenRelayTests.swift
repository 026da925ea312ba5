import Glibc
import Testing
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockBackend

extension ServiceTests {
    /// RELAY of a guest's socket, as the backend has its part in it (docs/PROTOCOL.md, 3.7). The tests are the agent.
    @Suite struct XenRelayTests {
        let fixture: SessionsFixture
        let server: Peer
        let session: GuestClient
        let socket: TestSocket

        init() throws {
            fixture = try SessionsFixture()
            server = try Peer.listening()
            session = try fixture.agent.open()
            socket = try session.socket(port: 1)
        }

        private func relayed() throws -> Peer {
            try socket.connected(to: server.address)
            let peer = try server.accept()
            #expect(try session.call(.relay(id: socket.id)).ret == 0)
            return peer
        }

        private func tell(_ offset: Int, _ value: UInt32) {
            session.word(1, offset).storeOrdered(value)
            session.ring(1)
        }

        @Test func itIsAnsweredWhenTheAgentHasLooked() throws {
            defer { fixture.stop() }
            try socket.connected(to: server.address)
            session.dozeAwake()
            let slot = try session.push(.relay(id: socket.id))
            #expect(!session.hasResponse(slot))
            #expect(session.word(1, PlaceholderLine.ends).load() == PlaceholderLine.End.relay)
            #expect(session.word(1, PlaceholderLine.purges).load() == 1)
            #expect(socket.status(StatusLine.flags) & StatusLine.Flag.relayed != 0)
            session.goOn()
            #expect(try session.awaitResponse(slot).ret == 0)
            #expect(try session.call(.relay(id: socket.id)).ret == 0)
            #expect(session.word(1, PlaceholderLine.looks).load() == 2)
        }

        @Test func theRingGoesOnAndWakesWhoeverIsItsFrontend() throws {
            defer { fixture.stop() }
            let peer = try relayed()
            peer.write(Array("hello".utf8))
            #expect(eventually { session.word(1, PlaceholderLine.tokens).load() == 1 })
            #expect(try socket.receive(5) == Array("hello".utf8))
            #expect(try socket.send(Array("world".utf8)) == 5)
            #expect(peer.read(5).bytes == Array("world".utf8))
        }

        @Test func aConnectUnderWayIsRelayedBeforeItIsSeenToStand() throws {
            defer { fixture.stop() }
            #expect(try socket.open() == 0)
            #expect(try session.call(.relay(id: socket.id)).ret == 0)
            #expect(session.word(1, PlaceholderLine.ends).load() == 0)
            _ = try socket.connect(to: server.address)
            #expect(eventually { socket.state == .connected })
            #expect(socket.status(StatusLine.flags) & StatusLine.Flag.relayed != 0)
            #expect(eventually { session.word(1, PlaceholderLine.ends).load() == PlaceholderLine.End.relay })
        }

        @Test func fewBytesAreToldOfWhateverTheLowWater() throws {
            defer { fixture.stop() }
            try socket.connected(to: server.address)
            let option = Request.setsockopt(id: socket.id, level: 1, name: 18, length: 4, outProducer: 0)
            #expect(try session.call(option, value: [100, 0, 0, 0]).ret == 0)
            let peer = try server.accept()
            #expect(try session.call(.relay(id: socket.id)).ret == 0)
            peer.write([1])
            #expect(eventually { session.word(1, PlaceholderLine.tokens).load() == 1 })
        }

        @Test func theEndOfTheProgramIsTheEndBehindItsLastByte() throws {
            defer { fixture.stop() }
            let peer = try relayed()
            #expect(try socket.send(Array("last".utf8)) == 4)
            tell(PlaceholderLine.ended, 1)
            #expect(peer.read(4).bytes == Array("last".utf8))
            #expect(peer.read(1).result == 0)
            peer.write([7])
            #expect(try socket.receive(1) == [7])
        }

        @Test(arguments: [PlaceholderLine.Hangup.closed, PlaceholderLine.Hangup.reset])
        func aCloseOverUnreadBytesResets(_ hangup: UInt32) throws {
            defer { fixture.stop() }
            let peer = try relayed()
            #expect(try socket.send(Array("last".utf8)) == 4)
            tell(PlaceholderLine.hangup, hangup)
            #expect(peer.read(4).bytes == Array("last".utf8))
            #expect(peer.read(1).result == (hangup == PlaceholderLine.Hangup.reset ? -Int(ECONNRESET) : 0))
            #expect(eventually { socket.generation == 1 })
        }

        @Test func whatTheProgramLeftIsStillTaken() throws {
            defer { fixture.stop() }
            let peer = try relayed()
            tell(PlaceholderLine.hangup, PlaceholderLine.Hangup.finishing)
            usleep(20_000)
            #expect(socket.generation == 0)
            #expect(try socket.send(Array("late".utf8)) == 4)
            tell(PlaceholderLine.hangup, PlaceholderLine.Hangup.closed)
            #expect(peer.read(4).bytes == Array("late".utf8))
            #expect(peer.read(1).result == 0)
            #expect(eventually { socket.generation == 1 })
        }

        @Test func aCloseWithLingerOfZeroDoesNotWaitForTheRest() throws {
            defer { fixture.stop() }
            let peer = try relayed()
            let option = Request.setsockopt(id: socket.id, level: 1, name: 13, length: 8, outProducer: 0)
            #expect(try session.call(option, value: [1, 0, 0, 0, 0, 0, 0, 0]).ret == 0)
            tell(PlaceholderLine.hangup, PlaceholderLine.Hangup.finishing)
            #expect(peer.read(1).result == -Int(ECONNRESET))
            #expect(eventually { socket.generation == 1 })
        }

        @Test func aShutdownAppliesBehindWhatTheAgentHasYetToMove() throws {
            defer { fixture.stop() }
            let peer = try relayed()
            session.word(1, PlaceholderLine.written).store(6)
            #expect(try session.call(.shutdown(id: socket.id, how: 1, outProducer: 0)).ret == 0)
            #expect(try socket.send(Array("abc".utf8)) == 3)
            #expect(try socket.send(Array("def".utf8)) == 3)
            #expect(peer.read(6).bytes == Array("abcdef".utf8))
            #expect(peer.read(1).result == 0)
        }

        @Test func whatTheProgramHasWrittenCountsAsQueued() throws {
            defer { fixture.stop() }
            _ = try relayed()
            session.word(1, PlaceholderLine.written).store(100)
            let response = try session.call(.ioctl(id: socket.id, request: IoctlRequest.outputQueue))
            #expect(response.payload == .value(100))
        }

        @Test func aDeadHolderOfALockLeavesTheWordsAlone() throws {
            defer { fixture.stop() }
            let peer = try relayed()
            let locks = StatusLine.lock(session: session.number, thread: 9)
            let line = session.base + XenSockWire.Arena.statusOffset(port: 1)
            SharedWord64(line + StatusLine.receiveLock).store(locks)
            SharedWord64(line + StatusLine.sendLock).store(locks)
            #expect(try session.end() == 0)
            #expect(SharedWord64(line + StatusLine.receiveLock).load() == 0)
            #expect(SharedWord64(line + StatusLine.sendLock).load() == 0)
            #expect(!socket.incoming.producerValue().has(InProducer.unsettled))
            #expect(session.word(1, PlaceholderLine.tokens).load() == 0)
            peer.write([5])
            #expect(try socket.receive(1) == [5])
        }
    }
}
