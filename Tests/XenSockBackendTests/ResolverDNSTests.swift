import Glibc
import Testing
import XenSockWire

@testable import XenSockBackend

private func decode(_ bytes: [UInt8]) -> ResolverQueryRecord? {
    bytes.withUnsafeBytes { ResolverQueryRecord(record: $0) }
}

/// A message that asks for the addresses of a name, given as its labels.
private func message(_ labels: [String], flags: UInt8 = 1, questions: UInt8 = 1) -> [UInt8] {
    let header: [UInt8] = [0, 1, flags, 0, 0, questions, 0, 0, 0, 0, 0, 0]
    let name: [UInt8] = labels.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    return header + name + [0, 0, 1, 0, 1]
}

@Suite("Questions about DNS and interfaces")
struct ResolverDNSTests {
    private static let queries: [ResolverQueryRecord] = [
        .dns(ResolverDNSQuery(mode: .query, content: Array("host.example.org".utf8))),
        .dns(ResolverDNSQuery(mode: .search, options: 3, queryClass: -1, type: 28, room: 0, content: [])),
        .dns(ResolverDNSQuery(mode: .send, content: message(["a", "b"]))),
        .interfaces, .interfaceControl(request: 0x8933, structure: Array(0..<40)),
        .hostByName("host.example.org", family: AF_INET6), .hostByAddress([127, 0, 0, 1], family: AF_INET),
    ]

    @Test(arguments: queries)
    func roundTrip(_ query: ResolverQueryRecord) throws {
        #expect(decode(try #require(query.encoded())) == query)
    }

    @Test func truncatedAndLyingRecordsAreRefused() throws {
        for query in [
            ResolverQueryRecord.interfaceControl(request: 1, structure: Array(0..<40)),
            .dns(ResolverDNSQuery(mode: .query, content: [])),
        ] {
            let record = try #require(query.encoded())
            for count in 8..<record.count {
                var bytes = Array(record[..<count])
                bytes.storeWord(UInt32(count), at: 0)
                #expect(decode(bytes) == nil)
            }
        }
        for (content, mode) in [([97, 0, 98], 0), ([0xff], 1), ([97], 3)] as [([UInt8], UInt32)] {
            var record = try #require(
                ResolverQueryRecord.dns(ResolverDNSQuery(mode: .query, content: content)).encoded())
            record.storeWord(mode, at: Resolver.DNSQuery.mode)
            #expect(decode(record) == nil)
        }
    }

    @Test func hostsAreAddressesOfTheirFamily() throws {
        for (content, family) in [([1, 2, 3], AF_INET), ([1, 2, 3, 4], AF_INET6), ([1, 2, 3, 4], AF_UNIX)] {
            let record = try #require(
                ResolverQueryRecord.hostByAddress(content.map { UInt8($0) }, family: family).encoded())
            #expect(decode(record) == nil)
        }
        let found = ResolverQueryRecord.hostByName("127.0.0.1", family: AF_INET).perform()
        let head: [UInt8] = [2, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
        let content = head + Array("127.0.0.1".utf8) + [0, 127, 0, 0, 1]
        #expect(found == ResolverAnswerRecord(content: .bytes(count: 1, content)))
    }

    @Test("The policy sees the name in a message as it sees one that is asked for by name")
    func questionNames() {
        #expect(ResolverDNSQuery.questionName(message(["www", "example", "ORG"])) == "www.example.ORG")
        #expect(ResolverDNSQuery.questionName(message([])) == ".")
        // What would read as two labels is one.
        #expect(ResolverDNSQuery.questionName(message(["a.b", "org"])) == "a\\046b.org")
        #expect(ResolverDNSQuery.questionName(message(["a\u{1}"])) == "a\\001")
        #expect(ResolverDNSQuery.questionName(message(["a"], questions: 2)) == nil)
        #expect(ResolverDNSQuery.questionName(message(["a"], questions: 0)) == nil)
        // A response, an update.
        #expect(ResolverDNSQuery.questionName(message(["a"], flags: 0x80)) == nil)
        #expect(ResolverDNSQuery.questionName(message(["a"], flags: 0x28)) == nil)
        var pointer = message(["a"])
        pointer[14] = 0xc0
        #expect(ResolverDNSQuery.questionName(pointer) == nil)
        let whole = message(["host", "test"])
        for count in 0..<whole.count - 4 { #expect(ResolverDNSQuery.questionName(Array(whole[..<count])) == nil) }
    }

    @Test func policyDecidesOnNamesAndInterfaces() throws {
        func asked(_ query: ResolverQueryRecord) throws -> String {
            var asked = "nobody"
            let refusal = ResolverQuery.operation(try #require(query.encoded())) { operation in
                switch operation {
                case .resolve(let name): asked = name
                case .interfaces: asked = "interfaces"
                default: asked = "something else"
                }
                return 13
            }
            return "\(asked) \(refusal)"
        }
        #expect(try asked(.dns(ResolverDNSQuery(mode: .search, content: Array("a.test".utf8)))) == "a.test 13")
        #expect(try asked(.dns(ResolverDNSQuery(mode: .send, content: message(["b", "test"])))) == "b.test 13")
        #expect(try asked(.dns(ResolverDNSQuery(mode: .send, content: [1, 2, 3]))) == "nobody 22")
        #expect(try asked(.hostByName("c.test", family: AF_INET)) == "c.test 13")
        // To these calls what reads like an address is a name.
        #expect(try asked(.dns(ResolverDNSQuery(mode: .search, content: Array("1.2".utf8)))) == "1.2. 13")
        #expect(try asked(.dns(ResolverDNSQuery(mode: .send, content: message(["1", "2"])))) == "1.2. 13")
        #expect(try asked(.hostByName("::1%a.test", family: AF_INET6)) == "::1%a.test. 13")
        #expect(try asked(.hostByName("10.0.0.1", family: AF_INET)) == "10.0.0.1 13")
        #expect(PolicyQuestion.decode(.resolve(name: "1.2.")) == .question(.name("1.2.")))
        #expect(PolicyQuestion.decode(.resolve(name: "::1%a.test.")) == .question(.name("::1%a.test.")))
        #expect(try asked(.hostByAddress([10, 0, 0, 1], family: AF_INET)) == "something else 13")
        #expect(try asked(.interfaces) == "interfaces 13")
        #expect(try asked(.interfaceControl(request: 0x8933, structure: Array(0..<40))) == "interfaces 13")
    }

    @Test func onlyQuestionsAboutInterfacesArePerformed() {
        let structure = Array("lo".utf8) + [UInt8](repeating: 0, count: 38)
        let found = ResolverQueryRecord.interfaceControl(request: 0x8933, structure: structure).perform()
        guard case .bytes(1, let answer) = found.content else {
            Issue.record("no answer: \(found)")
            return
        }
        #expect(answer.count == 40 && answer[16] == 1)
        // SIOCSIFFLAGS, SIOCGIFCONF and SIOCETHTOOL (pointers), FIONREAD.
        for request in [0x8914, 0x8912, 0x8946, 0x541b] as [UInt32] {
            let refused = ResolverQueryRecord.interfaceControl(request: request, structure: structure).perform()
            #expect(refused == ResolverAnswerRecord(status: EAI_SYSTEM, systemError: ENOTTY))
        }
    }

    @Test func theListOfInterfacesHasTheLoopback() {
        guard case .bytes(let count, let bytes) = ResolverQueryRecord.interfaces.perform().content else {
            Issue.record("no list")
            return
        }
        #expect(count > 0 && bytes.count % 8 == 0)
        // Index 1, two bytes of name.
        #expect(bytes[0] == 1 && bytes[8] == 2 && Array(bytes[28..<30]) == Array("lo".utf8))
    }
}
