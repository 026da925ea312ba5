import Glibc
import Testing

@testable import XenSockBackend

@Suite("Rules about guests")
struct PolicyDomainTests {
    private let web = PolicyDomain(number: 5, name: "web")
    private let other = PolicyDomain(number: 6, name: nil)

    private func connect(_ policy: Policy, _ domain: PolicyDomain?, user: UInt32 = PeerCredentials.noUser) -> Int32 {
        policy.decide(
            .address(.connect, PolicyAddress("192.0.2.1")!, port: 443), userID: user, domain: domain, serviceUserID: 0
        ).error
    }

    @Test func aRuleMatchesByNumberNameOrEveryGuest() {
        for (pattern, expected) in [
            (PolicyDomainPattern.number(5), [0, EACCES, EACCES]), (.name("web"), [0, EACCES, EACCES]),
            (.number(6), [EACCES, 0, EACCES]), (.everyGuest, [0, 0, EACCES]), (.name("we"), [EACCES, EACCES, EACCES]),
        ] {
            let policy = Policy(defaultAction: .deny, rules: [PolicyRule(action: .allow, domains: [pattern])])
            #expect([connect(policy, web), connect(policy, other), connect(policy, nil, user: 0)] == expected)
        }
    }

    @Test func whatIsDeniedToANameIsDeniedToAGuestWithoutAName() {
        for (pattern, expected) in [
            (PolicyDomainPattern.name("web"), [EACCES, EACCES]), (.name("db"), [0, EACCES]), (.number(5), [EACCES, 0]),
        ] {
            let policy = Policy(rules: [PolicyRule(action: .deny, domains: [pattern])])
            #expect([connect(policy, web), connect(policy, other)] == expected)
            #expect(connect(policy, nil) == 0)
        }
    }

    @Test func aRuleWithoutDomainsIsForEveryone() {
        let policy = Policy(defaultAction: .deny, rules: [PolicyRule(action: .allow)])
        #expect(connect(policy, web) == 0)
        #expect(connect(policy, nil, user: 1000) == 0)
    }

    @Test func whatAGuestSaysOfItsUsersCountsOnlyInRulesAboutIt() {
        let local = Policy(defaultAction: .deny, rules: [PolicyRule(action: .allow, users: [1000])])
        #expect(connect(local, web, user: 1000) == EACCES)
        #expect(connect(local, nil, user: 1000) == 0)
        let guest = Policy(
            defaultAction: .deny, rules: [PolicyRule(action: .allow, users: [1000], domains: [.everyGuest])])
        #expect(connect(guest, web, user: 1000) == 0)
        #expect(connect(guest, web, user: 1001) == EACCES)
        #expect(connect(guest, nil, user: 1000) == EACCES)
    }

    @Test func noUserOfAGuestIsPrivileged() {
        let bind = PolicyQuestion.address(.bind, PolicyAddress("0.0.0.0")!, port: 80)
        #expect(Policy().decide(bind, userID: 0, domain: nil, serviceUserID: 0).error == 0)
        #expect(Policy().decide(bind, userID: 0, domain: web, serviceUserID: 0).error == EACCES)
        let allowed = Policy(rules: [PolicyRule(action: .allow, domains: [.name("web")], ports: [80...80])])
        #expect(allowed.decide(bind, userID: 0, domain: web, serviceUserID: 0).error == 0)
        #expect(allowed.decide(bind, userID: 0, domain: other, serviceUserID: 0).error == EACCES)
    }

    @Test func listeningIsJudgedByDomainToo() {
        let policy = Policy(
            defaultAction: .deny, rules: [PolicyRule(action: .allow, operations: [.bind], domains: [.number(5)])])
        #expect(policy.decide(.listen, userID: 0, domain: web, serviceUserID: 0).error == 0)
        #expect(policy.decide(.listen, userID: 0, domain: other, serviceUserID: 0).error == EACCES)
    }
}
