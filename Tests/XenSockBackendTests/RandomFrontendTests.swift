import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

/// Connects to 127.0.0.1 only: random requests must not leave the machine.
private struct LoopbackOnly: BackendPolicy {
    func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 {
        switch operation {
        case .connect(let address): address.count == 16 && address[0] == 2 && address[4] == 127 ? 0 : EACCES
        case .bind: EACCES
        default: 0
        }
    }
}

/// SplitMix64.
private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}

extension ServiceTests {
    @Suite struct RandomFrontendTests {
        private func scribble(_ client: TestClient, _ random: inout Random) {
            let port = UInt32.random(in: 1..<4, using: &random)
            let indexes = TestSocket.indexes(client, port)
            let values: [UInt64] = [
                0, 1 << 32, 4096 << 32, UInt64.max, random.next(), random.next() & 0xffffff_00000000,
            ]
            let words = [
                InProducer.offset, InConsumer.offset, OutProducer.offset, OutConsumer.offset, 128, 136, 144,
            ]
            let word = words.randomElement(using: &random) ?? 0
            SharedWord64(indexes + word).store(values.randomElement(using: &random) ?? 0)
            let line = client.base + XenSockWire.Arena.statusOffset(port: port)
            SharedWord64(line + Int.random(in: 0..<16, using: &random) * 8).store(random.next())
            client.ring(UInt32.random(in: 0..<70, using: &random) & 63)
        }

        private func request(_ client: TestClient, _ random: inout Random) -> Bool {
            let commands: [UInt32] = [0, 1, 2, 3, 4, 5, 6, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73]
            let slot = client.ring.nextRequest()
            for word in 0..<16 {
                let values: [UInt32] = [
                    0, 1, 2, 3, 4, 16, 28, 128, 512, UInt32.max, UInt32(truncatingIfNeeded: random.next()),
                ]
                slot.storeBytes(of: values.randomElement(using: &random) ?? 0, toByteOffset: word * 4, as: UInt32.self)
            }
            slot.storeBytes(of: commands.randomElement(using: &random) ?? 0, toByteOffset: 4, as: UInt32.self)
            slot.storeBytes(of: UInt64.random(in: 0..<4, using: &random), toByteOffset: 8, as: UInt64.self)
            return (try? client.finishCall()) != nil
        }

        @Test(arguments: [1, 2, 3, 4, 5, 6])
        func whateverAFrontendWritesTheServiceServesTheNextOne(seed: UInt64) throws {
            let fixture = try ServiceFixture(policy: LoopbackOnly())
            defer { fixture.stop() }
            let before = fixture.held
            var random = Random(state: seed)
            do {
                let server = try Peer.listening()
                for _ in 0..<12 {
                    let client = try TestClient.connected(path: fixture.path)
                    var peers: [Peer] = []
                    var sockets: [TestSocket] = []
                    for port in 1..<UInt32(4) {
                        let socket = try TestSocket(client, port: port, id: SocketID(UInt64(port)), order: 1)
                        try socket.connected(to: server.address)
                        peers.append(try server.accept())
                        sockets.append(socket)
                    }
                    for _ in 0..<150 {
                        scribble(client, &random)
                        peers.randomElement(using: &random)?.write([1, 2, 3])
                        if !request(client, &random) { break }
                    }
                    for socket in sockets.shuffled(using: &random) { socket.close() }
                }
            }
            #expect(eventually { fixture.held == before })
            let client = try TestClient.connected(path: fixture.path)
            #expect(try TestSocket(client, port: 1).open() == 0)
        }
    }
}
