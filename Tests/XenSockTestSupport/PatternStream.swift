/// An endless stream of bytes, each known by its position: what a test sends, and compares with what it receives.
public struct PatternStream: Sendable {
    private let salt: UInt64

    public init(salt: UInt64 = 0) { self.salt = salt }

    public func byte(at position: Int) -> UInt8 {
        let mixed = (UInt64(truncatingIfNeeded: position) &+ salt) &* 0x9e37_79b9_7f4a_7c15
        return UInt8(truncatingIfNeeded: mixed >> 56)
    }

    public func bytes(_ range: Range<Int>) -> [UInt8] { range.map(byte(at:)) }
}
