/// Escapes in names, as the resolver of the C library reads them (RFC 1035, 5.1): `\DDD` is the byte of that number, `\`
/// before another byte that byte.
enum EscapedName {
    /// A name in the one form that policy compares: letters, digits, `-` and `_` stand for themselves, so that no escape
    /// hides a name from a rule; what else was escaped is `\DDD`, so that no dot of a label's own passes for one between
    /// labels. What is no escape stays as it is: the C library refuses it.
    static func canonical(_ name: String) -> String {
        guard name.utf8.contains(backslash) else { return name }
        let bytes = Array(name.utf8)
        var result = ""
        var plain: [UInt8] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == backslash, let (byte, length) = escape(bytes[(index + 1)...]) else {
                plain.append(bytes[index])
                index += 1
                continue
            }
            result += String(decoding: plain, as: UTF8.self) + presented(byte)
            plain = []
            index += 1 + length
        }
        return result + String(decoding: plain, as: UTF8.self)
    }

    /// A byte of a label in that form.
    static func presented(_ byte: UInt8) -> String {
        switch byte {
        case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "_"):
            return String(UnicodeScalar(byte))
        default:
            let digits = String(byte)
            return "\\" + String(repeating: "0", count: 3 - digits.utf8.count) + digits
        }
    }

    private static let backslash = UInt8(ascii: "\\")

    /// The byte that stands behind a backslash, and how many bytes tell it.
    private static func escape(_ rest: ArraySlice<UInt8>) -> (byte: UInt8, length: Int)? {
        guard let first = rest.first else { return nil }
        guard 48...57 ~= first else { return (first, 1) }
        let digits = rest.prefix(3)
        guard digits.count == 3, digits.allSatisfy({ 48...57 ~= $0 }),
            let byte = UInt8(String(decoding: digits, as: UTF8.self))
        else { return nil }
        return (byte, 3)
    }
}
