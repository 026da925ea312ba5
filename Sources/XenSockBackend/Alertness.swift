/// How long the service looks around before it sleeps.
///
/// Waking a processor that halted costs tens of microseconds, and each request of a program would pay it. So while waits
/// turn out short the service looks around for as long as such a wait may take; one that was in vain halves the time,
/// and soon there is none: an idle service sleeps.
struct Alertness {
    /// The longest look in nanoseconds.
    static let longest: UInt64 = 50_000
    private static let shortest: UInt64 = 2_000

    /// How long the next look takes, in nanoseconds; 0: sleep at once.
    private(set) var patience: UInt64 = 0
    private let isUseful: Bool

    /// - Parameter processors: with one alone, looking around would only keep others from working.
    init(processors: Int) { isUseful = processors > 1 }

    mutating func lookedInVain() {
        patience /= 2
        if patience < Self.shortest { patience = 0 }
    }

    mutating func found() { patience = isUseful ? Self.longest : 0 }

    /// The service slept, for so long.
    mutating func slept(_ nanoseconds: UInt64) {
        if nanoseconds < Self.longest { found() }
    }
}
