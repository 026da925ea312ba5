import CXenSockSystem
import XenSockPlatform

/// What the program has said about its signals.
enum Signals {
    /// Whether a call that a handler interrupted goes on: every handler of the program was installed with SA_RESTART.
    /// The kernel does not say which one ran; with handlers of both kinds the call is interrupted.
    static func handlersRestart() -> Bool {
        if Kernel.isLockedIn { return true }
        // struct kernel_sigaction: handler, flags, restorer, mask, eight bytes each.
        var action: (UInt, UInt, UInt, UInt) = (0, 0, 0, 0)
        let restart: UInt = 0x1000_0000
        var signal = 1
        while signal <= 64 {
            let result = withUnsafeMutablePointer(to: &action) {
                Kernel.call(Int(SYS_rt_sigaction), signal, 0, Int(bitPattern: $0), 8)
            }
            if result == 0, action.0 > 1, action.1 & restart == 0 { return false }
            signal &+= 1
        }
        return true
    }

    /// Lets in, with all signals blocked, those that wait and have their default action (end the program, stop it, or
    /// nothing), unless the program itself blocks them. No handler runs.
    ///
    /// - Parameter mask: the program's signal mask.
    @inline(never)
    static func admitDefaults(_ mask: UInt64) {
        if mask == Kernel.unblocked { return }
        var waiting: UInt64 = 0
        _ = withUnsafeMutablePointer(to: &waiting) {
            Kernel.call(Int(SYS_rt_sigpending), Int(bitPattern: $0), 8)
        }
        waiting &= ~mask
        var admitted: UInt64 = 0
        var action: (UInt, UInt, UInt, UInt) = (0, 0, 0, 0)
        while waiting != 0 {
            let bit = waiting & (0 &- waiting)
            waiting &= waiting &- 1
            let result = withUnsafeMutablePointer(to: &action) {
                Kernel.call(Int(SYS_rt_sigaction), bit.trailingZeroBitCount &+ 1, 0, Int(bitPattern: $0), 8)
            }
            if result == 0, action.0 == 0 { admitted |= bit }
        }
        if admitted == 0 { return }
        _ = withUnsafeMutablePointer(to: &admitted) {
            Kernel.call(Int(SYS_rt_sigprocmask), Int(SIG_UNBLOCK), Int(bitPattern: $0), 0, 8)
        }
        _ = withUnsafeMutablePointer(to: &admitted) {
            Kernel.call(Int(SYS_rt_sigprocmask), Int(SIG_BLOCK), Int(bitPattern: $0), 0, 8)
        }
    }

    /// Raises SIGPIPE in the calling thread, as send(2) does beside EPIPE.
    static func raiseBrokenPipe() {
        // What raises it is forbidden to one that locked itself in; EPIPE has to do.
        if !Kernel.isLockedIn { Kernel.raise(Int32(SIGPIPE)) }
    }
}
