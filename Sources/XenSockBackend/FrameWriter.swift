import XenSockWire

/// Builds a session frame (docs/PROTOCOL.md, 3.1).
struct FrameWriter {
    private var bytes: [UInt8] = []

    init(_ kind: SessionFrame.Kind) {
        append(kind.rawValue)
        append(UInt32(0))
    }

    var argument: UInt32 {
        get { bytes.withUnsafeBytes { $0.load(fromByteOffset: SessionFrame.argument, as: UInt32.self) } }
        set {
            bytes.withUnsafeMutableBytes {
                $0.storeBytes(of: newValue, toByteOffset: SessionFrame.argument, as: UInt32.self)
            }
        }
    }

    mutating func append(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
    mutating func append(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }

    mutating func append(node name: StaticString, _ value: String) {
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(0)
        bytes.append(contentsOf: value.utf8)
        bytes.append(0)
    }

    func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { bytes.withUnsafeBytes(body) }
}

/// The nodes of a STORE frame: `name NUL value NUL` pairs.
struct StoreNodes {
    private var values: [String: String] = [:]

    /// - Returns: nil if the bytes are no such pairs.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.isEmpty || bytes[bytes.count - 1] == 0 else { return nil }
        let words = bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false)
        guard bytes.isEmpty || words.count % 2 == 0, words.count <= 64 else { return nil }
        for index in stride(from: 0, to: words.count - words.count % 2, by: 2) {
            let name = String(decoding: words[index], as: UTF8.self)
            values[name] = String(decoding: words[index + 1], as: UTF8.self)
        }
    }

    func has(_ name: StaticString) -> Bool { values["\(name)"] != nil }

    func number(_ name: StaticString) -> UInt32? { values["\(name)"].flatMap { UInt32($0) } }

    /// Decimal numbers separated by commas; empty if one is none.
    func numbers(_ name: StaticString) -> [UInt32] {
        let words = (values["\(name)"] ?? "").split(separator: ",", omittingEmptySubsequences: false)
        let numbers = words.compactMap { UInt32($0) }
        return numbers.count == words.count ? numbers : []
    }
}
