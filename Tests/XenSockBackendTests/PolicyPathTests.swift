import Glibc
import Testing
import XenSockBackend

private func pattern(_ text: String) -> PolicyPathPattern { PolicyPathPattern(text)! }

private func decode(_ name: String, _ operation: (UnsafeRawBufferPointer) -> PolicyOperation = PolicyOperation.connect)
    -> PolicyQuestion.Decoded
{
    ([1, 0] + Array(name.utf8)).withUnsafeBytes { PolicyQuestion.decode(operation($0)) }
}

private func to(_ name: String) -> PolicyQuestion {
    guard case .question(let question) = decode(name) else { preconditionFailure(name) }
    return question
}

private func at(_ name: String) -> PolicyQuestion {
    guard case .question(let question) = decode(name, PolicyOperation.bind) else { preconditionFailure(name) }
    return question
}

private let socket = PolicyQuestion.socket(family: AF_UNIX, type: 1, protocolNumber: 0)
private let alice: UInt32 = 1000

@Suite("AF_UNIX sockets of the backend domain")
struct PolicyPathTests {
    private func error(_ policy: Policy, _ question: PolicyQuestion, user: UInt32 = 0) -> Int32 {
        policy.decide(question, userID: user, serviceUserID: 0).error
    }

    @Test("Without a rule for them nobody has them, not even the service's own user")
    func needARule() {
        for policy in [Policy(), Policy(rules: [PolicyRule(action: .allow)])] {
            for question in [socket, to("/run/a"), at("/run/a"), to("\0a")] {
                #expect(error(policy, question) == EACCES)
            }
        }
        #expect(error(Policy(rules: [PolicyRule(action: .allow, families: [AF_UNIX])]), to("/run/a")) == 0)
    }

    @Test("A rule with paths allows these, the socket for them and listen, to its users")
    func pathsSuffice() {
        let rule = PolicyRule(
            action: .allow, operations: [.connect, .bind], users: [alice], paths: [pattern("/run/db/*"), pattern("@x")])
        let policy = Policy(defaultAction: .deny, rules: [rule])
        for question in [socket, to("/run/db/.s"), to("/run//db/./.s"), at("/run/db/.s"), to("\0x\0\0"), .listen] {
            #expect(error(policy, question, user: alice) == 0)
            #expect(error(policy, question, user: 1001) == EACCES)
        }
        for question in [to("/run/db/a/b"), to("/run/d"), to("\0xy"), to("/x")] {
            #expect(error(policy, question, user: alice) == EACCES)
        }
    }

    @Test func operationsAreTheRules() {
        let policy = Policy(rules: [PolicyRule(action: .allow, operations: [.connect], paths: [pattern("/run/")])])
        #expect(error(policy, to("/run/a")) == 0)
        #expect(error(policy, at("/run/a")) == EACCES)
    }

    @Test("The first rule that speaks of a name decides; those that allow everything do not")
    func order() {
        let deny = PolicyRule(
            action: .deny, operations: [.connect, .bind], paths: [pattern("/run/secret")], error: ECONNREFUSED)
        let all = PolicyRule(action: .allow, operations: [.connect, .bind, .socket])
        let policy = Policy(rules: [all, deny]).allowing([pattern("/run/")])
        #expect(error(policy, to("/run/secret")) == ECONNREFUSED)
        #expect(error(policy, to("/run/a")) == 0)
        #expect(error(policy, socket) == 0)
        #expect(error(policy, to("/etc/a")) == EACCES)
        let closed = Policy(rules: [PolicyRule(action: .deny, operations: [.socket], families: [AF_UNIX])])
        #expect(error(closed.allowing([pattern("/run/")]), socket) == EACCES)
    }

    @Test("A name that leads elsewhere than its text says is refused, whatever the rules say")
    func unclearNames() {
        for name in ["", "\0", "a", "./a", "../a", "/run/../a"] { #expect(decode(name) == .invalid(EINVAL)) }
    }

    @Test func aRuleForPathsSaysNothingOfOthers() {
        let policy = Policy(rules: [PolicyRule(action: .deny, operations: [.connect, .bind], paths: [pattern("/")])])
        let question = PolicyQuestion.address(.connect, PolicyAddress("192.0.2.1")!, port: 80)
        #expect(error(policy, question) == 0)
        #expect(error(policy, .listen) == 0)
    }

    @Test func namesCannotForgeTheLog() {
        #expect("\(to("/run/a\nb"))" == "connect /run/a\\nb")
        #expect("\(to("\0x"))" == "connect @x")
    }
}
