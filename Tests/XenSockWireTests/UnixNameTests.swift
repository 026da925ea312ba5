import Glibc
import Testing
import XenSockWire

/// The text of the name in an AF_UNIX address with these bytes behind the family.
private func text(_ name: [UInt8]) -> String? {
    let address: [UInt8] = [1, 0] + name
    var text = [UInt8](repeating: 0xff, count: UnixName.capacity)
    let length = address.withUnsafeBytes { address in
        text.withUnsafeMutableBytes { UnixName.text(of: address, into: $0) }
    }
    return length == 0 ? nil : String(decoding: text[..<length], as: UTF8.self)
}

private func text(_ name: String) -> String? { text(Array(name.utf8)) }

private func matches(_ text: String, _ pattern: String) -> Bool {
    Array(text.utf8).withUnsafeBytes { text in Array(pattern.utf8).withUnsafeBytes { UnixName.matches(text, $0) } }
}

@Suite("Names of AF_UNIX sockets")
struct UnixNameTests {
    @Test(arguments: [
        ("/run/a", "/run/a"), ("/run//a", "/run/a"), ("/run/./a/", "/run/a"), ("//run/.a", "/run/.a"),
        ("/run/...", "/run/..."), ("/run/a\0/../b", "/run/a"), ("\0name", "@name"), ("\0na/../me\0\0\0", "@na/../me"),
        ("\0a\0b", "@a\0b"),
    ])
    func haveOneText(_ name: String, _ expected: String) { #expect(text(name) == expected) }

    @Test(arguments: ["", "\0", "\0\0\0", "run/a", "./a", "../a", "/run/../a", "/run/a/..", "/.."])
    func othersHaveNone(_ name: String) { #expect(text(name) == nil) }

    @Test func areReadWithinTheirAddress() {
        #expect(text("/" + String(repeating: "a", count: 107))?.utf8.count == 108)
        #expect(text("/" + String(repeating: "a", count: 108)) == nil)
        #expect(text([0] + [UInt8](repeating: 0x61, count: 107))?.utf8.count == 108)
        let inet: [UInt8] = [2, 0, 47, 97]
        var room = [UInt8](repeating: 0, count: UnixName.capacity)
        #expect(inet.withUnsafeBytes { a in room.withUnsafeMutableBytes { UnixName.text(of: a, into: $0) } } == 0)
    }

    @Test(arguments: [
        ("/run/a", "/run/a", true), ("/run/a", "/run/ab", false), ("/run/ab", "/run/a", false),
        ("/run/.s.5432", "/run/*", true), ("/run/a/b", "/run/*", false), ("/run/a/b", "/run/*/b", true),
        ("/run/a/b", "/run/", true), ("/run/", "/run/", true), ("/run", "/run/", false), ("/runs/a", "/run/", false),
        ("/run/a1b2c", "/run/*b*c", true), ("/run/a1b2", "/run/*b*c", false), ("/run/ab/c", "/run/a*c", false),
        ("/run/abab", "/run/*ab", true), ("/run/a", "/run/?", true), ("/run/", "/run/?", false),
        ("/run/x/y", "/run?x/y", false), ("@name", "@name", true), ("@name", "@*", true), ("@a/b", "@*", false),
        ("@a/b", "@a/", true), ("/name", "@name", false), ("/run/x/deep/y", "/run/*/", true),
        ("/run/x", "/run/*/", false), ("/run/a", "/run/a*", true), ("/run/a", "/run/**a", true),
    ])
    func areCovered(_ name: String, _ pattern: String, _ expected: Bool) {
        #expect(matches(name, pattern) == expected)
    }

    @Test func listsArePatternsWithColonsBetween() {
        func matches(_ text: String, _ list: String) -> Bool {
            Array(text.utf8).withUnsafeBytes { t in
                Array(list.utf8).withUnsafeBytes { UnixName.matches(t, anyOf: $0) }
            }
        }
        #expect(matches("/a", "/b:/a"))
        #expect(matches("@x", ":/b::@*:"))
        #expect(!matches("/a", "/b:/ab"))
        #expect(!matches("/a", ""))
        #expect(!matches("/a:/b", "/a:/b"))
    }

    @Test func patternsBeginAtTheRootOrWithAnAt() {
        func isPattern(_ text: String) -> Bool { Array(text.utf8).withUnsafeBytes(UnixName.isPattern) }
        for good in ["/", "/run/a", "/run/", "/run/*", "/run/.s.*", "@a", "@a/../b", "/run/...", "/a/..b"] {
            #expect(isPattern(good), "\(good)")
        }
        for bad in [
            "", "run", "@", "*", "//", "/run//a", "/run/./a", "/run/../a", "/run/..", "/run/.", "/a:b", "/a\n", "/a\0b",
            "/" + String(repeating: "a", count: 255),
        ] {
            #expect(!isPattern(bad), "\(bad)")
        }
    }

    /// Compared with fnmatch(3), which knows the same two signs.
    @Test func agreeWithTheShells() {
        var hits = 0
        for _ in 0..<20000 {
            func random(_ letters: String, _ count: Int) -> String {
                "/" + String((0..<count).map { _ in letters.randomElement()! })
            }
            let name = random("ab/", Int.random(in: 1...6))
            let pattern = random("ab/*?*", Int.random(in: 1...5))
            guard !pattern.hasSuffix("/") else { continue }
            let expected = fnmatch(pattern, name, FNM_PATHNAME | FNM_NOESCAPE) == 0
            if expected { hits += 1 }
            #expect(matches(name, pattern) == expected, "\(name) \(pattern)")
        }
        #expect(hits > 100)
    }
}
