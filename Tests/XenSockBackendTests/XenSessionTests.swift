import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire
import XenSockXen

@testable import XenSockBackend

extension ServiceTests {
    /// Sessions of a guest over a simulated Xen (docs/PROTOCOL.md, 3.7).
    @Suite struct XenSessionTests {
        let fixture: SessionsFixture

        init() throws { fixture = try SessionsFixture() }

        @Test func aSocketConnectsAndMovesBytes() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            #expect(session.number > 0 && session.number < XenSession.numberLimit)
            let socket = try session.socket(port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            peer.write(Array("hello".utf8))
            #expect(try socket.receive(5) == Array("hello".utf8))
            #expect(try socket.send(Array("world".utf8)) == 5)
            #expect(peer.read(5).bytes == Array("world".utf8))
            #expect(fixture.mappedPages == session.control.pages + session.dock.pages + 9)
        }

        @Test func aMegabyteGoesEachWayThroughARingOfEightPages() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 63, order: 3)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            let bytes = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let writer = Worker { peer.write(bytes) }
            #expect(try socket.receive(bytes.count) == bytes)
            try writer.join()
            let reader = Worker { peer.write([peer.read(bytes.count).bytes == bytes ? 1 : 0]) }
            var sent = 0
            while sent < bytes.count {
                let count = try socket.send(Array(bytes[sent..<min(bytes.count, sent + 4096)]))
                sent += count
                if count == 0, try socket.block() { #expect(waitFor(socket.placeholder, POLLOUT, 20_000)) }
            }
            #expect(try socket.receive(1) == [1])
            try reader.join()
        }

        @Test func tokensAreExactWhileBothSidesGoOn() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            for round in 0..<300 {
                peer.write([UInt8](repeating: 1, count: 1 + round % 3))
                #expect(try socket.receive(1 + round % 3).count == 1 + round % 3)
                while try socket.disarm() {}
            }
            #expect(try eventually { try socket.incoming.view().producer.tokens == 0 })
            #expect(socket.tokensInPlaceholder == 0)
            socket.set(StatusLine.Flag.edgeTriggered)
            for count in 1...5 {
                peer.write([1])
                #expect(eventually { socket.tokensInPlaceholder == Int32(count) })
            }
        }

        @Test func anAgentThatIsAwakeCostsNoHypercall() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            socket.set(StatusLine.Flag.edgeTriggered)
            usleep(20000)
            session.dozeAwake()
            let before = fixture.device.notifications.load(ordering: .relaxed)
            for count in 1...5 {
                peer.write([1])
                #expect(eventually { session.word(1, PlaceholderLine.tokens).load() == UInt32(count) })
            }
            #expect(fixture.device.notifications.load(ordering: .relaxed) == before)
            #expect(socket.tokensInPlaceholder == 0)
            session.goOn()
            #expect(eventually { socket.tokensInPlaceholder == 5 })
        }

        @Test func aFullRingIsNotWritableUntilHalfOfItIsFree() throws {
            defer { fixture.stop() }
            let server = try Peer.listening(receiveBuffer: 4096)
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 2)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            for _ in 0..<5 {
                let sent = try socket.fillAndBlock()
                #expect(polled(socket.placeholder) & POLLOUT == 0)
                #expect(peer.read(sent).bytes.count == sent)
                #expect(waitFor(socket.placeholder, POLLOUT, 20_000))
                #expect(eventually { socket.outgoing.consumerValue().flags & OutConsumer.full == 0 })
            }
        }

        @Test func aFillerThatComesLateIsTakenAllTheSame() throws {
            defer { fixture.stop() }
            let server = try Peer.listening(receiveBuffer: 4096)
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 2)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            let sent = try socket.fill()
            let value = socket.outgoing.consumerValue()
            guard case .sendFiller = socket.outgoing.block(value) else { return #expect(Bool(false), "FULL") }
            #expect(peer.read(sent).bytes.count == sent)
            // The backend has drained before the filler was sent: it owes itself one.
            #expect(eventually { socket.outgoing.consumerValue().has(OutConsumer.owed) })
            #expect(write(socket.placeholder, [UInt8](repeating: 0, count: 256), 256) == 256)
            try socket.outgoing.fillerSent()
            #expect(eventually { !socket.outgoing.consumerValue().has(OutConsumer.owed) })
            #expect(waitFor(socket.placeholder, POLLOUT, 20_000))
            #expect(eventually { session.word(2, PlaceholderLine.ends).load() == 0 })
        }

        @Test func theEndOfTheStreamIsShownWhenItIsWanted() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            socket.set(StatusLine.Flag.endWanted)
            peer.write([7])
            peer.close()
            #expect(try socket.receive(2) == [7])
            #expect(eventually { polled(socket.placeholder) & 0x2000 != 0 })
            // The end of the service's side is shut: the close must be found by the byte that stays.
            socket.close()
            #expect(eventually { socket.generation == 1 })
        }

        @Test func aShutdownIsSeenWhenItIsAnswered() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            for port in 1..<UInt32(6) {
                let socket = try session.socket(port: port)
                try socket.connected(to: server.address)
                let peer = try server.accept()
                socket.set(StatusLine.Flag.endWanted)
                #expect(try socket.shutdown(2) == 0)
                #expect(polled(socket.placeholder) & (0x2000 | POLLHUP) == 0x2000 | POLLHUP)
                #expect(peer.read(1).result == 0)
            }
        }

        @Test func aResetIsShown() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1)
            try socket.connected(to: server.address)
            try server.accept().reset()
            #expect(eventually { socket.state == .reset })
            #expect(eventually { polled(socket.placeholder) & POLLHUP != 0 })
            socket.close()
            #expect(eventually { socket.generation == 1 })
        }

        @Test func urgentDataIsSeenAsSuch() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            #expect(LinuxKernel().sendUrgent(peer.descriptor, byte: 9) == 1)
            #expect(waitFor(socket.placeholder, POLLPRI, 20_000))
        }

        @Test func everythingIsGivenBackAfterTheHangup() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let before = fixture.mappedPages
            for round in 0..<3 {
                for port in 1..<UInt32(20) {
                    let socket = try session.socket(port: port)
                    try socket.connected(to: server.address)
                    let peer = try server.accept()
                    peer.write([1])
                    #expect(try socket.receive(1) == [1])
                    #expect(socket.generation == UInt32(round))
                    socket.close()
                    #expect(eventually { socket.generation == UInt32(round) + 1 })
                    #expect(session.word(port, PlaceholderLine.ends).load() == PlaceholderLine.End.closed)
                    // The port's next socket has the same.
                    #expect(fixture.mappedPages == before + 9 * Int(round == 0 ? port : 19))
                }
            }
            #expect(fixture.device.boundPorts == 2)
            #expect(try session.end() == 0)
            #expect(eventually { fixture.mappedPages == 0 && fixture.device.boundPorts == 0 })
        }

        @Test func aProgramMayNotifyByTheAgentsChannel() throws {
            defer { fixture.stop() }
            let session = try fixture.agent.prepare()
            #expect(try session.open(programChannel: 0).ret == 0)
            #expect(fixture.device.boundPorts == 1)
            let socket = try session.socket(port: 1)
            // The program rings by a channel that nobody has bound: the agent's wakes the service all the same.
            let answer = try session.push(.look(id: socket.id))
            usleep(20000)
            fixture.agent.channels.notify(session.channel)
            #expect(try session.awaitResponse(answer).ret == -EBADF)
            #expect(try session.end() == 0)
            #expect(eventually { fixture.mappedPages == 0 && fixture.device.boundPorts == 0 })
        }

        @Test func endAskedAgainLooksWithoutBeingRung() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1)
            try socket.connected(to: server.address)
            #expect(try session.end() == 0)
            // A program that shares the bits has cleared the one that told of this.
            session.word(1, PlaceholderLine.hangup).storeOrdered(1)
            usleep(100_000)
            #expect(fixture.mappedPages > 0)
            #expect(try session.end() == 0)
            #expect(eventually { fixture.mappedPages == 0 && fixture.device.boundPorts == 0 })
            #expect(try session.end() == 0 - Errno.enoent)
        }

        @Test func bytesLeftBehindAreStillSent() throws {
            defer { fixture.stop() }
            let server = try Peer.listening(receiveBuffer: 4096)
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1, order: 8)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            let sent = try socket.fill()
            socket.close()
            #expect(try session.end() == 0)
            #expect(fixture.mappedPages > 0)
            #expect(peer.read(sent).bytes.count == sent)
            #expect(peer.read(1).result == 0)
            #expect(eventually { fixture.mappedPages == 0 && fixture.device.boundPorts == 0 })
        }

        @Test func connectionsAreAccepted() throws {
            defer { fixture.stop() }
            let session = try fixture.agent.open()
            let listener = try session.socket(port: 1)
            let address = try listening(listener)
            let socket = try session.socket(port: 2)
            let before = fixture.mappedPages
            // Nobody is there yet: the port is given back, and needs another pair.
            #expect(try socket.accept(listener).ret == -EAGAIN)
            #expect(fixture.mappedPages == before)
            #expect(socket.generation == 1)
            #expect(try socket.accept(listener).ret == -EBADF)
            socket.close()
            let peer = try Peer.connected(to: address)
            #expect(waitFor(listener.placeholder, POLLIN, 20_000))
            // Pages that are none cost no connection.
            let wrong = try session.socket(port: 2)
            SharedWord32(wrong.indexes + IndexesPage.references + 4).store(9_999_999)
            #expect(try wrong.accept(listener).ret == -EINVAL)
            wrong.close()
            let accepted = try session.socket(port: 2)
            #expect(try accepted.accept(listener).ret == 0)
            peer.write([4, 5])
            #expect(try accepted.receive(2) == [4, 5])
            #expect(try accepted.send([6]) == 1)
            #expect(peer.read(1).bytes == [6])
        }

        private func listening(_ listener: TestSocket) throws -> SocketAddress {
            guard try listener.open() == 0,
                try listener.client.call(.bind(id: listener.id, address: .loopback(port: 0))).ret == 0,
                try listener.client.call(.listen(id: listener.id, backlog: 8)).ret == 0,
                let address = try listener.client.call(.getsockname(id: listener.id)).address
            else { throw ClientError(description: "LISTEN") }
            return address
        }

        @Test func releaseIsAnsweredWhenTheAgentHasLooked() throws {
            defer { fixture.stop() }
            let session = try fixture.agent.open()
            for port in 1..<UInt32(4) {
                let listener = try session.socket(port: port)
                let address = try listening(listener)
                listener.close()
                // The hang-up may have come before.
                #expect([0, -EBADF].contains(try listener.release()))
                // The address is free at once.
                let successor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                #expect(address.withUnsafeBytes { LinuxKernel().bind(successor, $0) } == 0)
                close(successor)
            }
            let kept = try session.socket(port: 9)
            #expect(try kept.open() == 0)
            // Another copy of the program's end is open.
            #expect(try kept.release() == 0)
            fixture.agent.locked { session.isAsleep = true }
            let slot = try session.push(.release(id: kept.id, reuse: false))
            usleep(20000)
            fixture.agent.locked { session.isAsleep = false }
            #expect(try session.awaitResponse(slot).ret == 0)
            #expect(try session.call(.getsockname(id: kept.id)).ret == 0)
        }

        @Test func otherRequestsGoOnWhileTheAgentIsWaitedFor() throws {
            defer { fixture.stop() }
            let session = try fixture.agent.open()
            let (first, second) = (try session.socket(port: 1), try session.socket(port: 2))
            #expect(try first.open() == 0)
            #expect(try second.open() == 0)
            fixture.agent.locked { session.isAsleep = true }
            let release = try session.push(.release(id: first.id, reuse: false))
            let other = try session.push(.getsockname(id: second.id))
            // No KICK comes from an agent that sleeps: the ring itself shows what was answered.
            #expect(eventually { session.hasResponse(other) })
            #expect(!session.hasResponse(release))
            fixture.agent.locked { session.isAsleep = false }
            #expect(try session.awaitResponse(release).ret == 0)
        }

        @Test func aRingFullOfReleasesIsAnswered() throws {
            defer { fixture.stop() }
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1)
            #expect(try socket.open() == 0)
            for round in 0..<2 {
                fixture.agent.locked { session.isAsleep = true }
                let slots = try (0..<32).map { _ in try session.push(.release(id: socket.id, reuse: false)) }
                usleep(5000)
                fixture.agent.locked { session.isAsleep = false }
                // The last round's are left alone: nobody waits for them any more.
                if round == 0 { for slot in slots { #expect(try session.awaitResponse(slot).ret == 0) } }
            }
            #expect(try session.end() == 0)
        }

        @Test func aRingIsTakenAsItWasListedOnce() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            fixture.onService { [device = fixture.device] in device.maximumPageOrder = 4 }
            for (port, order) in [(UInt32(1), UInt32(0)), (2, 9), (3, 5), (4, UInt32.max)] {
                let socket = try session.socket(port: port)
                #expect(try socket.open() == 0)
                SharedWord32(socket.indexes + IndexesPage.ringOrder).store(order)
                #expect(try socket.connect(to: server.address) == -EINVAL)
                // The socket is as it was: with an honest list it connects.
                SharedWord32(socket.indexes + IndexesPage.ringOrder).store(3)
                let ret = try socket.connect(to: server.address)
                #expect(ret == 0 || ret == -EINPROGRESS)
            }
            let strange = try session.socket(port: 5)
            let none = try session.call(
                .socket(
                    id: 5, domain: 2, type: 1, protocol: 0, eventChannel: 5, indexesPage: GrantReference(7_777_777)))
            #expect(none.ret == -EINVAL)
            #expect(strange.generation == 1)
        }

        @Test func whatDoesNotFitIsSaidToBeSo() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1)
            #expect(try socket.open() == 0)
            fixture.xen.fail(.map, in: .control, errno: ENOSPC)
            #expect(try socket.connect(to: server.address) == -ENOMEM)
            let refused = try fixture.agent.prepare()
            fixture.xen.fail(.map, in: .control, errno: ENOSPC, after: 2)
            #expect(try refused.open().ret == -ENOMEM)
            fixture.xen.fail(.bindInterdomain, in: .control, errno: ENOSPC)
            #expect(try refused.open().ret == -ENOMEM)
            fixture.xen.fail(.bindInterdomain, in: .control, errno: ENOSPC, after: 1)
            #expect(try refused.open().ret == -ENOMEM)
            // One port is not two channels.
            #expect(try refused.open(programChannel: refused.channel).ret == -EINVAL)
            #expect(fixture.mappedPages == session.control.pages + session.dock.pages + 1)
            #expect(fixture.device.boundPorts == 2)
            #expect(try refused.open().ret == 0)
        }

        @Test func datagramsGoThroughAGrantedRing() throws {
            defer { fixture.stop() }
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1, order: 8)
            #expect(try socket.open(type: 2) == 0)
            #expect(try session.call(.bind(id: socket.id, address: .loopback(port: 0))).ret == 0)
            let address = try #require(try session.call(.getsockname(id: socket.id)).address)
            let peer = Peer(descriptor: Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
            #expect(address.withUnsafeBytes { LinuxKernel().connect(peer.descriptor, $0) } == 0)
            peer.write(Array("datagram".utf8))
            #expect(waitFor(socket.placeholder, POLLIN, 20_000))
            let record = try socket.take()
            #expect(record.u32(4) == 8)
            #expect(Array(record[24..<32]) == Array("datagram".utf8))
            let small = try session.socket(port: 2, order: 4)
            #expect(try small.open(type: 2) == -EINVAL)
            #expect(small.generation > 0)
        }

        @Test(arguments: [UInt32(0), 1]) func aShutdownIsAnsweredWhenItIsSeen(_ how: UInt32) throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let session = try fixture.agent.open()
            let socket = try session.socket(port: 1)
            try socket.connected(to: server.address)
            session.dozeAwake()
            let slot = try session.push(.shutdown(id: socket.id, how: how, outProducer: 0))
            #expect(!session.hasResponse(slot))
            session.goOn()
            #expect(try session.awaitResponse(slot).ret == 0)
            #expect(socket.tokensInPlaceholder == (how == 0 ? 1 : 0))
        }

        @Test func whatBelongsToTheAgentIsRefused() throws {
            defer { fixture.stop() }
            let session = try fixture.agent.open(user: 0)
            let socket = try session.socket(port: 1)
            #expect(try socket.open() == 0)
            // Its user 0 is the guest's own: SO_MARK wants privileges here.
            let mark = Request.setsockopt(id: socket.id, level: 1, name: 36, length: 4, outProducer: 0)
            #expect(try session.call(mark, value: [1, 0, 0, 0]).ret == -EPERM)
        }
    }
}
