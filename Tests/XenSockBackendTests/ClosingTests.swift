import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    @Suite struct ClosingTests {
        @Test func everythingIsGivenBackAfterTheHangup() throws {
            let fixture = try ServiceFixture()
            let before = fixture.held
            do {
                let server = try Peer.listening()
                let client = try TestClient.connected(path: fixture.path)
                for round in 0..<3 {
                    for port in 1..<UInt32(20) {
                        let socket = try TestSocket(client, port: port)
                        try socket.connected(to: server.address)
                        let peer = try server.accept()
                        peer.write([1])
                        #expect(try socket.receive(1) == [1])
                        let generation = socket.generation
                        #expect(generation == UInt32(round))
                        socket.close()
                        #expect(eventually { socket.generation == generation + 1 })
                        #expect(socket.incoming.producerValue().rawValue == 0)
                        #expect(socket.outgoing.consumerValue().rawValue == 0)
                    }
                }
            }
            #expect(eventually { fixture.held == before })
            fixture.stop()
            #expect(fixture.service.isIdle)
        }

        @Test func bytesLeftBehindAreStillSent() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let server = try Peer.listening(receiveBuffer: 4096)
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1, order: 8)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            let sent = try socket.fill()
            socket.close()
            client.hangUp()
            let (bytes, _) = peer.read(sent)
            #expect(bytes.count == sent)
            #expect(peer.read(1).result == 0)
            #expect(eventually { socket.generation == 1 })
        }

        @Test func closingWithUnreadDataResets() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            peer.write([1])
            #expect(try eventually { try socket.incoming.view().count == 1 })
            socket.close()
            #expect(peer.read(1).result == Int(-ECONNRESET))
        }

        @Test func lingerOfZeroResetsAndALongOneDoesNotHoldTheService() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let client = try TestClient.connected(path: fixture.path)
            for (port, seconds, expected) in [(UInt32(1), UInt8(0), Int(-ECONNRESET)), (2, 100, 0)] {
                let socket = try TestSocket(client, port: port)
                try socket.connected(to: server.address)
                let peer = try server.accept()
                let set = Request.setsockopt(
                    id: socket.id, level: 1, name: 13, length: 8, outProducer: socket.outgoing.produced)
                #expect(try client.call(set, value: [1, 0, 0, 0, seconds, 0, 0, 0]).ret == 0)
                socket.close()
                #expect(peer.read(1).result == expected)
                #expect(eventually { socket.generation == 1 })
            }
        }

        @Test func aConnectionInheritsTheLingerOfItsListenerAndDoesNotHoldTheService() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let listener = try TestSocket(client, port: 1)
            #expect(try listener.open() == 0)
            let set = Request.setsockopt(id: listener.id, level: 1, name: 13, length: 8, outProducer: 0)
            #expect(try client.call(set, value: [1, 0, 0, 0, 8, 0, 0, 0]).ret == 0)
            #expect(try client.call(.bind(id: listener.id, address: .loopback(port: 0))).ret == 0)
            #expect(try client.call(.listen(id: listener.id, backlog: 8)).ret == 0)
            let address = try #require(try client.call(.getsockname(id: listener.id)).address)
            let peer = try Peer.connected(to: address, receiveBuffer: 4096)
            let socket = try TestSocket(client, port: 2)
            #expect(eventually { (try? socket.accept(listener).ret) == 0 })
            let sent = try socket.fill()
            // The ring is empty then, and the kernel's buffer is not: there close(2) would wait.
            _ = peer.read(sent - 3000)
            #expect(try eventually { try socket.outgoing.view().used == 0 })
            socket.close()
            #expect(try client.call(.getsockname(id: listener.id)).ret == 0)
            #expect(socket.generation == 0)
            #expect(peer.read(3000).result == 3000)
            #expect(eventually { socket.generation == 1 })
        }

        @Test func aSocketOutlivesItsSessionWhileACopyOfItsEndIsOpen() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            let heir = try TestClient.connected(path: fixture.path)
            client.hangUp()
            #expect(waitFor(client.session, POLLIN, 20_000))
            peer.write([5])
            #expect(try socket.receive(1) == [5])
            // The heir finds it by its end.
            var attach = FrameWriter(.attach)
            attach.argument = 1
            attach.append(UInt64(99))
            _ = heir.send(attach, [socket.placeholder])
            let (frame, descriptors) = try #require(try heir.receive())
            #expect(frame.u32(4) == 0)
            #expect(frame.u32(16) == UInt32(truncatingIfNeeded: client.arenaID))
            #expect(frame.u32(24) == 1)
            #expect(descriptors.count == 2)
            for descriptor in descriptors { close(descriptor) }
            #expect(try heir.call(.getpeername(id: 99)).address == server.address)
            socket.close()
            #expect(eventually { socket.generation == 1 })
            #expect(try heir.call(.release(id: 99, reuse: false)).ret == -EBADF)
        }

        @Test func locksOfADeadSessionAreBroken() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let server = try Peer.listening()
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            let heir = try TestClient.connected(path: fixture.path)
            var attach = FrameWriter(.attach)
            attach.append(UInt64(99))
            _ = heir.send(attach, [socket.placeholder])
            _ = try heir.receive()
            let line = client.base + XenSockWire.Arena.statusOffset(port: 1)
            let receive = SharedWord64(line + StatusLine.receiveLock)
            let send = SharedWord64(line + StatusLine.sendLock)
            receive.store(StatusLine.lock(session: client.sessionID, thread: 7))
            send.store(StatusLine.lock(session: heir.sessionID, thread: 8))
            client.hangUp()
            #expect(eventually { receive.load() == 0 })
            #expect(send.load() == StatusLine.lock(session: heir.sessionID, thread: 8))
            // The heir of an attached socket dies too, in another arena's line.
            heir.hangUp()
            #expect(eventually { send.load() == 0 })
            // A byte wakes whoever waits; what comes now changes neither the count nor the placeholder.
            #expect(waitFor(socket.placeholder, POLLIN, 20_000))
            peer.write([1])
            #expect(try eventually { try socket.incoming.view().count == 1 })
            var value = socket.incoming.producerValue()
            #expect(value.has(InProducer.unsettled))
            #expect(value.tokens == 0)
            #expect(socket.tokensInPlaceholder == 1)
            // The next holder counts; from then on all is as before.
            #expect(socket.incoming.settle(value, tokens: 1))
            #expect(try socket.receive(1) == [1])
            value = socket.incoming.producerValue()
            #expect(socket.incoming.disarm(value))
            #expect(socket.takeTokens() == 1)
            peer.write([2])
            #expect(try socket.receive(1) == [2])
            #expect(waitFor(socket.placeholder, POLLIN, 20_000))
            #expect(socket.tokensInPlaceholder == 1)
        }

        @Test func whatADeadSessionAskedForIsStillDone() throws {
            let gate = HoldListening()
            let fixture = try ServiceFixture(policy: gate)
            defer { fixture.stop() }
            let server = try Peer.listening()
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            let other = try TestClient.connected(path: fixture.path)
            let listener = try TestSocket(other, port: 1)
            #expect(try listener.open() == 0)
            // While the service is held, the request and the hang-up come: the hang-up is seen first.
            try other.push(.listen(id: listener.id, backlog: 8))
            gate.entered.wait()
            try client.push(.shutdown(id: socket.id, how: 1, outProducer: socket.outgoing.produced))
            client.hangUp()
            gate.leave.signal()
            #expect(peer.read(1).result == 0)
            #expect(socket.generation == 0)
        }

        @Test func aSessionEndsWithItsProcessAndStaysADoorForThoseWhoHoldItsSocket() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let shared = UnsafeMutablePointer<Int32>.allocate(capacity: 2)
            defer { shared.deallocate() }
            var tell: [Int32] = [-1, -1]
            #expect(pipe(&tell) == 0)
            let writer = tell[1]
            // The child makes system calls only: other threads of this process may have held any lock.
            let child = Int32(xs_syscall(Int(SYS_clone), Int(SIGCHLD), 0, 0, 0, 0, 0))
            if child == 0 {
                let kind = Int(SOCK_SEQPACKET.rawValue)
                _ = xs_syscall(Int(SYS_socketpair), Int(AF_UNIX), kind, 0, Int(bitPattern: shared), 0, 0)
                _ = xs_syscall(Int(SYS_write), Int(writer), Int(bitPattern: shared), 8, 0, 0, 0)
                while true { _ = xs_syscall(Int(SYS_pause), 0, 0, 0, 0, 0, 0) }
            }
            defer { waitpid(child, nil, 0) }
            #expect(read(tell[0], shared, 8) == 8)
            for end in tell { close(end) }
            let process = xs_syscall(Int(SYS_pidfd_open), Int(child), 0, 0, 0, 0, 0)
            let ends = (0..<2).map { Int32(xs_syscall(Int(SYS_pidfd_getfd), process, Int(shared[$0]), 0, 0, 0, 0)) }
            close(Int32(process))
            _ = client.send(FrameWriter(.door), [ends[0]])
            close(ends[0])
            let session = TestClient(session: ends[1])
            #expect(try session.hello() == 0)
            #expect(try session.connectRing() == "4")
            #expect(!waitFor(session.session, POLLIN, 50))
            // This process keeps the child's end, so there is no hang-up.
            let held = fixture.held
            kill(child, SIGKILL)
            #expect(eventually { fixture.held < held })
            // What would break a session, or ask it for something, moves a door to nothing.
            _ = session.send(FrameWriter(.hello), [])
            _ = session.send(FrameWriter(.port), [])
            var pair: [Int32] = [-1, -1]
            #expect(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &pair) == 0)
            _ = session.send(FrameWriter(.door), [pair[0]])
            close(pair[0])
            let heir = TestClient(session: pair[1])
            #expect(try heir.hello() == 0)
            #expect(try heir.connectRing() == "4")
            #expect(!waitFor(session.session, POLLIN, 50))
            let open = fixture.held
            session.hangUp()
            #expect(eventually { fixture.held < open })
        }

        @Test func aDoorOpensASessionOfItsOwn() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            var pair: [Int32] = [-1, -1]
            #expect(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &pair) == 0)
            _ = client.send(FrameWriter(.door), [pair[0]])
            close(pair[0])
            let child = TestClient(session: pair[1])
            #expect(try child.hello() == 0)
            #expect(try child.connectRing() == "4")
            #expect(child.arenaID != client.arenaID)
            client.hangUp()
            let socket = try TestSocket(child, port: 1)
            #expect(try socket.open() == 0)
        }
    }
}
