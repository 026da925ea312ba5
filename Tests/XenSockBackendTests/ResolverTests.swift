import CXenSockSystem
import Glibc
import Synchronization
import Testing
import XenSockWire

@testable import XenSockBackend

private func decode(_ bytes: [UInt8]) -> ResolverQueryRecord? {
    bytes.withUnsafeBytes { ResolverQueryRecord(record: $0) }
}

private let localhost = ResolverQueryRecord.addressInfo(
    flags: 0, family: AF_INET, type: Int32(SOCK_STREAM.rawValue), protocolNumber: 0, node: "localhost", service: "80")

@Suite("Query records of the resolver")
struct ResolverQueryTests {
    @Test(arguments: [
        localhost,
        .addressInfo(flags: -1, family: 10, type: 2, protocolNumber: 17, node: nil, service: "https"),
        .addressInfo(flags: 2, family: 0, type: 0, protocolNumber: 0, node: "", service: nil),
        .addressInfo(flags: 0, family: 0, type: 0, protocolNumber: 0, node: nil, service: nil),
        .nameInfo(flags: 3, address: [2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        .nameInfo(flags: 0, address: []), .nameInfo(flags: 0, address: [UInt8](repeating: 7, count: 128)),
    ])
    func roundTrip(_ query: ResolverQueryRecord) throws {
        #expect(decode(try #require(query.encoded())) == query)
    }

    @Test("The layout is that of docs/PROTOCOL.md, 2.4")
    func layout() {
        let query = ResolverQueryRecord.addressInfo(
            flags: 1, family: 2, type: 3, protocolNumber: 4, node: "ab", service: nil)
        #expect(
            query.encoded() == [
                34, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 255, 255, 255, 255,
                97, 98,
            ])
    }

    @Test("Every truncation is refused, with the length left as it was or made to fit")
    func truncated() throws {
        for query in [localhost, .nameInfo(flags: 0, address: [2, 0, 0, 80, 127, 0, 0, 1])] {
            let record = try #require(query.encoded())
            for count in 0..<record.count {
                var bytes = Array(record[..<count])
                #expect(decode(bytes) == nil)
                if count >= 4 { bytes.storeWord(UInt32(count), at: 0) }
                #expect(decode(bytes) == nil)
            }
        }
    }

    @Test(arguments: [(24, 0x7fff_ffff), (24, 0xffff_fffe), (28, 0x8000_0000), (28, 4), (24, 12), (4, 0), (4, 3)])
    func lyingWordsAreRefused(_ offset: Int, _ word: UInt32) throws {
        var record = try #require(localhost.encoded())
        record.storeWord(word, at: offset)
        #expect(decode(record) == nil)
    }

    @Test func nulAndBrokenTextAreRefused() throws {
        for byte: UInt8 in [0, 0xff] {
            var record = try #require(localhost.encoded())
            record[33] = byte
            #expect(decode(record) == nil)
        }
    }

    @Test func bound() throws {
        func query(_ count: Int) -> ResolverQueryRecord {
            .addressInfo(
                flags: 0, family: 0, type: 0, protocolNumber: 0, node: String(repeating: "a", count: count),
                service: nil)
        }
        #expect(decode(try #require(query(4096 - 32).encoded())) == query(4096 - 32))
        #expect(query(4096 - 31).encoded() == nil)
        var record = try #require(query(4096 - 32).encoded()) + [97]
        record.storeWord(4097, at: 0)
        record.storeWord(4065, at: 24)
        #expect(decode(record) == nil)
        #expect(
            ResolverQueryRecord.nameInfo(flags: 0, address: [UInt8](repeating: 0, count: 129)).encoded().map(decode)
                == .some(nil))
    }

    @Test("Garbage of any length is decoded without a trap, and its answer is a failure")
    func garbage() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var bytes = (0..<Int.random(in: 8...96)).map { _ in UInt8.random(in: 0...255, using: &generator) }
            bytes.storeWord(UInt32(bytes.count), at: 0)
            bytes.storeWord(UInt32.random(in: 0...3), at: 4)
            if let query = decode(bytes) {
                #expect(decode(query.encoded() ?? []) == query)
            }
        }
    }
}

@Suite("Answer records of the resolver")
struct ResolverAnswerTests {
    private static let entry = ResolverAnswerRecord.Entry(
        flags: 1, family: 2, type: 1, protocolNumber: 6, address: [2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        canonicalName: "a.example.org")

    @Test func roundTrip() {
        for (answer, kind) in [
            (ResolverAnswerRecord(content: .addresses([Self.entry, Self.entry])), Resolver.Kind.getaddrinfo),
            (ResolverAnswerRecord(content: .addresses([])), .getaddrinfo),
            (ResolverAnswerRecord(content: .names(host: "h", service: "")), .getnameinfo),
            (ResolverAnswerRecord(status: EAI_SYSTEM, systemError: EMFILE), .getaddrinfo),
        ] {
            #expect(answer.encoded().withUnsafeBytes { ResolverAnswerRecord(record: $0, kind: kind) } == answer)
        }
    }

    @Test("Entries are padded to 8 bytes; lengths do not count the padding")
    func layout() {
        let record = ResolverAnswerRecord(content: .addresses([Self.entry])).encoded()
        #expect(record.count == 16 + 56)
        record.withUnsafeBytes {
            #expect($0.word(0) == 72)
            #expect($0.word(12) == 1)
            #expect($0.word(32) == 16)
            #expect($0.word(36) == 13)
        }
        #expect(record[16 + 53..<72].allSatisfy { $0 == 0 })
        let names = ResolverAnswerRecord(content: .names(host: "ab", service: "c")).encoded()
        #expect(names == [27, 0, 0, 0] + [UInt8](repeating: 0, count: 12) + [2, 0, 0, 0, 1, 0, 0, 0, 97, 98, 99])
    }

    @Test func neverLongerThan64KiB() throws {
        let many = ResolverAnswerRecord(
            content: .addresses([ResolverAnswerRecord.Entry](repeating: Self.entry, count: 2000)))
        let record = many.encoded()
        #expect(record.count <= 65536)
        let kept = try #require(record.withUnsafeBytes { ResolverAnswerRecord(record: $0, kind: .getaddrinfo) })
        #expect(
            kept.content == .addresses([ResolverAnswerRecord.Entry](repeating: Self.entry, count: (65536 - 16) / 56)))
    }

    @Test func truncationsAreRefused() {
        let record = ResolverAnswerRecord(content: .addresses([Self.entry])).encoded()
        for count in 0..<record.count - 8 {
            var bytes = Array(record[..<count])
            if count >= 4 { bytes.storeWord(UInt32(count), at: 0) }
            #expect(bytes.withUnsafeBytes { ResolverAnswerRecord(record: $0, kind: .getaddrinfo) } == nil)
        }
    }
}

/// A gate that threads of a pool wait at.
private final class Gate: Sendable {
    private let isOpen = Mutex(false)
    let entered = Mutex(0)

    func pass() {
        entered.withLock { $0 += 1 }
        while !isOpen.withLock({ $0 }) { usleep(1000) }
    }

    func open() { isOpen.withLock { $0 = true } }
}

@Suite("The resolver's threads", .timeLimit(.minutes(10)))
struct ResolverPoolTests {
    /// Waits for so many results, in the way the reactor does.
    private func results(_ pool: ResolverPool, _ count: Int) -> [UInt64: [UInt8]] {
        var results: [UInt64: [UInt8]] = [:]
        while results.count < count {
            var waiting = pollfd(fd: pool.completionDescriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 20_000) == 1 else { break }
            pool.takeResults { results[$0] = $1 }
        }
        return results
    }

    private func ask(_ query: ResolverQueryRecord) throws -> ResolverAnswerRecord {
        let pool = try #require(ResolverPool())
        let record = try #require(query.encoded())
        #expect(record.withUnsafeBytes { pool.start(query: $0, completion: 7, asker: 0) } == 0)
        let answer = try #require(results(pool, 1)[7])
        var waiting = pollfd(fd: pool.completionDescriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&waiting, 1, 0) == 0)
        let kind: Resolver.Kind = if case .addressInfo = query { .getaddrinfo } else { .getnameinfo }
        return try #require(answer.withUnsafeBytes { ResolverAnswerRecord(record: $0, kind: kind) })
    }

    private static let loopback: [UInt8] = [2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]

    @Test func localhostIsLoopback() throws {
        let answer = try ask(localhost)
        #expect(answer.status == 0)
        guard case .addresses(let entries) = answer.content else { throw CancellationError() }
        #expect(entries.first?.address == Self.loopback)
        #expect(entries.first?.family == AF_INET)
    }

    @Test func numericAndCanonicalName() throws {
        let answer = try ask(
            .addressInfo(
                flags: AI_NUMERICHOST | AI_CANONNAME, family: 0, type: 1, protocolNumber: 0, node: "::1", service: "443"
            ))
        guard case .addresses(let entries) = answer.content else { throw CancellationError() }
        #expect(entries.count == 1)
        #expect(entries.first?.address.count == 28)
        #expect(entries.first?.canonicalName == "::1")
    }

    @Test func failuresCarryTheirStatus() throws {
        let answer = try ask(
            .addressInfo(flags: AI_NUMERICHOST, family: 0, type: 0, protocolNumber: 0, node: "no digits", service: nil))
        #expect(answer == ResolverAnswerRecord(status: EAI_NONAME))
        #expect(
            try ask(.addressInfo(flags: 0, family: 0, type: 0, protocolNumber: 0, node: nil, service: nil)).status
                == EAI_NONAME)
    }

    @Test func nameInfo() throws {
        let answer = try ask(.nameInfo(flags: NI_NUMERICHOST | NI_NUMERICSERV, address: Self.loopback))
        #expect(answer == ResolverAnswerRecord(content: .names(host: "127.0.0.1", service: "80")))
        #expect(try ask(.nameInfo(flags: 0, address: [])).status == EAI_FAMILY)
        #expect(try ask(.nameInfo(flags: NI_NUMERICHOST, address: [2, 0, 0, 80])).status == EAI_FAMILY)
    }

    @Test func garbageIsAnsweredEaiFail() throws {
        let pool = try #require(ResolverPool())
        let garbage: [UInt8] = [9, 0, 0, 0, 1, 0, 0, 0, 5]
        #expect(garbage.withUnsafeBytes { pool.start(query: $0, completion: 1, asker: 0) } == 0)
        #expect(results(pool, 1)[1] == ResolverAnswerRecord(status: EAI_FAIL).encoded())
    }

    @Test("One query too many is answered EAI_AGAIN at once; cancelled ones make room")
    func queueIsBounded() throws {
        let gate = Gate()
        let pool = try #require(
            ResolverPool(threads: 2, waiting: 3, share: 1) { _ in
                gate.pass()
                return ResolverAnswerRecord(status: EAI_NONAME)
            })
        let record = try #require(localhost.encoded())
        func start(_ completion: UInt64) {
            _ = record.withUnsafeBytes { pool.start(query: $0, completion: completion, asker: 0) }
        }
        start(1)
        start(2)
        while gate.entered.withLock({ $0 }) < 2 { usleep(1000) }
        for completion: UInt64 in 3...6 { start(completion) }
        #expect(results(pool, 1) == [6: ResolverAnswerRecord(status: EAI_AGAIN).encoded()])
        pool.cancel(completion: 4)
        start(7)
        gate.open()
        #expect(results(pool, 5).keys.sorted() == [1, 2, 3, 5, 7])
    }

    @Test("Whose queries hang leaves threads and room to others")
    func askersHaveShares() throws {
        let gate = Gate()
        let hanging = localhost
        let pool = try #require(
            ResolverPool(threads: 4, waiting: 8) { query in
                if query == hanging { gate.pass() }
                return ResolverAnswerRecord(status: EAI_NONAME)
            })
        func start(_ query: ResolverQueryRecord, _ completion: UInt64, asker: UInt64) throws {
            let record = try #require(query.encoded())
            _ = record.withUnsafeBytes { pool.start(query: $0, completion: completion, asker: asker) }
        }
        for completion: UInt64 in 1...2 { try start(hanging, completion, asker: 1) }
        while gate.entered.withLock({ $0 }) < 2 { usleep(1000) }
        // Two threads and room for four are its own; a thread more may be there that waits for others' queries.
        for completion: UInt64 in 3...20 { try start(hanging, completion, asker: 1) }
        let refused = results(pool, 12)
        #expect(refused.values.allSatisfy { $0 == ResolverAnswerRecord(status: EAI_AGAIN).encoded() })
        try start(.nameInfo(flags: 0, address: []), 30, asker: 2)
        #expect(results(pool, 1).keys.contains(30))
        #expect(gate.entered.withLock { $0 } == 2)
        gate.open()
        #expect(results(pool, 20 - refused.count).count == 20 - refused.count)
    }

    @Test("A pool may go away while a thread is at work; that thread then lets go of what they shared")
    func poolEnds() throws {
        let gate = Gate()
        let ended = Ended()
        var pool = ResolverPool(
            threads: 2,
            perform: { [token = Token(ended)] _ in
                gate.pass()
                return withExtendedLifetime(token) { ResolverAnswerRecord() }
            })
        let record = try #require(localhost.encoded())
        _ = record.withUnsafeBytes { pool?.start(query: $0, completion: 1, asker: 0) }
        while gate.entered.withLock({ $0 }) < 1 { usleep(1000) }
        pool = nil
        #expect(!ended.flag.withLock { $0 })
        gate.open()
        while !ended.flag.withLock({ $0 }) { usleep(1000) }
    }
}

private final class Ended: Sendable {
    let flag = Mutex(false)
}

/// Tells when the last reference to it is gone.
private final class Token: Sendable {
    private let ended: Ended
    init(_ ended: Ended) { self.ended = ended }
    deinit { ended.flag.withLock { $0 = true } }
}
