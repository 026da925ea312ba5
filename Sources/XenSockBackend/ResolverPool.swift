import CXenSockSystem
import Glibc

/// Resolves names in a few threads of its own, so that a slow name server never holds up the reactor.
///
/// Threads are made when they are first needed and end with the pool; one that still waits for a name server then ends
/// when that has answered. All signals are blocked in them, so that the service's signalfd gets every signal.
public final class ResolverPool: NameResolver {
    private let work: ResolverWork

    /// - Parameters:
    ///   - threads: how many queries are performed at one time.
    ///   - waiting: how many more may wait; a query beyond that is answered EAI_AGAIN.
    ///   - share: of threads and of room to wait, what one asker has at most is this part.
    ///   - perform: what a thread does with a query.
    /// - Returns: nil if the process has no descriptor left for the eventfd.
    public init?(
        threads: Int = 8, waiting: Int = 512, share: Int = 2,
        perform: @escaping @Sendable (ResolverQueryRecord) -> ResolverAnswerRecord = { $0.perform() }
    ) {
        let work = ResolverWork(threads: threads, waiting: waiting, share: share, perform: perform)
        guard let work else { return nil }
        self.work = work
    }

    deinit {
        work.stop()
    }

    /// See ``NameResolver/completionDescriptor``.
    public var completionDescriptor: Int32 { work.event }

    /// Begins to resolve a query. A record that is none is answered EAI_FAIL, one too many EAI_AGAIN.
    ///
    /// - Returns: always 0: each query gets an answer record.
    public func start(query: UnsafeRawBufferPointer, completion: UInt64, asker: UInt64) -> Int32 {
        if let query = ResolverQueryRecord(record: query) {
            work.add(.init(query: query, completion: completion, asker: asker))
        } else {
            work.finish(completion, ResolverAnswerRecord(status: EAI_FAIL))
        }
        return 0
    }

    /// Forgets a query that still waits; the result of one that is being performed comes nevertheless.
    public func cancel(completion: UInt64) {
        work.cancel(completion)
    }

    /// See ``NameResolver/takeResults(_:)``.
    public func takeResults(_ body: (UInt64, [UInt8]) -> Void) {
        for (completion, record) in work.takeResults() {
            body(completion, record)
        }
    }
}

/// What the reactor's thread and the pool's threads share. Lives until the last of them lets go.
private final class ResolverWork: @unchecked Sendable {
    let event: Int32
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let perform: @Sendable (ResolverQueryRecord) -> ResolverAnswerRecord
    private let maximumThreads: Int
    private let maximumWaiting: Int
    private let share: Int

    struct Waiting {
        let query: ResolverQueryRecord
        let completion: UInt64
        let asker: UInt64
    }

    // Guarded by the mutex.
    private var queue: [Waiting] = []
    /// Threads at work, by asker.
    private var working: [UInt64: Int] = [:]
    private var results: [(UInt64, [UInt8])] = []
    private var threads = 0
    private var idle = 0
    private var stopped = false

    init?(
        threads: Int, waiting: Int, share: Int,
        perform: @escaping @Sendable (ResolverQueryRecord) -> ResolverAnswerRecord
    ) {
        event = Int32(xs_syscall(Int(SYS_eventfd2), 0, Int(O_CLOEXEC | O_NONBLOCK), 0, 0, 0, 0))
        maximumThreads = threads
        maximumWaiting = waiting
        self.share = share
        self.perform = perform
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
        if event < 0 { return nil }
    }

    deinit {
        if event >= 0 { close(event) }
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func add(_ query: Waiting) {
        let status: Int32? = locked {
            let own = queue.count { $0.asker == query.asker }
            if queue.count >= maximumWaiting + idle || own >= maximumWaiting / share + idle { return EAI_AGAIN }
            if queue.count >= idle, threads < maximumThreads, !spawn(), threads == 0 { return EAI_AGAIN }
            queue.append(query)
            pthread_cond_signal(condition)
            return nil
        }
        if let status { finish(query.completion, ResolverAnswerRecord(status: status)) }
    }

    func cancel(_ completion: UInt64) {
        locked { queue.removeAll { $0.completion == completion } }
    }

    func finish(_ completion: UInt64, _ answer: ResolverAnswerRecord) {
        let record = answer.encoded()
        locked { results.append((completion, record)) }
        // The counter is full only if it is readable already.
        var one: UInt64 = 1
        _ = write(event, &one, 8)
    }

    func takeResults() -> [(UInt64, [UInt8])] {
        // The counter is emptied first: a result that is added in between makes the descriptor readable once more.
        var count: UInt64 = 0
        _ = read(event, &count, 8)
        return locked {
            let taken = results
            results = []
            return taken
        }
    }

    func stop() {
        locked {
            stopped = true
            queue = []
            pthread_cond_broadcast(condition)
        }
    }

    /// Makes one more thread. Called with the mutex held.
    private func spawn() -> Bool {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<ResolverWork>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        if failure != 0 {
            context.release()
            return false
        }
        pthread_detach(thread)
        threads += 1
        return true
    }

    private func run() {
        while let next = next() {
            finish(next.completion, perform(next.query))
            locked { working[next.asker] = working[next.asker, default: 1] - 1 }
        }
    }

    private func next() -> Waiting? {
        locked {
            idle += 1
            defer { idle -= 1 }
            while !stopped {
                if let index = nextIndex() {
                    let next = queue.remove(at: index)
                    working[next.asker, default: 0] += 1
                    return next
                }
                pthread_cond_wait(condition, mutex)
            }
            return nil
        }
    }

    /// The first query of an asker that has the fewest threads; nil if none waits, or only of those that have their share.
    private func nextIndex() -> Int? {
        working = working.filter { $0.value > 0 }
        let fewest = queue.indices.min { working[queue[$0].asker, default: 0] < working[queue[$1].asker, default: 0] }
        guard let fewest, working[queue[fewest].asker, default: 0] < max(1, maximumThreads / share) else { return nil }
        return fewest
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
