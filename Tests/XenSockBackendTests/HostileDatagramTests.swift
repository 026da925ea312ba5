import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire

@testable import XenSockBackend

/// Only datagrams to one port of loopback.
private struct OnePort: BackendPolicy {
    let port: UInt16

    func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 {
        switch operation {
        case .connectDatagrams(let address, _):
            UInt16(address[2]) << 8 | UInt16(address[3]) == port ? 0 : EACCES
        case .socket(_, 3, _): EPERM
        default: 0
        }
    }
}

extension ServiceTests {
    /// Frontends that write what they like into a ring of records.
    @Suite struct HostileDatagramTests {
        private func receiver() -> Peer {
            let peer = Peer(descriptor: socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | O_CLOEXEC, 0))
            _ = SocketAddress.loopback(port: 0).withUnsafeBytes { LinuxKernel().bind(peer.descriptor, $0) }
            return peer
        }

        private func port(_ peer: Peer) -> UInt16 { UInt16(peer.address[2]) << 8 | UInt16(peer.address[3]) }

        @Test func aDestinationThatNobodyAskedAboutIsJudgedAllTheSame() throws {
            let (open, closed) = (receiver(), receiver())
            let fixture = try ServiceFixture(policy: OnePort(port: port(open)))
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let socket = try TestSocket(client, port: 1, order: 7)
            #expect(try socket.open(type: 2) == 0)
            for round in 0..<20 {
                for peer in [closed, open] {
                    let sent = try publishRecord(socket.outgoing, [UInt8(round)], to: peer.address)
                    if sent.ring { client.ring(1) }
                }
                #expect(open.read(1).bytes == [UInt8(round)])
            }
            #expect(!waitFor(closed.descriptor, POLLIN, 50))
            #expect(socket.status(StatusLine.error) == UInt32(EACCES))
            // An address that the rules do not see would be no way around them.
            var hidden = (0..<16).map { closed.address[$0] }
            hidden[0] = 0
            let unspecified = SocketAddress(bytes: hidden, length: 16)!
            let sent = try publishRecord(
                socket.outgoing, [1], to: unspecified, options: DatagramRecord.Option.verdict)
            #expect(try client.call(.flush(id: socket.id, outProducer: sent.end)).ret == -EACCES)
            #expect(!waitFor(closed.descriptor, POLLIN, 50))
            let raw = try TestSocket(client, port: 2, order: 7)
            #expect(try raw.open(type: 3) == -EPERM)
        }

        @Test func randomRingsHarmNobodyElse() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            var random = SeededGenerator(seed: 3)
            let open = receiver()
            let honest = try TestClient.connected(path: fixture.path)
            let steady = try TestSocket(honest, port: 1, order: 7)
            #expect(try steady.open(type: 2) == 0)
            var violations = 0
            for round in 0..<60 {
                let client = try TestClient.connected(path: fixture.path)
                let socket = try TestSocket(client, port: 1, order: 7)
                #expect(try socket.open(type: UInt32(2)) == 0)
                let view = try socket.outgoing.view()
                var words = [UInt64](repeating: 0, count: 64)
                for index in words.indices {
                    words[index] = random.oneIn(3) ? UInt64(random.below(200)) : random.next()
                }
                if random.oneIn(2) {
                    let head = DatagramRecord(
                        payload: UInt32(random.below(200)), address: UInt32(random.below(129)),
                        control: UInt32(random.below(100)), flags: UInt32(truncatingIfNeeded: random.next()), options: 1
                    )
                    (words[0], words[1], words[2]) = head.words
                }
                words.withUnsafeBytes { socket.outgoing.space(view, at: 0, 512).copy(from: $0.baseAddress!) }
                let end = UInt32(random.oneIn(4) ? random.below(1 << 19) : random.below(512))
                IndexWord(socket.indexes + OutProducer.offset).store(.init(index: end, flags: 0))
                client.ring(1)
                let ret = try client.call(.flush(id: socket.id, outProducer: UInt32(random.below(600)))).ret
                #expect(ret <= 0)
                _ = try client.call(.recverr(id: socket.id, offset: UInt32(random.below(2) * random.below(70000))))
                if socket.state == .reset { violations += 1 }
                socket.close()
                let sent = try publishRecord(steady.outgoing, [UInt8(round)], to: open.address)
                if sent.ring { honest.ring(1) }
                #expect(open.read(1).bytes == [UInt8(round)])
            }
            #expect(violations > 10)
        }

        @Test func requestsOfOtherKindsAreRefused() throws {
            let fixture = try ServiceFixture()
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let stream = try TestSocket(client, port: 1)
            #expect(try stream.open() == 0)
            #expect(try client.call(.flush(id: stream.id, outProducer: 0)).ret == -EOPNOTSUPP)
            #expect(try client.call(.recverr(id: stream.id, offset: 0)).ret == -EOPNOTSUPP)
            #expect(try client.call(.look(id: stream.id)).ret == -EOPNOTSUPP)
            let small = try TestSocket(client, port: 2, order: 6)
            #expect(try small.open(type: 2) == -EINVAL)
            let datagrams = try TestSocket(client, port: 3, order: 7)
            #expect(try datagrams.open(type: 2) == 0)
            #expect(try client.call(.listen(id: datagrams.id, backlog: 1)).ret == -EOPNOTSUPP)
            #expect(try client.call(.flush(id: datagrams.id, outProducer: 0)).ret == 0)
            #expect(try client.call(.recverr(id: datagrams.id, offset: 0)).ret == -EAGAIN)
            #expect(try client.call(.recverr(id: datagrams.id, offset: 1)).ret == -EINVAL)
            let peek = Request.setsockopt(id: datagrams.id, level: 1, name: 42, length: 4, outProducer: 0)
            #expect(try client.call(peek, value: [0, 0, 0, 0]).ret == -EOPNOTSUPP)
            let route = Request.setsockopt(id: datagrams.id, level: 0, name: 4, length: 4, outProducer: 0)
            #expect(try client.call(route, value: [1, 1, 1, 1]).ret == -EPERM)
            #expect(try TestSocket(client, port: 4, order: 7).open(type: 5) == -ESOCKTNOSUPPORT)
            #expect(try TestSocket(client, port: 5, order: 7).open(domain: 1, type: 2) == -ESOCKTNOSUPPORT)
        }
    }
}
