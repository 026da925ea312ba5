import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

/// Answers at once with a record of a given size, whose last byte is the query's.
private final class EchoResolver: NameResolver {
    let completionDescriptor: Int32
    let size: Int
    private var results: [(UInt64, [UInt8])] = []

    init(size: Int) {
        self.size = size
        completionDescriptor = LinuxKernel().eventDescriptor()
    }

    deinit { close(completionDescriptor) }

    func start(query: UnsafeRawBufferPointer, completion: UInt64, asker: UInt64) -> Int32 {
        guard let last = query.last else { return EINVAL }
        var answer = [UInt8](repeating: 0, count: size)
        answer[size - 1] = last
        results.append((completion, answer))
        LinuxKernel().signal(eventDescriptor: completionDescriptor)
        return 0
    }

    func cancel(completion: UInt64) { results.removeAll { $0.0 == completion } }

    func takeResults(_ body: (UInt64, [UInt8]) -> Void) {
        var count: UInt64 = 0
        _ = read(completionDescriptor, &count, 8)
        let taken = results
        results = []
        for (completion, answer) in taken { body(completion, answer) }
    }
}

private struct NamePolicy: BackendPolicy {
    func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 {
        if case .resolve(let name) = operation { return name == "forbidden" ? EACCES : 0 }
        return 0
    }
}

extension ServiceTests {
    @Suite struct ResolverSocketTests {
        private func query(_ name: String, length: UInt32? = nil) -> [UInt8] {
            var record: [UInt8] = []
            let count = UInt32(32 + name.utf8.count)
            for word in [length ?? count, 1, 0, 0, 1, 0, UInt32(name.utf8.count), Resolver.none] {
                withUnsafeBytes(of: word) { record += Array($0) }
            }
            return record + Array(name.utf8)
        }

        private func open(_ client: TestClient, _ port: UInt32, order: UInt32 = 1) throws -> TestSocket {
            let socket = try TestSocket(client, port: port, order: order)
            #expect(try socket.open(domain: Resolver.domain) == 0)
            #expect(try socket.connect(to: SocketAddress()) == 0)
            return socket
        }

        @Test func anAnswerLargerThanTheRingComesWholeAndThenTheEnd() throws {
            let fixture = try ServiceFixture(policy: NamePolicy(), resolver: EchoResolver(size: 65536))
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let socket = try open(client, 1)
            // In two pieces, the first shorter than the length word.
            let record = query("example.org")
            #expect(try socket.send(Array(record[0..<3])) == 3)
            usleep(1000)
            #expect(try socket.send(Array(record[3...])) == record.count - 3)
            let answer = try socket.receive(70000)
            #expect(answer.count == 65536)
            #expect(answer.last == UInt8(ascii: "g"))
            #expect(try socket.incoming.view().endOfFile)
            socket.close()
            #expect(eventually { socket.generation == 1 })
        }

        @Test func aNameThatThePolicyForbidsIsAnsweredWithItsErrno() throws {
            let fixture = try ServiceFixture(policy: NamePolicy(), resolver: EchoResolver(size: 16))
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let socket = try open(client, 1)
            _ = try socket.send(query("forbidden"))
            let answer = try socket.receive(100)
            #expect(answer.count == 16)
            #expect(answer.u32(4) == UInt32(bitPattern: -11))
            #expect(answer.u32(8) == UInt32(EACCES))
        }

        @Test func aQueryOutOfBoundsEndsTheSocket() throws {
            let fixture = try ServiceFixture(resolver: EchoResolver(size: 16))
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            for (port, length) in [(UInt32(1), UInt32(4097)), (2, 7), (3, 0), (4, UInt32.max)] {
                let socket = try open(client, port, order: 2)
                _ = try socket.send(query("x", length: length))
                #expect(eventually { socket.state == .reset })
                socket.close()
                #expect(eventually { socket.generation == 1 })
            }
            // A name that is longer than its record.
            let socket = try open(client, 5)
            var record = query("name")
            record[24] = 200
            _ = try socket.send(record)
            #expect(try socket.receive(100).u32(8) == UInt32(EINVAL))
        }

        @Test func aQueryThatNoSessionAsksIsAnsweredAllTheSame() throws {
            let fixture = try ServiceFixture(resolver: EchoResolver(size: 100))
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            let socket = try open(client, 1)
            let query = query("name")
            #expect(try socket.send(Array(query[0..<10])) == 10)
            client.hangUp()
            #expect(try client.receive() == nil)
            #expect(try socket.send(query[10...] + [0]) == query.count - 9)
            #expect(try socket.receive(16) == ResolverExchange.failure(status: ResolverQuery.systemError, errno: EIO))
        }

        @Test func aQueryWhoseSocketIsClosedIsForgotten() throws {
            let fixture = try ServiceFixture(resolver: EchoResolver(size: 16))
            defer { fixture.stop() }
            let client = try TestClient.connected(path: fixture.path)
            for round in 0..<20 {
                let socket = try open(client, 1)
                _ = try socket.send(query("example.org"))
                socket.close()
                #expect(eventually { socket.generation == UInt32(round + 1) })
            }
        }
    }
}
