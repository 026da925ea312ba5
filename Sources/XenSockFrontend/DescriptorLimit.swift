import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// What the library does about RLIMIT_NOFILE, so that a program has as many descriptors as without it.
///
/// A descriptor above the soft limit stays open and counts for nothing, but one can be made there only while the limit is
/// higher. So the limit is raised for the moment in which the library makes one of its own. Where the hard limit forbids
/// that a spare descriptor is kept, whose number the library can lend itself.
enum DescriptorLimit {
    /// Descriptors that the library makes at one time, and a few for threads that make some meanwhile.
    private static let margin: UInt64 = 64

    /// A private descriptor that stands for nothing; -1 without one. Not wiped by fork: the child has its copy.
    static var spare: Int32 { Int32(bitPattern: spareWord) }

    nonisolated(unsafe) private static var spareWord = UInt32.max

    /// Takes the spare descriptor, which only one thread gets, or puts another in its place.
    ///
    /// - Returns: what it was.
    @discardableResult
    static func exchangeSpare(_ new: Int32) -> Int32 {
        withUnsafeMutablePointer(to: &spareWord) {
            Int32(bitPattern: SharedWord32($0).exchange(UInt32(bitPattern: new)))
        }
    }

    /// Calls `body` while the soft limit is raised by 64.
    ///
    /// - Parameter body: gets the program's own limit: descriptors from there on are out of the program's way.
    /// - Returns: what `body` returns; nil if the limit cannot be raised.
    static func raised<Result>(_ body: (UInt64) -> Result) -> Result? {
        var old: (soft: UInt64, hard: UInt64) = (0, 0)
        guard exchange(nil, &old) == 0, old.soft < UInt64(ProcessState.descriptorLimit) else { return nil }
        var new = (soft: old.soft &+ margin, hard: max(old.hard, old.soft &+ margin))
        if old.hard < new.soft, old.hard > old.soft {
            // A few more are better than none, for who may not raise the hard limit.
            let tight = (soft: old.hard, hard: old.hard)
            if set(new) < 0 {
                new = tight
                guard new.soft >= old.soft &+ 2, set(new) == 0 else { return nil }
            }
        } else if set(new) < 0 {
            return nil
        }
        let result = body(old.soft)
        _ = set(old)
        return result
    }

    /// socketpair(2) for a placeholder, of which the program gets one end: it needs one free descriptor, as socket(2) does.
    ///
    /// - Returns: the program's end first; `result` is 0 or a negative errno.
    static func placeholder(type: Int32) -> (result: Int, first: Int32, second: Int32) {
        let pair = Kernel.socketPair(type: type)
        if pair.result != -Int(EMFILE) { return pair }
        if let pair = raised({ limit in bounded(Kernel.socketPair(type: type), limit) }) { return pair }
        let spare = exchangeSpare(-1)
        // Closed behind our back, the number may be the program's.
        guard spare >= 0, ArenaMemory.isDoorbell(spare) else { return pair }
        _ = Kernel.close(spare)
        var second = Kernel.socketPair(type: type)
        // The program's end has the number that was free, whichever is lower.
        if second.result == 0, second.first == spare { swap(&second.first, &second.second) }
        return second
    }

    /// Keeps a spare descriptor where the limit cannot be raised; after it was lent, once its number is free again.
    static func keepSpare() {
        guard spare < 0, !Session.isBorrowed, !canRaise(), let state = Session.state, let region = ProcessState.region
        else { return }
        let doorbell = ProcessState.arena(region, Int(state.pointee.arena)).doorbell
        let made = Kernel.fileControl(doorbell, Int32(F_DUPFD_CLOEXEC), Int(doorbell))
        guard made >= 0 else { return }
        let other = exchangeSpare(Int32(made))
        if other >= 0 { _ = Kernel.close(other) }
    }

    private static func canRaise() -> Bool {
        var old: (soft: UInt64, hard: UInt64) = (0, 0)
        guard exchange(nil, &old) == 0 else { return false }
        return old.hard >= old.soft &+ 2 || raised { _ in true } == true
    }

    private static func bounded(
        _ pair: (result: Int, first: Int32, second: Int32), _ limit: UInt64
    ) -> (result: Int, first: Int32, second: Int32) {
        if pair.result < 0 || UInt64(pair.first) < limit { return pair }
        // Not even one was free.
        _ = Kernel.close(pair.first)
        _ = Kernel.close(pair.second)
        return (-Int(EMFILE), -1, -1)
    }

    private static func set(_ limits: (soft: UInt64, hard: UInt64)) -> Int {
        var limits = limits
        return withUnsafeMutablePointer(to: &limits) { exchange(UnsafeMutableRawPointer($0), nil) }
    }

    private static func exchange(
        _ new: UnsafeMutableRawPointer?, _ old: UnsafeMutablePointer<(soft: UInt64, hard: UInt64)>?
    ) -> Int {
        let descriptors = 7  // RLIMIT_NOFILE
        return Kernel.call(Int(SYS_prlimit64), 0, descriptors, Int(bitPattern: new), Int(bitPattern: old))
    }
}
