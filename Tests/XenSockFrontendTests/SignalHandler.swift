import Foundation

/// Runs code in a signal handler that interrupts the calling thread where it stands. The library tells a handler's calls
/// from those behind a siglongjmp(3) by the frame that the kernel makes; a mere call has none.
enum SignalHandler {
    nonisolated(unsafe) private static var body: (() -> Void)?
    private static let turn = NSLock()

    /// One at a time in the process; `body` must not run another.
    static func run(_ body: @escaping () -> Void) {
        turn.lock()
        defer { turn.unlock() }
        var action = sigaction()
        var previous = sigaction()
        action.__sigaction_handler.sa_handler = { _ in SignalHandler.body?() }
        sigaction(SIGUSR2, &action, &previous)
        // Threads of dispatch block what is not synchronous.
        var unblocked = sigset_t()
        var mask = sigset_t()
        sigemptyset(&unblocked)
        sigaddset(&unblocked, SIGUSR2)
        pthread_sigmask(SIG_UNBLOCK, &unblocked, &mask)
        self.body = body
        raise(SIGUSR2)
        self.body = nil
        pthread_sigmask(SIG_SETMASK, &mask, nil)
        sigaction(SIGUSR2, &previous, nil)
    }
}
