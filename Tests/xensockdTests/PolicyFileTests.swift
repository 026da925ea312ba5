import Glibc
import Testing
import XenSockBackend

@testable import XenSockDaemon

private func parse(_ text: String) throws(PolicyFileError) -> Policy { try PolicyFile.parse(text, file: "p.toml") }

/// A rule's keys in a file that is good but for them.
private func rule(_ keys: String) -> String { "default = \"allow\"\n[[rule]]\n" + keys }

@Suite("Policy files")
struct PolicyFileTests {
    @Test func guests() throws {
        let policy = try parse(rule("action = \"deny\"\ndomains = [5, \"web\", \"*\"]"))
        #expect(policy.rules == [PolicyRule(action: .deny, domains: [.number(5), .name("web"), .everyGuest])])
        for bad in ["[]", "5", "[-1]", "[32752]", "[\"5\"]", "[\"\"]", "[true]", "[\"a/b\"]"] {
            #expect(throws: PolicyFileError.self) { try parse(rule("action = \"deny\"\ndomains = \(bad)")) }
        }
    }

    @Test func everyKey() throws {
        let policy = try parse(
            """
            default = "deny"
            allow_users = ["root", 1000]
            interfaces = "frontend"

            [[rule]]
            action = "deny"
            operations = ["connect", "bind"]
            users = [1000, "root"]
            addresses = ["10.0.0.0/8", "::1/128", "127.0.0.1"]
            ports = ["443", "8000-8999", 22]
            families = ["inet", "inet6"]
            error = "ECONNREFUSED"

            [[rule]]
            action = "allow"
            operations = ["resolve"]
            names = ["*.example.org", "*"]
            log = true

            [[rule]]
            action = "allow"
            types = ["stream"]

            [[rule]]
            action = "allow"
            paths = ["/run/db/*", "@name"]
            families = ["unix"]

            [limits]
            sessions_per_user = 8
            sockets_per_session = 512
            """)
        #expect(policy.defaultAction == .deny)
        #expect(policy.admission == .users([0, 1000]))
        #expect(policy.interfaces == .frontend)
        #expect(policy.limits == Limits(sessionsPerUser: 8, socketsPerSession: 512))
        #expect(
            policy.rules == [
                PolicyRule(
                    action: .deny, operations: [.connect, .bind], users: [0, 1000],
                    addresses: try ["10.0.0.0/8", "::1", "127.0.0.1"].map { try PolicyAddressRange($0) },
                    ports: [443...443, 8000...8999, 22...22], families: [AF_INET, AF_INET6], error: ECONNREFUSED),
                PolicyRule(
                    action: .allow, operations: [.resolve],
                    names: [PolicyNamePattern("*.example.org")!, PolicyNamePattern("*")!], log: true),
                PolicyRule(action: .allow, operations: [.socket], types: [Int32(SOCK_STREAM.rawValue)]),
                PolicyRule(
                    action: .allow, operations: [.connect, .bind],
                    paths: [PolicyPathPattern("/run/db/*")!, PolicyPathPattern("@name")!], families: [AF_UNIX]),
            ])
    }

    @Test("A rule without operations is about those that its conditions can be true of")
    func operationsFollowConditions() throws {
        func operations(_ keys: String) throws -> Set<PolicyRule.Operation> {
            try parse(rule("action = \"deny\"\n" + keys)).rules[0].operations
        }
        #expect(try operations("") == [.connect, .bind, .resolve, .socket])
        #expect(try operations("users = [0]") == [.connect, .bind, .resolve, .socket])
        #expect(try operations("addresses = [\"::/0\"]") == [.connect, .bind, .resolve])
        #expect(try operations("ports = [1]\naddresses = [\"::/0\"]") == [.connect, .bind])
        #expect(try operations("names = [\"*\"]") == [.resolve])
        #expect(try operations("families = [\"inet\"]\ntypes = [\"raw\"]") == [.socket])
        #expect(try operations("ports = [53]\ntypes = [\"dgram\"]") == [.connect, .bind])
        #expect(try operations("operations = [\"connect\"]\ntypes = [\"dgram\"]") == [.connect])
    }

    @Test func everyoneMayBeAdmitted() throws {
        #expect(try parse("default = \"allow\"\nallow_users = [\"*\"]").admission == .everyone)
    }

    /// Bad files, and what their error must name.
    static let bad: [(text: String, names: String)] = [
        ("", "p.toml: default: is missing"),
        ("default = \"maybe\"", "p.toml: default: \"maybe\" is none of allow, deny"),
        ("default = true", "p.toml: default: must be a string, not bool"),
        ("default = \"allow\"\ndefault = \"deny\"", "p.toml:2:"),
        ("default = \"allow\nx", "p.toml:1:"),
        ("default = \"allow\"\ncolour = 1", "p.toml: colour: is no key of this table"),
        ("default = \"allow\"\n[rule]\naction = \"deny\"", "p.toml: rule: must be a list of tables: write [[rule]]"),
        ("default = \"allow\"\nrule = [1]", "p.toml: rule: must be a list of tables"),
        ("default = \"allow\"\nlimits = 3", "p.toml: limits: must be a table: write [limits]"),
        ("default = \"allow\"\n[limits]\nsockets = 3", "p.toml: [limits]: sockets: is no key"),
        ("default = \"allow\"\n[limits]\nsockets_per_session = 0", "sockets_per_session: must be a number from 1"),
        ("default = \"allow\"\n[limits]\nsessions_per_user = \"8\"", "sessions_per_user: must be a number from 1"),
        ("default = \"allow\"\nallow_users = [\"*\", 3]", "allow_users: \"*\" means everyone"),
        ("default = \"allow\"\nallow_users = \"root\"", "allow_users: must be a list, not string"),
        ("default = \"allow\"\nallow_users = [\"nobody-has-this-name\"]", "there is no user"),
        ("default = \"allow\"\nallow_users = [-1]", "-1 is no user id"),
        ("default = \"allow\"\nallow_users = [4294967295]", "4294967295 is no user id"),
        (rule(""), "p.toml: rule 1: action: is missing"),
        (rule("action = \"drop\""), "rule 1: action: \"drop\" is none of allow, deny"),
        (rule("action = \"deny\"\nport = [1]"), "rule 1: port: is no key"),
        (rule("action = \"deny\"\noperations = [\"accept\"]"), "rule 1: operations: \"accept\" is none of"),
        (rule("action = \"deny\"\noperations = []"), "rule 1: operations: is empty"),
        (rule("action = \"deny\"\naddresses = [\"10.0.0.0/33\"]"), "rule 1: addresses: \"10.0.0.0/33\""),
        (rule("action = \"deny\"\naddresses = [\"10.0.0.1/8\"]"), "rule 1: addresses: \"10.0.0.1/8\": bit 32 is set"),
        (rule("action = \"deny\"\naddresses = [\"example.org\"]"), "rule 1: addresses: \"example.org\" is not an"),
        (rule("action = \"deny\"\naddresses = [10]"), "rule 1: addresses: must hold strings, not integer"),
        (rule("action = \"deny\"\nports = [\"9-8\"]"), "rule 1: ports: \"9-8\": the range ends before it begins"),
        (rule("action = \"deny\"\nports = [65536]"), "rule 1: ports: \"65536\" is no port"),
        (rule("action = \"deny\"\nports = [\"1-2-3\"]"), "rule 1: ports: \"1-2-3\" is no port"),
        (rule("action = \"deny\"\nports = [\"-5\"]"), "rule 1: ports: \"-5\" is no port"),
        (rule("action = \"deny\"\nports = [\"http\"]"), "rule 1: ports: \"http\" is no port"),
        (rule("action = \"deny\"\nports = [1.5]"), "rule 1: ports: must hold ports"),
        (rule("action = \"deny\"\nnames = [\"a.*\"]"), "rule 1: names: \"a.*\" is no pattern"),
        (rule("action = \"deny\"\npaths = [\"run/x\"]"), "rule 1: paths: \"run/x\" is no pattern; write /run"),
        (rule("action = \"deny\"\npaths = [\"/a\"]\nfamilies = [\"inet\"]"), "rule 1: families: must be \"unix\""),
        (rule("action = \"deny\"\npaths = [\"/a\"]\nports = [1]"), "rule 1: paths: addresses and ports never"),
        (rule("action = \"deny\"\npaths = [\"/a\"]\noperations = [\"socket\"]"), "paths: never applies to the op"),
        (rule("action = \"deny\"\nfamilies = [\"ipv4\"]"), "rule 1: families: \"ipv4\" is none of inet"),
        (rule("action = \"deny\"\ntypes = [\"tcp\"]"), "rule 1: types: \"tcp\" is none of dgram"),
        (rule("action = \"deny\"\nerror = \"EWHATEVER\""), "rule 1: error: \"EWHATEVER\" is none of EACCES"),
        (rule("action = \"deny\"\nerror = 13"), "rule 1: error: must be a string, not integer"),
        (rule("action = \"allow\"\nerror = \"EPERM\""), "rule 1: error: belongs to rules that deny"),
        (rule("action = \"deny\"\nlog = true"), "rule 1: log: belongs to rules that allow"),
        (rule("action = \"allow\"\nlog = \"yes\""), "rule 1: log: must be true or false, not string"),
        (rule("action = \"deny\"\noperations = [\"resolve\"]\nports = [1]"), "ports: never applies to the operation"),
        (rule("action = \"deny\"\nnames = [\"*\"]\nports = [1]"), "rule 1: ports and names never apply"),
        (rule("action = \"deny\"\nnames = [\"*\"]\naddresses = [\"::1\"]"), "rule 1: addresses and names never apply"),
        (rule("action = \"deny\"\n[[rule]]\naction = \"deny\"\nx = 1"), "p.toml: rule 2: x: is no key"),
        ("default = \"allow\"\n# \0\n[[rule]]\naction = \"deny\"", "contains a NUL character"),
        ("\"default\\u0000x\" = \"allow\"", "contains a NUL character"),
    ]

    @Test(arguments: bad.indices)
    func badFilesAreRefused(_ index: Int) throws {
        let (text, names) = Self.bad[index]
        let error = #expect(throws: PolicyFileError.self) { try parse(text) }
        let description = try #require(error).description
        #expect(description.contains(names), "\(description)")
        #expect(!description.contains("\n"))
    }
}
