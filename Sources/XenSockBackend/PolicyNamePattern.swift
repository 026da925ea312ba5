/// A pattern for names that are resolved. Case does not matter, nor does a dot at the end.
public struct PolicyNamePattern: Hashable, Sendable, CustomStringConvertible {
    private enum Kind: Hashable {
        case everything
        case exact(String)
        /// Everything below this domain, which begins with its dot; not the domain itself.
        case below(String)
    }

    private let kind: Kind
    public let description: String

    /// Parses `www.example.org`, `*.example.org` (every name below it, at any depth) or `*`.
    ///
    /// - Returns: nil if the text is no such pattern: a star in another place, empty labels, other than ASCII letters,
    ///   digits, `-` and `_`. Names in other scripts are given as they are looked up, as `xn--…`.
    public init?(_ text: String) {
        description = text
        if text == "*" {
            kind = .everything
            return
        }
        let name = Self.canonical(text.hasPrefix("*.") ? String(text.dropFirst(2)) : text)
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        for label in labels {
            guard (1...63).contains(label.utf8.count), label.utf8.allSatisfy(Self.isNameByte) else { return nil }
        }
        guard name.utf8.count <= 253 else { return nil }
        kind = text.hasPrefix("*.") ? .below("." + name) : .exact(name)
    }

    /// Whether the pattern covers a name, given as getaddrinfo(3) gets it.
    public func matches(_ name: String) -> Bool {
        switch kind {
        case .everything:
            return true
        case .exact(let exact):
            return Self.canonical(name).utf8.elementsEqual(exact.utf8)
        case .below(let domain):
            let name = Array(Self.canonical(name).utf8)
            let domain = Array(domain.utf8)
            return name.count > domain.count && name.suffix(domain.count) == domain[...]
        }
    }

    /// In lower case as DNS compares (ASCII only), without the root's dot.
    private static func canonical(_ name: String) -> String {
        var bytes = name.utf8.map { 65...90 ~= $0 ? $0 + 32 : $0 }
        if bytes.count > 1, bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        48...57 ~= byte || 65...90 ~= byte || 97...122 ~= byte || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }
}
