import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// The lock of one direction of a socket, shared by every thread and process that has the socket. It is held while bytes
/// are copied, never while waiting. If its holder's process dies the service settles what it can and frees the lock.
@frozen
public struct DirectionLock {
    @usableFromInline let word: SharedWord64

    @inlinable @inline(__always)
    init(_ word: SharedWord64) { self.word = word }

    /// How the lock was got.
    @frozen
    public enum Acquisition {
        case free
        /// The calling thread holds it already: this is a signal handler that interrupted it. Do not release.
        case reentered

        /// Whether a call of the same thread was interrupted anywhere in its work.
        @inlinable @inline(__always)
        public var isReentered: Bool {
            if case .reentered = self { return true }
            return false
        }
    }

    /// Takes the lock for the thread that `tag` names (session id << 32 | thread id), waiting as long as others hold it.
    ///
    /// - Parameters:
    ///   - placeholder: the caller's, who may owe it a filler, or leave tokens in it; -1 without one.
    ///   - mask: the program's signal mask, if the caller has blocked signals: a lock that no one lets go of must not keep
    ///     the program from being ended.
    @inlinable @inline(__always)
    public func acquire(_ tag: UInt64, placeholder: Int32 = -1, mask: UInt64 = Kernel.unblocked) -> Acquisition {
        if xs_held_top() != 0 { AbandonedLocks.release(tag) }
        return acquireSecond(tag, placeholder: placeholder, mask: mask)
    }

    /// As `acquire`, for a call that holds the socket's other lock: what that one looks like is a lock of a call that was
    /// left, for no signal handler lies between.
    @inlinable @inline(__always)
    public func acquireSecond(_ tag: UInt64, placeholder: Int32 = -1, mask: UInt64 = Kernel.unblocked) -> Acquisition {
        xs_push_held(word.address, placeholder)
        if word.compareExchange(0, tag) { return .free }
        return contended(tag, mask)
    }

    @inlinable @inline(__always)
    public func release(_ acquisition: Acquisition) {
        if case .reentered = acquisition { return }
        word.store(0)
        xs_pop_held()
    }

    @usableFromInline
    func contended(_ tag: UInt64, _ mask: UInt64) -> Acquisition {
        #if !hasFeature(Embedded)
            // Only the service can have written there.
            if AgentFrontend.isAlone {
                word.store(tag)
                return .free
            }
        #endif
        var round = 0
        while true {
            let holder = word.load()
            if holder == tag {
                xs_pop_held()
                return .reentered
            }
            if holder == 0 {
                if word.compareExchange(0, tag) { return .free }
            } else if round < 64 {
                xs_pause()
            } else {
                // The holder lost its processor in the middle of a copy.
                Kernel.sleep(nanoseconds: round < 128 ? 20_000 : 500_000)
            }
            round &+= 1
            if round % 256 == 0 { Signals.admitDefaults(mask) }
        }
    }
}
