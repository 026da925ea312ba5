import CXenSockSystem
import XenSockPlatform

/// What the program has said about its signals.
enum Signals {
    /// Whether a call that a handler interrupted goes on: every handler of the program was installed with SA_RESTART.
    /// The kernel does not say which one ran; with handlers of both kinds the call is interrupted.
    static func handlersRestart() -> Bool {
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

    /// Raises SIGPIPE in the calling thread, as send(2) does beside EPIPE.
    static func raiseBrokenPipe() { Kernel.raise(Int32(SIGPIPE)) }
}
