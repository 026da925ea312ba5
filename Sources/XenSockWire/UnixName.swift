/// Names of AF_UNIX sockets, and the patterns by which some of them are the backend domain's (docs/POLICY.md, AF_UNIX).
///
/// The text of a name is its absolute path with single slashes and without `.` between them, or `@` and the bytes of an
/// abstract name.
public enum UnixName {
    /// Room for any name's text, in bytes.
    public static let capacity = 110

    /// Between patterns in a list of them.
    public static let separator = UInt8(ascii: ":")

    /// Writes the text of the name in a socket address.
    ///
    /// - Parameters:
    ///   - address: a `struct sockaddr_un`, as long as the caller says.
    ///   - text: room for `capacity` bytes.
    /// - Returns: the text's length; 0 for what no pattern covers: another family, no name, a relative path, or one with
    ///   `..` in it.
    public static func text(of address: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer) -> Int {
        guard address.count > 3, address.count <= capacity, text.count >= capacity,
            address.loadUnaligned(as: UInt16.self) == SocketAddress.unix
        else { return 0 }
        if address[2] == 0 { return abstract(address, text) }
        guard address[2] == slash else { return 0 }
        var length = 0
        var start = 2
        while start < address.count, address[start] != 0 {
            // `start` is at a slash, and its component goes up to the next one.
            var end = start &+ 1
            while end < address.count, address[end] != 0, address[end] != slash { end &+= 1 }
            let size = end &- start &- 1
            let isHere = size == 1 && address[start &+ 1] == dot
            if size == 2, address[start &+ 1] == dot, address[start &+ 2] == dot { return 0 }
            if size > 0, !isHere {
                for index in start..<end {
                    text[length] = address[index]
                    length &+= 1
                }
            }
            start = end
        }
        return length
    }

    /// An abstract name is all of its bytes. Many callers leave zeros behind it, which make it another name to the
    /// kernel, but not to who writes a pattern.
    private static func abstract(_ address: UnsafeRawBufferPointer, _ text: UnsafeMutableRawBufferPointer) -> Int {
        var end = address.count
        while end > 3, address[end &- 1] == 0 { end &-= 1 }
        guard end > 3 else { return 0 }
        text[0] = at
        for index in 3..<end { text[index &- 2] = address[index] }
        return end &- 2
    }

    /// Whether a pattern can cover a name: it begins with `/` or `@`, and has neither empty components nor `.` or `..`
    /// as one (abstract names may), nor a colon or a byte below the space.
    public static func isPattern(_ pattern: UnsafeRawBufferPointer) -> Bool {
        guard pattern.count <= 255, let first = pattern.first, first == slash || first == at else { return false }
        for byte in pattern where byte < 0x20 || byte == 0x7f || byte == separator { return false }
        if first == at { return pattern.count > 1 }
        var size = 0
        var dots = 0
        for index in 1..<max(1, pattern.count) {
            if pattern[index] == slash {
                if size == 0 || size == dots && dots <= 2 { return false }
                (size, dots) = (0, 0)
            } else {
                size &+= 1
                if pattern[index] == dot { dots &+= 1 }
            }
        }
        return size == 0 || size != dots || dots > 2
    }

    /// Whether a pattern covers the text of a name. `*` stands for any bytes but `/`, `?` for one of these, and a `/` at
    /// the end for everything below.
    public static func matches(_ text: UnsafeRawBufferPointer, _ pattern: UnsafeRawBufferPointer) -> Bool {
        guard text.count > 0, pattern.count > 0 else { return false }
        var (at, wanted) = (0, 0)
        // Where the last star stands, and the end of what it covers so far.
        var (star, covered) = (-1, 0)
        while true {
            if wanted == pattern.count {
                if at == text.count { return true }
                if pattern[wanted &- 1] == slash { return true }
            } else if pattern[wanted] == UInt8(ascii: "*") {
                (star, covered) = (wanted, at)
                wanted &+= 1
                continue
            } else if at < text.count,
                pattern[wanted] == text[at] || pattern[wanted] == UInt8(ascii: "?") && text[at] != slash
            {
                at &+= 1
                wanted &+= 1
                continue
            }
            // A star before the last one need not cover more: the last one would only begin further on.
            guard star >= 0, covered < text.count, text[covered] != slash else { return false }
            covered &+= 1
            (at, wanted) = (covered, star &+ 1)
        }
    }

    /// Whether one of the patterns in a list, with colons between them, covers the text of a name.
    public static func matches(_ text: UnsafeRawBufferPointer, anyOf list: UnsafeRawBufferPointer) -> Bool {
        var start = 0
        while start < list.count {
            var end = start
            while end < list.count, list[end] != separator { end &+= 1 }
            if matches(text, UnsafeRawBufferPointer(rebasing: list[start..<end])) { return true }
            start = end &+ 1
        }
        return false
    }

    private static var slash: UInt8 { UInt8(ascii: "/") }
    private static var at: UInt8 { UInt8(ascii: "@") }
    private static var dot: UInt8 { UInt8(ascii: ".") }
}
