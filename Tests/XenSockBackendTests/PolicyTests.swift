import CXenSockSystem
import Glibc
import Logging
import Synchronization
import Testing
import XenSockWire

@testable import XenSockBackend

private let stream = Int32(SOCK_STREAM.rawValue)
private let raw = Int32(SOCK_RAW.rawValue)
private let alice: UInt32 = 1000
private let bob: UInt32 = 1001

private func to(_ address: String, _ port: UInt16) -> PolicyQuestion {
    .address(.connect, PolicyAddress(address)!, port: port)
}

private func at(_ address: String, _ port: UInt16) -> PolicyQuestion {
    .address(.bind, PolicyAddress(address)!, port: port)
}

private func range(_ text: String) -> PolicyAddressRange { try! PolicyAddressRange(text) }

/// A question, and the error that the policy shall answer (0: allowed).
private struct Case: CustomTestStringConvertible {
    let question: PolicyQuestion
    let error: Int32
    var user = alice
    var testDescription: String { "\(question) of \(user) gives \(error)" }

    init(_ question: PolicyQuestion, _ error: Int32, user: UInt32 = alice) {
        self.question = question
        self.error = error
        self.user = user
    }
}

@Suite("A policy decides by the first rule that matches")
struct PolicyRuleTests {
    private static let policy = Policy(
        defaultAction: .deny,
        rules: [
            PolicyRule(action: .deny, operations: [.connect], addresses: [range("10.1.0.0/16")], error: ENETUNREACH),
            PolicyRule(
                action: .allow, operations: [.connect], addresses: [range("10.0.0.0/8"), range("2001:db8::/33")],
                ports: [443...443, 8000...8999]),
            PolicyRule(action: .allow, operations: [.connect], users: [bob], ports: [22...22]),
            PolicyRule(action: .deny, names: [PolicyNamePattern("bad.example.org")!], error: EHOSTUNREACH),
            PolicyRule(
                action: .allow, operations: [.resolve],
                names: [PolicyNamePattern("*.example.org")!, PolicyNamePattern("example.com")!]),
            PolicyRule(action: .allow, operations: [.socket], families: [AF_INET, AF_INET6], types: [stream]),
            PolicyRule(action: .allow, operations: [.bind], ports: [80...80, 8080...8080]),
            PolicyRule(action: .allow, operations: [.resolve], addresses: [range("192.0.2.0/24")]),
        ])

    @Test(arguments: [
        Case(to("10.1.2.3", 443), ENETUNREACH), Case(to("10.2.2.3", 443), 0), Case(to("10.2.2.3", 8000), 0),
        Case(to("10.2.2.3", 8999), 0), Case(to("10.2.2.3", 9000), EACCES), Case(to("11.2.2.3", 443), EACCES),
        Case(to("::ffff:10.2.2.3", 443), 0), Case(to("::ffff:10.1.2.3", 443), ENETUNREACH),
        Case(to("::ffff:11.2.2.3", 443), EACCES), Case(to("::10.2.2.3", 443), EACCES),
        Case(to("2001:db8:7fff::1", 443), 0), Case(to("2001:db8:8000::1", 443), EACCES),
        Case(to("192.0.2.1", 22), EACCES), Case(to("192.0.2.1", 22), 0, user: bob),
        Case(.name("www.example.org"), 0), Case(.name("A.B.EXAMPLE.ORG."), 0), Case(.name("example.org"), EACCES),
        Case(.name("badexample.org"), EACCES), Case(.name("example.com"), 0), Case(.name("www.example.com"), EACCES),
        Case(.name("Bad.Example.Org"), EHOSTUNREACH), Case(.name(""), EACCES),
        Case(.socket(family: AF_INET, type: stream, protocolNumber: 0), 0),
        Case(.socket(family: AF_INET6, type: stream, protocolNumber: 6), 0),
        Case(.socket(family: AF_INET, type: raw, protocolNumber: 1), EACCES),
        Case(.socket(family: AF_UNIX, type: stream, protocolNumber: 0), EACCES),
        Case(at("0.0.0.0", 80), 0), Case(at("::", 8080), 0), Case(at("0.0.0.0", 0), EACCES), Case(.listen, 0),
        Case(.nameOf(PolicyAddress("192.0.2.9")), 0), Case(.nameOf(PolicyAddress("192.0.3.9")), EACCES),
        Case(.nameOf(nil), EACCES), Case(.otherAddress(.connect, family: AF_UNIX), EACCES),
    ])
    fileprivate func decides(_ expected: Case) {
        let decision = Self.policy.decide(expected.question, userID: expected.user, serviceUserID: 0)
        #expect(decision.error == expected.error)
    }

    @Test("The decision names the rule, counted from 1")
    func namesTheRule() {
        func reason(_ question: PolicyQuestion) -> PolicyDecision.Reason {
            Self.policy.decide(question, userID: alice, serviceUserID: 0).reason
        }
        #expect(reason(to("10.1.0.1", 1)) == .rule(1))
        #expect(reason(to("10.3.0.1", 443)) == .rule(2))
        #expect(reason(to("9.9.9.9", 443)) == .defaultAction)
    }

    @Test("listen is denied to users who may bind nothing, and only to them")
    func listenFollowsBind() {
        let users = PolicyRule(action: .deny, operations: [.bind], users: [bob], error: EPERM)
        let policy = Policy(defaultAction: .allow, rules: [users])
        #expect(policy.decide(.listen, userID: bob, serviceUserID: 0).error == EPERM)
        #expect(policy.decide(.listen, userID: alice, serviceUserID: 0).error == 0)
        let narrow = Policy(
            defaultAction: .allow, rules: [PolicyRule(action: .deny, operations: [.bind], ports: [25...25])])
        #expect(narrow.decide(.listen, userID: bob, serviceUserID: 0).error == 0)
        #expect(Policy(defaultAction: .deny).decide(.listen, userID: bob, serviceUserID: 0).error == EACCES)
    }
}

@Suite("Addresses that the kernel reads in its own way do not get past the rules")
struct PolicyAddressMeaningTests {
    private func decide(_ action: Policy.Action, _ ranges: [String], _ question: PolicyQuestion) -> Int32 {
        let rule = PolicyRule(action: action, operations: [.connect, .bind], addresses: ranges.map(range))
        let policy = Policy(defaultAction: action == .allow ? .deny : .allow, rules: [rule])
        return policy.decide(question, userID: 0, serviceUserID: 0).error
    }

    @Test("Connecting to 0.0.0.0 or :: is connecting to loopback")
    func unspecifiedIsLoopback() {
        #expect(decide(.deny, ["127.0.0.0/8"], to("0.0.0.0", 80)) == EACCES)
        #expect(decide(.deny, ["127.0.0.0/8"], to("::ffff:0.0.0.0", 80)) == EACCES)
        #expect(decide(.deny, ["127.0.0.0/8"], to("::", 80)) == EACCES)
        #expect(decide(.deny, ["::1"], to("::", 80)) == EACCES)
        #expect(decide(.allow, ["::1"], to("::", 80)) == EACCES)
        #expect(decide(.allow, ["::1", "127.0.0.1"], to("::", 80)) == 0)
        #expect(decide(.allow, ["0.0.0.0"], to("0.0.0.0", 80)) == EACCES)
    }

    @Test("Binding to :: takes IPv4 connections too")
    func anyTakesBoth() {
        #expect(decide(.deny, ["0.0.0.0/0"], at("::", 8080)) == EACCES)
        #expect(decide(.allow, ["::/0"], at("::", 8080)) == EACCES)
        #expect(decide(.allow, ["::/0", "0.0.0.0/0"], at("::", 8080)) == 0)
        #expect(decide(.allow, ["::/0"], at("::1", 8080)) == 0)
    }
}

@Suite("A service does not lend its privilege")
struct PolicyPrivilegeTests {
    private static let ping = PolicyQuestion.socket(family: AF_INET, type: raw, protocolNumber: 1)
    private static let packet = PolicyQuestion.socket(family: AF_PACKET, type: stream, protocolNumber: 0)

    @Test(
        arguments: [
            (at("0.0.0.0", 1), EACCES), (at("::", 1023), EACCES), (at("0.0.0.0", 1024), 0), (at("127.0.0.1", 0), 0),
            (to("192.0.2.1", 80), 0), (ping, EPERM), (packet, EACCES),
            (.otherAddress(.connect, family: AF_NETLINK), EACCES),
            (.socket(family: AF_INET6, type: stream, protocolNumber: 0), 0),
        ] as [(PolicyQuestion, Int32)])
    func withoutRulesOnlyOthersAreRefused(_ question: PolicyQuestion, _ error: Int32) {
        #expect(Policy().decide(question, userID: alice, serviceUserID: 0).error == error)
        #expect(Policy().decide(question, userID: bob, serviceUserID: alice).error == error)
        #expect(Policy().decide(question, userID: 0, serviceUserID: 0).error == 0)
        #expect(Policy().decide(question, userID: alice, serviceUserID: alice).error == 0)
    }

    @Test("A rule for a type holds for what sockets of it send, and for no other")
    func typesOfDestinations() {
        let dns = PolicyAddress("192.0.2.53")!
        let rules = [
            PolicyRule(action: .deny, operations: [.connect], ports: [53...53], types: [2], error: ENETUNREACH)
        ]
        func error(_ type: Int32) -> Int32 {
            let question = PolicyQuestion.address(.connect, dns, port: 53, type: type)
            return Policy(rules: rules).decide(question, userID: alice, serviceUserID: 0).error
        }
        #expect(error(2) == ENETUNREACH)
        #expect(error(1) == 0)
        #expect(error(3) == 0)
    }

    @Test("A rule that matches everything grants no privilege, one that names it does")
    func privilegeIsNamed() {
        func error(_ rule: PolicyRule, _ question: PolicyQuestion) -> Int32 {
            Policy(rules: [rule]).decide(question, userID: alice, serviceUserID: 0).error
        }
        let everything = PolicyRule(action: .allow)
        #expect(error(everything, at("0.0.0.0", 80)) == EACCES)
        #expect(error(everything, Self.ping) == EPERM)
        #expect(error(PolicyRule(action: .allow, ports: [80...80]), at("0.0.0.0", 80)) == 0)
        #expect(error(PolicyRule(action: .allow, types: [raw]), Self.ping) == 0)
        #expect(error(PolicyRule(action: .allow, families: [AF_PACKET]), Self.packet) == 0)
        #expect(
            error(PolicyRule(action: .allow, types: [raw]), .socket(family: AF_PACKET, type: raw, protocolNumber: 0))
                == EACCES)
    }
}

@Suite("Limits")
struct PolicyLimitsTests {
    @Test func countAllThatIsOpen() {
        let limits = Limits(socketsPerSession: 1, sockets: 2)
        #expect(limits.admitsSocket(open: 1, ofSession: 0))
        #expect(!limits.admitsSocket(open: 2, ofSession: 0))
        #expect(!limits.admitsSocket(open: 1, ofSession: 1))
        #expect(Limits().admitsSocket(open: 1_000_000, ofSession: 1_000_000))
    }
}

@Suite("Ranges and patterns")
struct PolicyValueTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.255.255.255", true), ("10.0.0.0/8", "11.0.0.0", false), ("0.0.0.0/0", "1.2.3.4", true),
        ("0.0.0.0/0", "::1", false), ("::/0", "1.2.3.4", false), ("::/0", "2001:db8::1", true),
        ("192.0.2.128/25", "192.0.2.127", false), ("192.0.2.128/25", "192.0.2.128", true),
        ("::ffff:10.0.0.0/104", "10.9.9.9", true), ("::ffff:192.0.2.1", "192.0.2.1", true),
        ("2001:db8::/31", "2001:db9::1", true), ("2001:db8::/32", "2001:db9::1", false),
    ])
    func rangeHolds(_ text: String, _ address: String, _ isIn: Bool) throws {
        #expect(try PolicyAddressRange(text).contains(PolicyAddress(address)!) == isIn)
    }

    @Test(arguments: [
        "", "10", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.1/8", "2001:db8::/129",
        "2001:db8::1/64", "example.org", "10.0.0.0/8/8", "::ffff:0:0/90", "10.0.0.0 /8", "010.0.0.0/8",
    ])
    func rangeIsRefused(_ text: String) {
        #expect(throws: PolicyAddressRange.Failure.self) { try PolicyAddressRange(text) }
    }

    @Test(arguments: ["", ".", "*.", "a..b", "*a.org", "a.*.org", "**.org", "exämple.org", "a b", "-.a/"])
    func patternIsRefused(_ text: String) {
        #expect(PolicyNamePattern(text) == nil)
    }
}

@Suite("Operations of the frontend are decoded with bounds")
struct PolicyQuestionTests {
    private func decode(_ make: (UnsafeRawBufferPointer) -> PolicyOperation, _ bytes: [UInt8]) -> PolicyQuestion.Decoded
    {
        bytes.withUnsafeBytes { PolicyQuestion.decode(make($0)) }
    }

    private static let inet: [UInt8] = [2, 0, 0x1f, 0x90, 192, 0, 2, 1] + [UInt8](repeating: 0, count: 8)
    private static let mapped: [UInt8] =
        [10, 0, 0, 80, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 10) + [0xff, 0xff, 10, 0, 0, 1]

    @Test func addresses() {
        let address = PolicyAddress("192.0.2.1")!
        #expect(decode(PolicyOperation.connect, Self.inet) == .question(.address(.connect, address, port: 8080)))
        #expect(decode(PolicyOperation.bind, Self.inet) == .question(.address(.bind, address, port: 8080)))
        #expect(decode(PolicyOperation.resolveAddress, Self.inet) == .question(.nameOf(address)))
        #expect(decode(PolicyOperation.connect, Self.mapped) == .question(to("10.0.0.1", 80)))
        #expect(
            decode(PolicyOperation.connect, [16, 0, 47]) == .question(.otherAddress(.connect, family: AF_NETLINK)))
    }

    @Test(arguments: [0, 1, 2, 15])
    func shortInetIsInvalid(_ count: Int) {
        #expect(decode(PolicyOperation.connect, Array(Self.inet[..<count])) == .invalid(EINVAL))
    }

    @Test func shortInet6IsInvalid() {
        #expect(decode(PolicyOperation.bind, Array(Self.mapped[..<23])) == .invalid(EINVAL))
    }

    @Test("AF_UNSPEC dissolves a connection, but an address in it is judged")
    func unspecified() {
        #expect(decode(PolicyOperation.connect, [UInt8](repeating: 0, count: 16)) == .harmless)
        let hidden = [0, 0] + Self.inet[2...]
        #expect(decode(PolicyOperation.connect, hidden) == .question(to("192.0.2.1", 8080)))
        #expect(decode(PolicyOperation.bind, [UInt8](repeating: 0, count: 16)) == .question(at("0.0.0.0", 0)))
    }

    @Test(arguments: ["", "127.0.0.1", "::1", "fe80::1%eth0", "127.1", "0x7f000001", "2130706433"])
    func nobodyIsAskedAboutDigits(_ name: String) {
        #expect(PolicyQuestion.decode(.resolve(name: name)) == .harmless)
    }

    @Test(
        "What only looks like an address is looked up as a name", arguments: ["1.2.3.4 a.test", "1 a.test", "127.1\ta"])
    func addressesWithMore(_ name: String) {
        #expect(PolicyQuestion.decode(.resolve(name: name)) == .question(.name(name)))
    }

    @Test(
        "A rule sees the name that the resolver makes of escapes",
        arguments: [
            ("ev\\105l.example.org", "evil.example.org"), ("\\e\\v\\i\\l.org", "evil.org"),
            ("a\\.example.org", "a\\046example.org"), ("a\\046b.org", "a\\046b.org"), ("b\\256", "b\\256"),
            ("b\\", "b\\"), ("b\\1", "b\\1"), ("\\\\105", "\\092105"), ("My\\ Printer._ipp", "My\\032Printer._ipp"),
        ])
    func escapes(_ name: String, _ meant: String) {
        #expect(PolicyQuestion.decode(.resolve(name: name)) == .question(.name(meant)))
    }

    @Test func namesAndSockets() {
        #expect(PolicyQuestion.decode(.resolve(name: "10.example.org")) == .question(.name("10.example.org")))
        #expect(PolicyQuestion.decode(.socket(domain: 0x5853, type: 1, protocolNumber: 0)) == .harmless)
    }
}

/// Keeps log lines for a test.
private final class Lines: LogHandler, @unchecked Sendable {
    private let lines = Mutex<[String]>([])
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .debug
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) { lines.withLock { $0.append("\(event.level) \(event.message)") } }
    func take() -> [String] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }
}

@Suite("The judge logs what it decides")
struct PolicyJudgeTests {
    private let lines = Lines()
    private let credentials = PeerCredentials(processID: 42, userID: alice, groupID: 1000)

    private func judge(_ policy: Policy) -> PolicyJudge {
        let lines = lines
        return PolicyJudge(policy: policy, log: Logger(label: "test", factory: { _ in lines }), serviceUserID: 0)
    }

    @Test func denialsAtNoticeOthersAtDebugOrInfo() {
        let judge = judge(
            Policy(rules: [
                PolicyRule(action: .allow, names: [PolicyNamePattern("logged.example.org")!], log: true),
                PolicyRule(action: .deny, names: [PolicyNamePattern("*.example.org")!], error: ECONNREFUSED),
            ]))
        #expect(judge.decide(.resolve(name: "a.example.org"), credentials: credentials) == ECONNREFUSED)
        #expect(judge.decide(.resolve(name: "logged.example.org"), credentials: credentials) == 0)
        #expect(judge.decide(.resolve(name: "example.com"), credentials: credentials) == 0)
        #expect(
            lines.take() == [
                "notice denied resolve a.example.org pid=42 uid=1000: rule 2, ECONNREFUSED",
                "info allowed resolve logged.example.org pid=42 uid=1000: rule 1",
                "debug allowed resolve example.com pid=42 uid=1000: default",
            ])
    }

    @Test("A guest is named in the log, and does not fill it")
    func guestsLines() {
        let judge = judge(Policy())
        judge.domainName = { $0 == 5 ? "web" : nil }
        let bind = SocketAddress.loopback(port: 80)
        let none = PeerCredentials.noUser
        func decide(_ domain: UInt16) -> Int32 {
            bind.withUnsafeBytes {
                judge.decide(
                    .bind($0),
                    credentials: PeerCredentials(processID: 0, userID: none, groupID: none, domainID: domain))
            }
        }
        for _ in 0..<100 { #expect(decide(5) == EACCES) }
        let first = lines.take()
        #expect(
            first.first
                == "notice denied bind 127.0.0.1:80 domain=5 name=web: no rule names the privileged port 80, EACCES")
        #expect(1...30 ~= first.count)
        #expect(decide(6) == EACCES)
        #expect(lines.take().count == 1)
    }

    @Test("A name cannot forge a line of the log")
    func namesAreEscaped() {
        let judge = judge(Policy(defaultAction: .deny))
        _ = judge.decide(.resolve(name: "a\nnotice allowed\u{1b}[2J"), credentials: credentials)
        let line = lines.take()[0]
        #expect(!line.contains("\n") && !line.contains("\u{1b}"))
    }

    @Test func aNewPolicyHoldsAtOnce() {
        let judge = judge(Policy(defaultAction: .deny))
        #expect(judge.decide(.resolve(name: "example.org"), credentials: credentials) == EACCES)
        judge.policy = Policy(defaultAction: .allow)
        #expect(judge.decide(.resolve(name: "example.org"), credentials: credentials) == 0)
    }

    @Test("A socket beyond a limit gets EMFILE for its session's, ENFILE for the service's")
    func limits() {
        let judge = judge(Policy(limits: Limits(socketsPerSession: 2)))
        judge.maximumSockets = 10
        func error(_ all: Int, _ ofPeer: Int) -> Int32 {
            judge.openSockets = { _ in (all, ofPeer) }
            return judge.decide(.socket(domain: AF_INET, type: stream, protocolNumber: 0), credentials: credentials)
        }
        #expect(error(9, 1) == 0)
        #expect(error(9, 2) == EMFILE)
        #expect(error(10, 1) == ENFILE)
        #expect(lines.take().filter { $0.hasPrefix("notice denied socket pid=42 uid=1000: ") }.count == 2)
    }
}
