import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    @Suite struct DataPathTests {
        let fixture: ServiceFixture
        let client: TestClient
        let server: Peer

        init() throws {
            fixture = try ServiceFixture()
            client = try TestClient.connected(path: fixture.path)
            server = try Peer.listening(receiveBuffer: 4096)
        }

        private func pair(port: UInt32 = 1, order: UInt32 = 3) throws -> (TestSocket, Peer) {
            let socket = try TestSocket(client, port: port, order: order)
            try socket.connected(to: server.address)
            return (socket, try server.accept())
        }

        @Test func aMegabyteEachWayComesThroughUnchanged() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair(order: 2)
            let data = (0..<1_000_003).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 11) }
            var sent = 0
            var echoed: [UInt8] = []
            while echoed.count < data.count {
                if sent < data.count { sent += try socket.send(Array(data[sent..<min(data.count, sent + 5000)])) }
                var buffer = [UInt8](repeating: 0, count: 65536)
                let count = recv(peer.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if count > 0 { peer.write(Array(buffer[0..<count])) }
                echoed += try socket.take()
            }
            #expect(echoed == data)
        }

        @Test func oneTokenStandsForAllDataUntilTheRingWasFoundEmpty() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            for round in 1...3 {
                peer.write([1, 2, 3])
                #expect(try eventually { try socket.incoming.view().count == UInt32(3 * round) })
            }
            #expect(socket.tokensInPlaceholder == 1)
            #expect(try socket.take().count == 9)
            #expect(socket.tokensInPlaceholder == 1)
            #expect(try socket.disarm())
            #expect(socket.tokensInPlaceholder == 0)
        }

        @Test func anEdgeTriggeredSocketGetsATokenAtEveryPublish() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            let flags = client.base + XenSockWire.Arena.statusOffset(port: 1) + StatusLine.flags
            SharedWord32(flags).store(StatusLine.Flag.edgeTriggered)
            for round in 1...3 {
                peer.write([1])
                #expect(try eventually { try socket.incoming.view().count == UInt32(round) })
            }
            #expect(eventually { socket.tokensInPlaceholder == 3 })
            #expect(try socket.take().count == 3)
            #expect(try socket.disarm())
            #expect(socket.tokensInPlaceholder == 0)
        }

        @Test func aFullInRingStallsUntilHalfIsFree() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair(order: 1)
            let data = (0..<20000).map { UInt8(truncatingIfNeeded: $0) }
            peer.write(data)
            #expect(try eventually { try socket.incoming.view().count == 4096 })
            #expect(try eventually { try socket.incoming.view().consumer.has(InConsumer.stall) })
            #expect(try socket.receive(data.count) == data)
        }

        @Test func aFullOutRingBlocksThePlaceholderUntilHalfIsSent() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair(order: 1)
            let sent = try socket.fillAndBlock()
            #expect(polled(socket.placeholder) & POLLOUT == 0)
            #expect(peer.read(sent).bytes.count == sent)
            #expect(waitFor(socket.placeholder, POLLOUT, 20_000))
            #expect(!socket.outgoing.consumerValue().has(OutConsumer.full | OutConsumer.fillerPending))
            #expect(try socket.send([1]) == 1)
            #expect(peer.read(1).bytes == [1])
        }

        @Test func aFillerOfADrainedRingIsTakenBack() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            // A writer that was slow: FPEND stands, the ring drains, and only then the filler comes.
            guard case .sendFiller = socket.outgoing.block(socket.outgoing.consumerValue()) else {
                Issue.record("no filler was asked for")
                return
            }
            #expect(try socket.send([1, 2]) == 2)
            #expect(peer.read(2).bytes == [1, 2])
            #expect(eventually { socket.outgoing.consumerValue().has(OutConsumer.owed) })
            let filler = [UInt8](repeating: 0, count: 256)
            #expect(write(socket.placeholder, filler, 256) == 256)
            try socket.outgoing.fillerSent()
            #expect(eventually { !socket.outgoing.consumerValue().has(OutConsumer.owed) })
            #expect(waitFor(socket.placeholder, POLLOUT, 20_000))
        }

        @Test func theEndOfTheStreamComesBehindTheDataAndKeepsItsToken() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            socket.set(StatusLine.Flag.endWanted)
            peer.close()
            #expect(try eventually { try socket.incoming.view().endOfFile })
            #expect(eventually { polled(socket.placeholder) & 0x2000 != 0 })
            #expect(socket.tokensInPlaceholder == 1)
            #expect(polled(socket.placeholder) & (POLLHUP | POLLERR) == 0)
            #expect(socket.state == .connected)
            // The program's end lives, although the service has shut its own.
            #expect(try socket.release() == 0)
            #expect(socket.state == .connected)
            #expect(try socket.send([9]) == 1)
        }

        @Test func aResetShowsDataThenTheErrorThenTheEnd() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            peer.write([1, 2, 3])
            #expect(try eventually { try socket.incoming.view().count == 3 })
            peer.reset()
            #expect(eventually { socket.state == .reset })
            #expect(socket.status(StatusLine.error) == UInt32(ECONNRESET))
            #expect(try socket.incoming.view().endOfFile)
            #expect(try socket.outgoing.view().isBroken)
            #expect(try socket.take() == [1, 2, 3])
            #expect(eventually { polled(socket.placeholder) & POLLHUP != 0 })
            // Its own shutdown is no hang-up: the port is the program's until it closes.
            #expect(try socket.release() == 0)
            #expect(socket.generation == 0)
            socket.close()
            #expect(eventually { socket.generation == 1 })
        }

        @Test func shutdownForWritingWaitsForTheBytesBeforeIt() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair(order: 1)
            let sent = try socket.fill()
            #expect(try socket.shutdown(1) == 0)
            let (bytes, result) = peer.read(sent + 1)
            #expect(bytes.count == sent)
            #expect(result == 0)
            // The other direction lives on.
            peer.write([5])
            #expect(try socket.receive(1) == [5])
            peer.close()
            #expect(try eventually { try socket.incoming.view().endOfFile })
            #expect(polled(socket.placeholder) & POLLHUP == 0)
            // A waiter that nothing else would wake.
            socket.set(StatusLine.Flag.endWanted)
            client.ring(socket.port)
            #expect(eventually { polled(socket.placeholder) & POLLHUP != 0 })
            #expect(socket.generation == 0)
        }

        @Test func shutdownForReadingShowsTheEnd() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            #expect(try socket.shutdown(0) == 0)
            #expect(try eventually { try socket.incoming.view().endOfFile })
            #expect(try socket.send([4]) == 1)
            #expect(peer.read(1).bytes == [4])
        }

        @Test func whatComesAfterShutdownForReadingCanBeRead() throws {
            defer { fixture.stop() }
            let (socket, peer) = try pair()
            #expect(try socket.shutdown(0) == 0)
            peer.write([1, 2, 3])
            #expect(try eventually { try socket.incoming.view().count == 3 })
            #expect(try socket.incoming.view().endOfFile)
            peer.write([4])
            #expect(try eventually { try socket.incoming.view().count == 4 })
        }

        @Test func scatteredRingPagesAreRefused() throws {
            defer { fixture.stop() }
            let socket = try TestSocket(client, port: 1, order: 1)
            let first = TestSocket.page(client, 1).rawValue + 1
            SharedWord32(socket.indexes + DataRingLayout.referenceOffset(page: 0)).store(first + 1)
            SharedWord32(socket.indexes + DataRingLayout.referenceOffset(page: 1)).store(first)
            #expect(try socket.open() == 0)
            #expect(try socket.connect(to: server.address) == -EINVAL)
        }
    }
}
