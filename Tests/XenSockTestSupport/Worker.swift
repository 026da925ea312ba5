import Foundation

/// A thread that runs one piece of work, which the test waits for.
public final class Worker: @unchecked Sendable {
    private let finished = DispatchSemaphore(value: 0)
    private let lock = NSLock()
    private var isDone = false
    private var failure: (any Error)?

    /// - Parameter work: may touch what the starting thread touches, as the other side of shared memory does.
    public init(_ work: @escaping () throws -> Void) {
        let handed = Handed(work: work)
        let thread = Thread { [self] in
            do { try handed.work() } catch { lock.withLock { failure = error } }
            lock.withLock { isDone = true }
            finished.signal()
        }
        thread.stackSize = 1 << 20
        thread.start()
    }

    public var isRunning: Bool { lock.withLock { !isDone } }

    /// Waits for the end of the work, at most `seconds`; throws what it threw.
    public func join(seconds: Int = 60) throws {
        guard finished.wait(timeout: .now() + .seconds(seconds)) == .success else {
            throw Mismatch("a worker is stuck", seed: 0, step: 0)
        }
        if let failure = lock.withLock({ failure }) { throw failure }
    }
}

private struct Handed: @unchecked Sendable {
    let work: () throws -> Void
}
