/// What a randomized test found, with the numbers that repeat it.
public struct Mismatch: Error, CustomStringConvertible {
    public let description: String

    public init(_ what: String, seed: UInt64, step: Int) { description = "seed \(seed), step \(step): \(what)" }
}

/// A position in a seeded run: `require` throws with seed and step when a condition does not hold. Cheaper than an
/// expectation for conditions that are looked at many thousand times.
public struct Progress {
    public let seed: UInt64
    public var step = 0

    public init(seed: UInt64) { self.seed = seed }

    public func require(_ condition: Bool, _ what: @autoclosure () -> String) throws {
        if !condition { throw Mismatch(what(), seed: seed, step: step) }
    }

    public func requireEqual<T: Equatable>(_ found: T, _ expected: T, _ what: @autoclosure () -> String) throws {
        if found != expected { throw Mismatch("\(what()): \(found), not \(expected)", seed: seed, step: step) }
    }
}
