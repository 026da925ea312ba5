import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

extension ServiceTests {
    @Suite struct ConnectAndAcceptTests {
        let fixture: ServiceFixture
        let client: TestClient

        init() throws {
            fixture = try ServiceFixture()
            client = try TestClient.connected(path: fixture.path)
        }

        @Test func aRefusedConnectIsAnsweredAndTheSocketConnectsAgain() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let address = server.address
            server.close()
            let socket = try TestSocket(client, port: 1)
            #expect(try socket.open() == 0)
            // Refused at once, and told as what is learnt later: by the status line and the placeholder.
            #expect(try socket.connect(to: address) == -EINPROGRESS)
            #expect(socket.state == .failedConnect)
            #expect(socket.status(StatusLine.error) == UInt32(ECONNREFUSED))
            #expect(socket.tokensInPlaceholder == 1)
            socket.startOver()
            let other = try Peer.listening()
            #expect(try socket.connect(to: other.address) == 0)
            let peer = try other.accept()
            peer.write([1])
            #expect(try socket.receive(1) == [1])
        }

        @Test func connectingToNothingDisconnects() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let nothing = try #require(
                [UInt8](repeating: 0, count: 16).withUnsafeBytes { SocketAddress(bytes: $0.baseAddress!, length: 16) })
            let socket = try TestSocket(client, port: 1)
            #expect(try socket.open() == 0)
            #expect(try socket.connect(to: nothing) == 0)
            #expect(socket.state == .open)
            #expect(try socket.connect(to: server.address) == 0)
            let first = try server.accept()
            #expect(try socket.connect(to: nothing) == 0)
            #expect(socket.state == .failedConnect)
            #expect(socket.status(StatusLine.error) == UInt32(ECONNRESET))
            #expect(first.read(1).result == Int(-ECONNRESET))
            socket.startOver()
            #expect(try socket.connect(to: server.address) == 0)
            let second = try server.accept()
            second.write([1])
            #expect(try socket.receive(1) == [1])
            #expect(try socket.send([2]) == 1)
            #expect(second.read(1).bytes == [2])
        }

        @Test func aListenerAnnouncesArrivalsAndHandsThemOut() throws {
            defer { fixture.stop() }
            let listener = try TestSocket(client, port: 1)
            #expect(try listener.open() == 0)
            #expect(try client.call(.bind(id: listener.id, address: .loopback(port: 0))).ret == 0)
            #expect(try client.call(.listen(id: listener.id, backlog: 8)).ret == 0)
            #expect(listener.state == .listening)
            let address = try #require(try client.call(.getsockname(id: listener.id)).address)
            let early = try TestSocket(client, port: 2)
            let nothing = try early.accept(listener)
            #expect(nothing.ret == -EAGAIN)
            #expect(nothing.payload == .accepted(SocketAddress(), empty: true, arrivals: 0))

            let one = try Peer.connected(to: address)
            let two = try Peer.connected(to: address)
            #expect(waitFor(listener.placeholder, POLLIN, 20_000))
            #expect(listener.tokensInPlaceholder == 1)
            // An ACCEPT that took nothing gives its port back.
            #expect(early.generation == 1)
            let first = try TestSocket(client, port: 2)
            let taken = try first.accept(listener)
            #expect(taken.ret == 0)
            #expect(taken.address == one.address)
            guard case .accepted(_, let empty, _) = taken.payload else { return }
            #expect(!empty)
            let second = try TestSocket(client, port: 3)
            let last = try second.accept(listener)
            guard case .accepted(_, true, let arrivals) = last.payload else {
                Issue.record("a further connection was announced")
                return
            }
            let producer = listener.incoming.producerValue()
            #expect(eventually { listener.incoming.producerValue().index == arrivals } || producer.index != arrivals)
            #expect(first.state == .connected)
            one.write([1])
            two.write([2])
            #expect(try first.receive(1) == [1])
            #expect(try second.receive(1) == [2])
            #expect(try first.send([3]) == 1)
            #expect(one.read(1).bytes == [3])
        }

        @Test func aListenerThatIsShutDownEndsItsAccepts() throws {
            defer { fixture.stop() }
            let listener = try TestSocket(client, port: 1)
            #expect(try listener.open() == 0)
            #expect(try client.call(.bind(id: listener.id, address: .loopback(port: 0))).ret == 0)
            #expect(try client.call(.listen(id: listener.id, backlog: 8)).ret == 0)
            #expect(try listener.shutdown(0) == 0)
            #expect(listener.incoming.producerValue().has(InProducer.endOfFile))
            #expect(waitFor(listener.placeholder, POLLIN, 20_000))
            let next = try TestSocket(client, port: 2)
            #expect(try next.accept(listener).ret == -EINVAL)
            listener.close()
            #expect(eventually { listener.generation == 1 })
        }

        @Test func aPortWhoseSocketNeverCameToBeIsFreeAgain() throws {
            defer { fixture.stop() }
            for round in 1...UInt32(3) {
                let socket = try TestSocket(client, port: 1)
                #expect(try socket.open(domain: 4000) == -EAFNOSUPPORT)
                #expect(socket.generation == round)
                // The service closed its end.
                #expect(waitFor(socket.placeholder, POLLHUP, 20_000))
            }
            #expect(try TestSocket(client, port: 1).open() == 0)
        }

        @Test func aClosedListenersPortIsFreeWhenReleaseIsAnswered() throws {
            defer { fixture.stop() }
            let listener = try TestSocket(client, port: 1)
            #expect(try listener.open() == 0)
            #expect(try client.call(.bind(id: listener.id, address: .loopback(port: 0))).ret == 0)
            #expect(try client.call(.listen(id: listener.id, backlog: 8)).ret == 0)
            let address = try #require(try client.call(.getsockname(id: listener.id)).address)
            listener.close()
            let ret = try listener.release()
            #expect(ret == 0 || ret == -EBADF)
            #expect(listener.generation == 1)
            let again = try TestSocket(client, port: 1)
            #expect(try again.open() == 0)
            #expect(try client.call(.bind(id: again.id, address: address)).ret == 0)
        }

        @Test func optionsAndNamesGoToTheRealSocket() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let socket = try TestSocket(client, port: 1)
            try socket.connected(to: server.address)
            let peer = try server.accept()
            #expect(try client.call(.getpeername(id: socket.id)).address == server.address)
            let one: [UInt8] = [1, 0, 0, 0]
            let set = Request.setsockopt(
                id: socket.id, level: IPPROTO_TCP_NUMBER, name: 1, length: 4, outProducer: socket.outgoing.produced)
            #expect(try client.call(set, value: one).ret == 0)
            let slot = client.ring.nextSlot
            let got = try client.call(.getsockopt(id: socket.id, level: IPPROTO_TCP_NUMBER, name: 1, length: 4))
            #expect(got.payload == .length(4))
            var value: [UInt8] = [0, 0, 0, 0]
            #expect(client.arguments.read(slot, into: &value, count: 4))
            #expect(value == one)
            // SO_PEERPIDFD has no answer for TCP; some kernels do not know it.
            let pidfd = try client.call(.getsockopt(id: socket.id, level: 1, name: 77, length: 4)).ret
            #expect([-ENODATA, -ENOPROTOOPT].contains(pidfd))
            peer.write([1, 2])
            #expect(try eventually { try socket.incoming.view().count == 2 })
            #expect(try client.call(.ioctl(id: socket.id, request: IoctlRequest.inputQueue)).payload == .value(0))
            #expect(try client.call(.sendOOB(id: socket.id, outProducer: socket.outgoing.produced, byte: 33)).ret == 0)
            var byte: UInt8 = 0
            #expect(
                eventually { recv(peer.descriptor, &byte, 1, Int32(MSG_OOB) | Int32(MSG_DONTWAIT)) == 1 && byte == 33 })
        }

        @Test func aDomainSocketOfTheBackendDomainWorksLikewise() throws {
            defer { fixture.stop() }
            let path = "/tmp/xensock-peer-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
            let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            let server = Peer(descriptor: listener)
            defer { unlink(path) }
            var bytes: [UInt8] = [1, 0] + Array(path.utf8) + [0]
            let address = try #require(SocketAddress(bytes: &bytes, length: bytes.count))
            #expect(address.withUnsafeBytes { LinuxKernel().bind(listener, $0) } == 0)
            #expect(listen(listener, 4) == 0)
            let socket = try TestSocket(client, port: 1)
            #expect(try socket.open(domain: 1) == 0)
            #expect(try socket.connect(to: address) == 0)
            let peer = try server.accept()
            peer.write([8])
            #expect(try socket.receive(1) == [8])
            // The address is too long for the entry: it comes in the argument slot.
            #expect(try client.call(.getpeername(id: socket.id)).address == address)
        }
    }
}

let IPPROTO_TCP_NUMBER: Int32 = 6
