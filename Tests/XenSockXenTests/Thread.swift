import Glibc
import Synchronization

/// A thread of a test.
final class Thread: Sendable {
    private final class State: Sendable {
        let body: @Sendable () -> Void
        let isDone = Atomic(false)

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private let state: State
    private let thread: pthread_t

    init(_ body: @escaping @Sendable () -> Void) {
        state = State(body)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                let state = Unmanaged<State>.fromOpaque(argument!).takeRetainedValue()
                state.body()
                state.isDone.store(true, ordering: .releasing)
                return nil
            }, Unmanaged.passRetained(state).toOpaque())
        self.thread = thread
    }

    var isDone: Bool { state.isDone.load(ordering: .acquiring) }

    func join() { pthread_join(thread, nil) }
}
