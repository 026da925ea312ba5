import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    /// Requests that nobody waits for (docs/PROTOCOL.md, 2.3).
    @Suite struct PostedTests {
        /// Refuses every socket of AF_INET6.
        private struct NoVersion6: BackendPolicy {
            func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 {
                if case .socket(let domain, _, _) = operation, domain == AF_INET6 { return EPERM }
                return 0
            }
        }

        private func generation(_ client: TestClient, _ port: UInt32) -> UInt32 {
            SharedWord32(client.base + XenSockWire.Arena.statusOffset(port: port)).load()
        }

        private func request(
            _ socket: TestSocket, domain: Int32, type: UInt32 = 1 | SocketRequest.posted
        ) -> Request {
            .socket(
                id: socket.id, domain: UInt32(domain), type: type, protocol: 0,
                eventChannel: EventChannelPort(socket.port), indexesPage: socket.page)
        }

        @Test func aFailureIsThatOfEveryRequestUntilRelease() throws {
            let fixture = try ServiceFixture(policy: NoVersion6())
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1)
            #expect(try client.call(request(socket, domain: AF_INET6)).ret == -EPERM)
            #expect(generation(client, 1) == 0)
            let address = SocketAddress.loopback(port: 1)
            #expect(try client.call(.bind(id: socket.id, address: address)).ret == -EPERM)
            #expect(try client.call(.getsockname(id: socket.id)).ret == -EPERM)
            #expect(try client.call(.listen(id: socket.id, backlog: 1)).ret == -EPERM)
            // The placeholder's other end is closed.
            #expect(waitFor(socket.placeholder, POLLHUP, 20_000))
            #expect(try client.call(.release(id: socket.id, reuse: false)).ret == 0)
            #expect(generation(client, 1) == 1)
            #expect(try client.call(.getsockname(id: socket.id)).ret == -EBADF)
            let next = try TestSocket(client, port: 1)
            #expect(try client.call(request(next, domain: AF_INET)).ret == 0)
            #expect(try client.call(.getsockname(id: next.id)).ret == 0)
        }

        @Test func whatIsWaitedForGivesItsPortBackAtOnce() throws {
            let fixture = try ServiceFixture(policy: NoVersion6())
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1)
            #expect(try client.call(request(socket, domain: AF_INET6, type: 1)).ret == -EPERM)
            #expect(generation(client, 1) == 1)
            #expect(try client.call(.getsockname(id: socket.id)).ret == -EBADF)
            // Nor does POSTED keep the port of another type.
            let datagrams = try TestSocket(client, port: 2)
            #expect(try client.call(request(datagrams, domain: AF_INET6, type: 2 | SocketRequest.posted)).ret == -EPERM)
            #expect(generation(client, 2) == 1)
        }

        @Test func withoutAPairItIsEnfile() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let request = Request.socket(
                id: 7, domain: UInt32(AF_INET), type: 1 | SocketRequest.posted, protocol: 0,
                eventChannel: EventChannelPort(1), indexesPage: TestSocket.page(client, 1))
            #expect(try client.call(request).ret == -EBADF)
            #expect(try client.call(.getsockname(id: 7)).ret == -ENFILE)
            #expect(try client.call(.release(id: 7, reuse: false)).ret == 0)
            #expect(generation(client, 1) == 1)
        }

        @Test func portsThatDoNotExistAreNotKept() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            for port in [0, 64, 0xffff_ffff] as [UInt32] {
                let request = Request.socket(
                    id: SocketID(7), domain: UInt32(AF_INET), type: 1 | SocketRequest.posted, protocol: 0,
                    eventChannel: EventChannelPort(port), indexesPage: GrantReference(10))
                #expect(try client.call(request).ret == -EBADF)
                #expect(try client.call(.getsockname(id: 7)).ret == -EBADF)
            }
            // No more are remembered than there are ports, whatever ids they have.
            for id in 0..<200 as Range<UInt64> {
                let request = Request.socket(
                    id: SocketID(100 + id), domain: UInt32(AF_INET), type: 1 | SocketRequest.posted, protocol: 0,
                    eventChannel: EventChannelPort(1), indexesPage: GrantReference(10))
                #expect(try client.call(request).ret == -EBADF)
            }
            #expect(try client.call(.getsockname(id: 100)).ret == -ENFILE)
            #expect(try client.call(.getsockname(id: 299)).ret == -EBADF)
        }

        @Test func anAttachFindsASocketThatWasOnlyAskedFor() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let owner = try TestClient.connected(path: fixture.path)
            let heir = try TestClient.connected(path: fixture.path)
            for port in 1..<40 as Range<UInt32> {
                let socket = try TestSocket(owner, port: port)
                // The service is not told that there is a request.
                try RequestCodec(.xensock2).encode(
                    request(socket, domain: AF_INET), requestID: owner.ring.nextSlot, into: owner.ring.nextRequest())
                _ = owner.ring.push()
                #expect(try heir.attach(socket.placeholder, id: UInt64(port)).u32(4) == 0)
                #expect(try heir.call(.getsockname(id: SocketID(UInt64(port)))).ret == 0)
                guard let response = try owner.ring.nextResponse() else {
                    Issue.record("no answer")
                    return
                }
                #expect(RequestCodec(.xensock2).decodeResponse(from: response).ret == 0)
                owner.ring.consumeResponse()
            }
        }

        @Test func theHangUpFindsOptionsThatWereOnlyAskedFor() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let peer = try Peer.listening()
            for port in 1..<20 as Range<UInt32> {
                let socket = try TestSocket(client, port: port)
                #expect(try socket.open() == 0)
                #expect(try socket.connect(to: peer.address) == 0)
                let accepted = try peer.accept()
                let slot = client.ring.nextSlot
                let arguments = ArgumentArea(base: client.base + XenSockWire.Arena.argumentsOffset)
                arguments.slot(slot)?.storeBytes(of: 1, as: UInt64.self)
                try RequestCodec(.xensock2).encode(
                    .setsockopt(
                        id: socket.id, level: SOL_SOCKET, name: SO_LINGER, length: 8, outProducer: 0),
                    requestID: slot, into: client.ring.nextRequest(), arguments: arguments)
                _ = client.ring.push()
                socket.close()
                #expect(accepted.read(1).result == Int(-ECONNRESET))
                if try client.ring.nextResponse() != nil { client.ring.consumeResponse() }
            }
        }
    }
}
