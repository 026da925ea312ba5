import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire
import XenSockXen

@testable import XenSockBackend

extension ServiceTests {
    /// Programs, sessions and guests that end (docs/PROTOCOL.md, 3.4 and 3.7).
    @Suite struct XenDeathTests {
        let fixture: SessionsFixture

        init() throws { fixture = try SessionsFixture() }

        /// A connection of one session that another has attached.
        private func shared() throws -> (owner: GuestClient, heir: GuestClient, socket: TestSocket, peer: Peer) {
            let server = try Peer.listening()
            let (owner, heir) = (try fixture.agent.open(), try fixture.agent.open())
            let socket = try owner.socket(port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            guard try heir.attach(socket, of: owner) == 0 else { throw ClientError(description: "ATTACH") }
            return (owner, heir, socket, peer)
        }

        private func lock(_ socket: TestSocket, _ offset: Int) -> SharedWord64 {
            SharedWord64(socket.client.base + XenSockWire.Arena.statusOffset(port: socket.port) + offset)
        }

        @Test func anAttachedSocketOutlivesItsSession() throws {
            defer { fixture.stop() }
            let (owner, heir, socket, peer) = try shared()
            #expect(try heir.attach(socket, of: owner) == 0)
            #expect(try owner.end() == 0)
            #expect(try heir.call(.getpeername(id: socket.id)).ret == 0)
            peer.write([1, 2])
            #expect(try socket.receive(2) == [1, 2])
            // Who comes after its end may still attach it.
            let late = try fixture.agent.open()
            #expect(try late.attach(socket, of: owner, as: 99) == 0)
            #expect(try late.call(.getsockname(id: 99)).ret == 0)
            #expect(try late.attach(socket, of: owner, generation: 5, as: 98) == -EBADF)
            #expect(try owner.open().ret == -EEXIST)
            socket.close()
            #expect(eventually { socket.generation == 1 })
            #expect(try heir.call(.getsockname(id: socket.id)).ret == -EBADF)
            #expect(try late.attach(socket, of: owner, as: 97) == -ENOENT)
        }

        @Test func attachNamesOnlyWhatIsThere() throws {
            defer { fixture.stop() }
            let (owner, heir, socket, _) = try shared()
            let other = try owner.socket(port: 2)
            #expect(try heir.attach(other, of: owner, as: 7) == -EBADF)
            #expect(try other.open() == 0)
            #expect(try heir.attach(other, of: owner, as: socket.id.rawValue) == -EEXIST)
            #expect(try heir.attach(other, of: owner, as: 0xff00_0000_0000_0001) == 0)
            #expect(try heir.call(.getsockname(id: SocketID(0xff00_0000_0000_0001))).ret == -EBADF)
            #expect(try heir.attach(other, of: try fixture.agent.prepare(), as: 7) == -ENOENT)
            #expect(try fixture.agent.prepare().attach(other, of: owner, as: 7) == -ENOENT)
        }

        @Test func aDeadReadersLockIsFreeWhenTheAgentHasSentItsTokens() throws {
            defer { fixture.stop() }
            let (owner, heir, socket, peer) = try shared()
            let held = lock(socket, StatusLine.receiveLock)
            peer.write([1])
            #expect(eventually { socket.tokensInPlaceholder == 1 })
            // Killed between clearing TOKENS and receiving the byte.
            held.store(StatusLine.lock(session: heir.number, thread: 5))
            _ = try socket.take()
            #expect(try socket.incoming.disarm(socket.incoming.view()))
            fixture.agent.locked { owner.isAsleep = true }
            fixture.agent.post(XenSession.Command.end.rawValue, id: heir.id)
            usleep(20000)
            #expect(held.load() != 0)
            fixture.agent.locked { owner.isAsleep = false }
            #expect(try fixture.agent.awaitAnswer(heir.id).ret == 0)
            #expect(held.load() == 0)
            // Nothing is under way any more: the next holder counts two bytes.
            let value = socket.incoming.producerValue()
            #expect(value.has(InProducer.unsettled))
            #expect(socket.tokensInPlaceholder == 2)
            #expect(socket.incoming.settle(value, tokens: 2))
            peer.write([3])
            #expect(try socket.receive(1) == [3])
            #expect(try socket.disarm())
            #expect(socket.tokensInPlaceholder == 0)
        }

        @Test func aDeadSendersFillersArePurged() throws {
            defer { fixture.stop() }
            let (_, heir, socket, peer) = try shared()
            let held = lock(socket, StatusLine.sendLock)
            let sent = try socket.fill()
            held.store(StatusLine.lock(session: heir.number, thread: 5))
            guard case .sendFiller = socket.outgoing.block(socket.outgoing.consumerValue()) else {
                return #expect(Bool(false), "FULL")
            }
            #expect(write(socket.placeholder, [UInt8](repeating: 0, count: 256), 256) == 256)
            #expect(polled(socket.placeholder) & POLLOUT == 0)
            #expect(try heir.end() == 0)
            #expect(held.load() == 0)
            #expect(waitFor(socket.placeholder, POLLOUT, 20_000))
            #expect(socket.outgoing.consumerValue().flags & (OutConsumer.fillerPending | OutConsumer.full) == 0)
            #expect(peer.read(sent).bytes.count == sent)
            // Fillers are exact again.
            let more = try socket.fillAndBlock()
            usleep(5000)
            #expect(polled(socket.placeholder) & POLLOUT == 0)
            #expect(peer.read(more).bytes.count == more)
            #expect(waitFor(socket.placeholder, POLLOUT, 20_000))
        }

        @Test func aLockOfAnotherIsNotTouched() throws {
            defer { fixture.stop() }
            let (owner, heir, socket, _) = try shared()
            let held = lock(socket, StatusLine.receiveLock)
            held.store(StatusLine.lock(session: owner.number, thread: 5))
            #expect(try heir.end() == 0)
            #expect(held.load() == StatusLine.lock(session: owner.number, thread: 5))
        }

        @Test func theHangupAnswersWhatWaitedForALook() throws {
            defer { fixture.stop() }
            let (owner, heir, socket, _) = try shared()
            fixture.agent.locked { owner.isAsleep = true }
            let release = try heir.push(.release(id: socket.id, reuse: false))
            lock(socket, StatusLine.receiveLock).store(StatusLine.lock(session: heir.number, thread: 5))
            #expect(!heir.hasResponse(release))
            SharedWord32(owner.line(1) + PlaceholderLine.hangup).store(1)
            owner.ring(1)
            #expect(try heir.awaitResponse(release).ret == 0)
            #expect(eventually { socket.generation == 1 })
            #expect(try heir.end() == 0)
        }

        @Test func theEndOfTheDeviceUnmapsEverythingAndStillSends() throws {
            defer { fixture.stop() }
            let server = try Peer.listening(receiveBuffer: 4096)
            let session = try fixture.agent.open()
            let (socket, listener) = (try session.socket(port: 1, order: 8), try session.socket(port: 2))
            try socket.connected(to: server.address)
            let peer = try server.accept()
            #expect(try listener.open() == 0)
            #expect(try session.call(.bind(id: listener.id, address: .loopback(port: 0))).ret == 0)
            #expect(try session.call(.listen(id: listener.id, backlog: 1)).ret == 0)
            let sent = try socket.fill()
            fixture.closeDevice()
            #expect(fixture.mappedPages == -1)
            #expect(fixture.device.boundPorts == 0)
            #expect(peer.read(sent).bytes.count == sent)
            #expect(peer.read(1).result == 0)
            #expect(eventually { fixture.isServiceIdle })
        }

        @Test func whatHadComeIsStillThereWhenTheDeviceEnds() throws {
            defer { fixture.stop() }
            let (_, _, socket, peer) = try shared()
            peer.write([1, 2, 3])
            #expect(try eventually { try socket.incoming.view().count == 3 })
            fixture.closeDevice()
            #expect(fixture.mappedPages == -1)
            #expect(socket.state == .connected)
            #expect(socket.generation == 0)
            #expect(try socket.take() == [1, 2, 3])
        }

        @Test func aGuestThatIsDestroyedInMidTransferLeavesNothing() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            var peers: [Peer] = []
            for port in 1..<UInt32(8) {
                let socket = try session.socket(port: port)
                try socket.connected(to: server.address)
                let peer = try server.accept()
                peer.write([UInt8](repeating: 1, count: 100_000))
                _ = try socket.send([1, 2, 3])
                peers.append(peer)
            }
            fixture.xen.destroyDomain(fixture.guest)
            fixture.closeDevice()
            #expect(fixture.mappedPages == -1)
            #expect(fixture.device.boundPorts == 0)
            // Unread bytes were lost: reset, after what the program had sent.
            for peer in peers { #expect(peer.read(4).result == Int(-ECONNRESET)) }
            #expect(eventually { fixture.isServiceIdle })
        }

        @Test func aStepThatIsNotDoneWithItsRingFindsNone() throws {
            defer { fixture.stop() }
            let (_, _, socket, _) = try shared()
            _ = try socket.send([1, 2, 3, 4])
            var found: (waiting: UInt32?, drain: OutRingBack.Drain?) = (0, .nothing)
            fixture.onService { [device = fixture.device, service = fixture.service] in
                guard let socket = device.connection?.arenas.values.lazy.compactMap({ $0.sockets[1] }).first else {
                    return
                }
                socket.finish(abort: true)
                found = (try? socket.outRing.waiting(), try? socket.outRing.consume(4))
                socket.turn()
                service.settle(socket)
            }
            #expect(found.waiting == 0)
            #expect(found.drain == nil)
            #expect(eventually { socket.generation == 1 })
        }

        @Test func aDeviceMayEndAtAnyMoment() throws {
            fixture.stop()
            for round in 0..<15 {
                let fixture = try SessionsFixture()
                defer { fixture.stop() }
                let server = try Peer.listening()
                let session = try fixture.agent.open()
                var workers: [Worker] = []
                var peers: [Peer] = []
                let running = fixture.running
                for port in 1..<UInt32(4) {
                    let socket = try session.socket(port: port)
                    try socket.connected(to: server.address)
                    let peer = try server.accept()
                    peers.append(peer)
                    workers.append(
                        Worker {
                            while running.isSet {
                                // Past the end of the device the ring stands still: nothing comes, nothing goes.
                                _ = try socket.send([UInt8](repeating: 1, count: 3000))
                                _ = try socket.take()
                            }
                        })
                    workers.append(
                        Worker {
                            var buffer = [UInt8](repeating: 2, count: 5000)
                            while running.isSet {
                                _ = send(peer.descriptor, buffer, 2000, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
                                _ = recv(peer.descriptor, &buffer, 5000, Int32(MSG_DONTWAIT))
                            }
                        })
                }
                usleep(UInt32(500 * round))
                if round % 2 == 0 { fixture.xen.destroyDomain(fixture.guest) }
                fixture.closeDevice()
                #expect(fixture.mappedPages == -1)
                #expect(fixture.device.boundPorts == 0)
                running.clear()
                for worker in workers { try worker.join() }
                for peer in peers { peer.close() }
                #expect(eventually { fixture.isServiceIdle })
            }
        }
    }
}
