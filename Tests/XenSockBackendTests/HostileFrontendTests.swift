import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    /// Frontends that break the protocol lose what they broke, and nobody else notices.
    @Suite struct HostileFrontendTests {
        let fixture: ServiceFixture
        let bystander: TestClient

        init() throws {
            fixture = try ServiceFixture()
            bystander = try TestClient.connected(path: fixture.path)
        }

        /// The service still serves another session.
        private func bystanderIsServed() throws -> Bool {
            let server = try Peer.listening()
            let socket = try TestSocket(bystander, port: 1, id: 77)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            peer.write([1])
            let isServed = try socket.receive(1) == [1]
            socket.close()
            return try isServed && eventually { try bystander.call(.getsockname(id: 77)).ret == -EBADF }
        }

        private func frame(_ type: UInt32, _ argument: UInt32, _ payload: [UInt8] = []) -> [UInt8] {
            var bytes: [UInt8] = []
            for word in [type, argument] { withUnsafeBytes(of: word) { bytes += Array($0) } }
            return bytes + payload
        }

        @Test func framesThatAreNoneEndTheSession() throws {
            defer { fixture.stop() }
            let cases: [(name: String, bytes: [UInt8])] = [
                ("one byte", [1]),
                ("seven bytes", [UInt8](repeating: 1, count: 7)),
                ("an unknown type", frame(99, 0)),
                ("type 0", frame(0, 0)),
                ("a KICK", frame(6, 0)),
                ("a second HELLO", frame(1, 1, [0, 0, 0, 0])),
                ("a HELLO without a number", frame(1, 1)),
                ("nodes that do not end", frame(2, 0, Array("state".utf8))),
                ("a name without a value", frame(2, 0, Array("state\0".utf8))),
                ("a hundred nodes", frame(2, 0, [UInt8](repeating: 0, count: 200))),
                ("a frame too long", frame(2, 0, [UInt8](repeating: 0, count: 5000))),
                ("an ATTACH without a descriptor", frame(4, 0, [UInt8](repeating: 0, count: 8))),
                ("an ATTACH without an id", frame(4, 0)),
                ("a DOOR without a descriptor", frame(5, 0)),
            ]
            for (name, bytes) in cases {
                let client = try TestClient.connected(path: fixture.path)
                _ = client.send(frame: bytes)
                #expect(try client.receive() == nil, "\(name)")
            }
            #expect(try bystanderIsServed())
        }

        @Test func framesBeforeHelloEndTheSession() throws {
            defer { fixture.stop() }
            for type in 2...UInt32(5) {
                let client = try TestClient(path: fixture.path)
                _ = client.send(frame: frame(type, 0, [UInt8](repeating: 0, count: 8)))
                // With its frame unread the hang-up may show as ECONNRESET, which `receive` takes for the same.
                #expect(try client.receive() == nil, "type \(type)")
            }
        }

        @Test func anotherLayoutVersionIsRefused() throws {
            defer { fixture.stop() }
            let client = try TestClient(path: fixture.path)
            #expect(try client.hello(version: 2) == UInt32(EPROTO))
        }

        @Test func badNodesAreAnsweredWithClosedAndAnError() throws {
            defer { fixture.stop() }
            let cases: [[String: String?]] = [
                ["ring-ref": "4294967295"], ["ring-ref": "0"], ["ring-ref": "x"], ["ring-ref": String?.none],
                ["arguments-ref": "3,4,5"], ["arguments-ref": "3,4,5,99999999"], ["arguments-ref": "3,4,6,5"],
                ["arguments-ref": "3,4,5,,"], ["port": "1"], ["version": "2"],
            ]
            for changes in cases {
                let client = try TestClient(path: fixture.path)
                #expect(try client.hello() == 0)
                #expect(try client.connectRing(changes) == "6", "\(changes)")
            }
        }

        @Test func requestsOutOfBoundsAreAnsweredWithErrors() throws {
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let page = TestSocket.page(client, 1)
            func open(_ port: UInt32, _ page: GrantReference, domain: UInt32 = 2, type: UInt32 = 1) throws -> Int32 {
                try client.call(
                    .socket(
                        id: 5, domain: domain, type: type, protocol: 0, eventChannel: EventChannelPort(port),
                        indexesPage: page)
                ).ret
            }
            // No PORT was sent; there are no such ports.
            #expect(try open(1, page) == -EBADF)
            #expect(try open(0, page) == -EBADF)
            #expect(try open(64, page) == -EBADF)
            #expect(try open(UInt32.max, page) == -EBADF)
            // Each refusal drops the pair.
            func fresh(_ page: GrantReference, domain: UInt32 = 2, type: UInt32 = 1) throws -> Int32 {
                let socket = try TestSocket(client, port: 1, id: 5)
                defer { socket.close() }
                return try open(1, page, domain: domain, type: type)
            }
            #expect(try fresh(GrantReference(UInt32.max)) == -EINVAL)
            #expect(try fresh(0) == -EINVAL)
            #expect(try fresh(page, domain: 4000) == -EAFNOSUPPORT)
            #expect(try fresh(page, type: 4) == -ESOCKTNOSUPPORT)
            #expect(try fresh(page, type: 1 | 2048) == -ESOCKTNOSUPPORT)
            let socket = try TestSocket(client, port: 1, id: 5)
            #expect(try open(1, page) == 0)
            #expect(try open(1, page) == -EEXIST)
            #expect(try client.call(.unknown(command: 999, id: 5)).ret == -EOPNOTSUPP)
            #expect(try client.call(.shutdown(id: 5, how: 0, outProducer: 0)).ret == -ENOTCONN)
            #expect(try client.call(.getsockopt(id: 5, level: 6, name: 35, length: 64)).ret == -EINVAL)
            #expect(try client.call(.setsockopt(id: 5, level: 1, name: 26, length: 16, outProducer: 0)).ret == -EPERM)
            #expect(try client.call(.setsockopt(id: 5, level: 1, name: 50, length: 4, outProducer: 0)).ret == -EPERM)
            #expect(try client.call(.getsockopt(id: 5, level: 0, name: 64, length: 512)).ret == -EPERM)
            #expect(try client.call(.ioctl(id: 5, request: 0x8912)).ret == -ENOTTY)
            #expect(try socket.connect(to: SocketAddress()) == -EINVAL)
            let server = try Peer.listening()
            for order in [0, 9, 10, 31, 32, UInt32.max] {
                SharedWord32(socket.indexes + IndexesPage.ringOrder).store(order)
                #expect(try socket.connect(to: server.address) == -EINVAL, "order \(order)")
            }
            SharedWord32(socket.indexes + IndexesPage.ringOrder).store(1)
            SharedWord32(socket.indexes + IndexesPage.references).store(UInt32.max)
            #expect(try socket.connect(to: server.address) == -EINVAL)
            SharedWord32(socket.indexes + IndexesPage.references).store(page.rawValue + 1)
            SharedWord32(socket.indexes + IndexesPage.references + 4).store(page.rawValue + 3)
            #expect(try socket.connect(to: server.address) == -EINVAL)
            SharedWord32(socket.indexes + IndexesPage.references + 4).store(page.rawValue + 2)
            #expect(try socket.connect(to: server.address) == 0)
            #expect(try socket.shutdown(3) == -EINVAL)
            #expect(try client.call(.shutdown(id: 5, how: 1, outProducer: 1 << 20)).ret == -EINVAL)
            #expect(try bystanderIsServed())
        }

        @Test func rawEntriesOutOfBoundsAreAnswered() throws {
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            func raw(_ words: [Int: UInt32]) throws -> Int32 {
                let slot = client.ring.nextRequest()
                slot.initializeMemory(as: UInt64.self, repeating: 0, count: 8)
                for (offset, value) in words { slot.storeBytes(of: value, toByteOffset: offset, as: UInt32.self) }
                return try client.finishCall().ret
            }
            #expect(try raw([0: 32, 4: 0]) == -EINVAL)
            #expect(try raw([0: UInt32.max, 4: 2]) == -EINVAL)
            #expect(try raw([4: 1, 44: 129]) == -EINVAL)
            #expect(try raw([4: 3, 44: UInt32.max]) == -EINVAL)
            #expect(try raw([4: 67, 24: 513]) == -EINVAL)
            #expect(try raw([4: 68, 24: UInt32.max]) == -EINVAL)
            #expect(try raw([4: UInt32.max]) == -EOPNOTSUPP)
        }

        @Test func moreRequestsThanTheRingHoldsEndTheSession() throws {
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            SharedWord32(client.base + XenSockWire.Arena.commandRingOffset).store(33)
            client.ring(0)
            #expect(try client.receive() == nil)
            #expect(try bystanderIsServed())
        }

        @Test func indexesBeyondTheRingEndTheSocketAlone() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let client = try TestClient.connected(path: fixture.path)
            for (port, offset) in [(UInt32(1), OutProducer.offset), (2, InConsumer.offset)] {
                let socket = try TestSocket(client, port: port)
                try socket.connected(to: server.address)
                let peer = try server.accept()
                SharedWord64(socket.indexes + offset).store(0x7fff_ffff_0000_0000)
                // Written before anything can end the connection: the error is the reading's.
                peer.write([1])
                client.ring(port)
                #expect(eventually { socket.state == .reset })
                #expect(socket.status(StatusLine.error) == UInt32(EIO))
                #expect(peer.read(1).result == Int(-ECONNRESET))
                #expect(polled(socket.placeholder) & POLLHUP != 0)
                #expect(socket.generation == 0)
                socket.close()
                #expect(eventually { socket.generation == 1 })
            }
            #expect(try TestSocket(client, port: 3).open() == 0)
        }

        @Test func everyPortRungAndEveryBitSetDoesNoHarm() throws {
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            for word in 0..<512 {
                SharedWord64(client.base + DoorbellLayout.pending + word * 8).store(UInt64.max)
            }
            for word in 0..<4 { SharedWord64(client.base + DoorbellLayout.summary + word * 8).store(UInt64.max) }
            client.ring(63)
            #expect(try client.call(.release(id: 1, reuse: false)).ret == -EBADF)
            // Sleeping is the service's word, but the frontend can write it.
            SharedWord32(client.base + DoorbellLayout.sleeping).store(77)
            client.ring(0)
            #expect(try client.call(.release(id: 1, reuse: false)).ret == -EBADF)
            // The eventfd's counter is full.
            var full = UInt64.max - 1
            _ = write(client.doorbell, &full, 8)
            #expect(try client.call(.release(id: 1, reuse: false)).ret == -EBADF)
        }

        @Test func aPairThatIsNoneIsReportedByItsSocket() throws {
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let stream = try Peer.listening()
            // One end of each pair is sent; at the other the test sees when the service has closed its copy.
            var first: [Int32] = [-1, -1]
            var second: [Int32] = [-1, -1]
            #expect(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &first) == 0)
            #expect(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &second) == 0)
            let (one, two) = (first[0], second[0])
            let cases: [(UInt32, [Int32])] = [
                (1, []), (1, [one]), (1, [stream.descriptor, two]), (1, [one, two]), (0, [one, two]), (64, [one, two]),
                (UInt32.max, [one, two]),
            ]
            for (port, descriptors) in cases {
                var writer = FrameWriter(.port)
                writer.argument = port
                _ = client.send(writer, descriptors)
                let ret = try client.call(
                    .socket(
                        id: 5, domain: 2, type: 1, protocol: 0, eventChannel: EventChannelPort(port),
                        indexesPage: TestSocket.page(client, 1))
                ).ret
                #expect(ret == -EBADF)
            }
            close(one)
            close(two)
            #expect(waitFor(first[1], POLLHUP, 20_000))
            #expect(waitFor(second[1], POLLHUP, 20_000))
            close(first[1])
            close(second[1])
        }

        @Test func thePairOfARefusedRequestIsGoneBeforeTheNextOne() throws {
            fixture.stop()
            let gate = HoldListening()
            let held = try ServiceFixture(policy: gate)
            defer { held.stop() }
            let client = try TestClient.connected(path: held.path)
            let server = try Peer.listening()
            let listener = try TestSocket(client, port: 1)
            #expect(try listener.open() == 0)
            // While the service is held in LISTEN, the pair and the request that names it come: the ring is first.
            try client.push(.listen(id: listener.id, backlog: 8))
            gate.entered.wait()
            let dead = try TestSocket(client, port: 2)
            try client.push(.accept(id: 4711, newID: dead.id, ring: dead.reference, eventChannel: dead.channel))
            gate.leave.signal()
            #expect(try client.awaitResponse().ret == 0)
            #expect(try client.awaitResponse().ret == -EBADF)
            #expect(dead.generation == 1)
            #expect(waitFor(dead.placeholder, POLLHUP, 20_000))
            dead.close()
            let socket = try TestSocket(client, port: 2)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            peer.write([1])
            #expect(try socket.receive(1) == [1])
        }

        @Test func aFrameWhoseDescriptorsAreLostFailsAlone() throws {
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            var pair: [Int32] = [-1, -1]
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            // More than there is room for: to the service that is what a lack of its own looks like.
            for (type, argument) in [(UInt32(3), UInt32(1)), (5, 0)] {
                #expect(client.sendMany(frame(type, argument), pair[0], count: 6) == 8)
            }
            let request = Request.socket(
                id: 5, domain: 2, type: 1, protocol: 0, eventChannel: 1, indexesPage: TestSocket.page(client, 1))
            #expect(try client.call(request).ret == -EBADF)
            close(pair[0])
            #expect(waitFor(pair[1], POLLHUP, 20_000))
            close(pair[1])
            #expect(try TestSocket(client, port: 1).open() == 0)
        }

        @Test func theEndOfAnotherSocketIsNoNewPort() throws {
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1)
            #expect(try socket.open() == 0)
            var pair: [Int32] = [-1, -1]
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            var writer = FrameWriter(.port)
            writer.argument = 2
            _ = client.send(writer, [pair[0], socket.placeholder])
            close(pair[0])
            close(pair[1])
            let ret = try client.call(
                .socket(
                    id: 6, domain: 2, type: 1, protocol: 0, eventChannel: 2, indexesPage: TestSocket.page(client, 2))
            ).ret
            #expect(ret == -EBADF)
        }

        @Test func deferredRequestsAreBounded() throws {
            defer { fixture.stop() }
            let server = try Peer.listening(receiveBuffer: 4096)
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            let sent = try socket.fill()
            let end = socket.outgoing.produced
            let cork = Request.setsockopt(id: socket.id, level: 6, name: 3, length: 4, outProducer: end)
            for _ in 0..<64 { #expect(try client.call(cork, value: [0, 0, 0, 0]).ret == 0) }
            #expect(try client.call(cork, value: [0, 0, 0, 0]).ret == -ENOBUFS)
            #expect(peer.read(sent).bytes.count == sent)
            #expect(try eventually { try client.call(cork, value: [0, 0, 0, 0]).ret == 0 })
        }

        @Test func whatThePolicyForbidsDoesNotHappen() throws {
            fixture.stop()
            let strict = try ServiceFixture(policy: ForbidConnecting())
            defer { strict.stop() }
            let server = try Peer.listening()
            let client = try TestClient.connected(path: strict.path)
            let socket = try TestSocket(client, port: 1)
            #expect(try socket.open() == 0)
            #expect(try socket.connect(to: server.address) == -ENETUNREACH)
            #expect(!waitFor(server.descriptor, POLLIN, 50))
            #expect(try client.call(.bind(id: socket.id, address: .loopback(port: 80))).ret == -EACCES)
        }
    }
}

private struct ForbidConnecting: BackendPolicy {
    func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 {
        switch operation {
        case .connect(let address): address.count == 16 ? ENETUNREACH : 0
        case .bind: credentials.processID == getpid() ? EACCES : 0
        default: 0
        }
    }
}
