#if !hasFeature(Embedded)
    import CXenSockSystem
    import Glibc
    import Synchronization

    /// Closes descriptors that others sent and that are of no use: threads of their own wait for those that make close(2)
    /// wait. Whoever sent one decides about that: a file of a FUSE file system waits for the process that serves it, a TCP
    /// socket as long as SO_LINGER says, and an AF_UNIX socket for every such one that is queued in it.
    public enum StrangeDescriptors {
        /// How many of one user's may wait to be closed behind one that does not close, before more are too many.
        public static let most = 64
        /// How many may wait at all: a burst of those that close at once.
        private static let mostInBurst = 1024
        /// How long one takes that does not close, in nanoseconds.
        private static let patience = 1_000_000_000
        /// One user keeps one thread at most.
        private static let mostThreads = 32

        private struct Owner {
            var waiting: [Int32] = []
            /// Sockets of this process's own.
            var own: [Int32] = []
            /// When the last close began, or the wait for a thread.
            var since = Kernel.now()

            var count: Int { waiting.count + own.count }

            mutating func next() -> Int32? { own.popLast() ?? waiting.popLast() }
        }
        private struct Queue {
            /// By user.
            var owners: [UInt32: Owner] = [:]
            /// Users that no thread serves.
            var unserved: [UInt32] = []
            var threads = 0
            var idle = 0
        }
        private static let queue = Mutex(Queue())
        /// Counts what was queued, for idle threads to wait on.
        nonisolated(unsafe) private static let word: UnsafeMutablePointer<UInt32> = {
            let word = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
            word.initialize(to: 0)
            return word
        }()

        /// Makes the first thread, which stays: what a process holds then does not depend on who has come.
        public static func prepare() { _ = first }

        private static let first: Void = {
            queue.withLock { $0.threads += 1 }
            begin()
        }()

        /// Takes a descriptor over, and closes it sooner or later. Does not wait.
        ///
        /// - Parameter user: who sent it, and whose others wait for it.
        public static func close(_ descriptor: Int32, of user: UInt32) {
            // The program's end of a pair: its hang-up is to be seen as soon as the program closes its own.
            if descriptor >= 0, isIdleStream(descriptor) { return _ = Kernel.close(descriptor) }
            close(descriptor, of: user, isOwn: false)
        }

        /// Likewise, a socket of this process's own, which is none too many.
        static func closeOwn(_ socket: Int32, of user: UInt32) { close(socket, of: user, isOwn: true) }

        private static func close(_ descriptor: Int32, of user: UInt32, isOwn: Bool) {
            guard descriptor >= 0 else { return }
            let (isIdle, isNew) = queue.withLock { queue in
                if queue.owners[user] == nil { queue.unserved.append(user) }
                if isOwn {
                    queue.owners[user, default: Owner()].own.append(descriptor)
                } else {
                    queue.owners[user, default: Owner()].waiting.append(descriptor)
                }
                let needed = queue.unserved.count
                let isNew = needed > queue.idle && queue.threads < mostThreads
                if isNew { queue.threads += 1 }
                if needed > 0 { word.pointee &+= 1 }
                return (needed > 0 && queue.idle > 0, isNew)
            }
            if isIdle { Kernel.futexWake(word, 1) }
            if isNew { begin() }
        }

        /// Whether too many of a user's wait: whoever sends more is to be sent away.
        public static func isFull(_ user: UInt32) -> Bool {
            queue.withLock { queue in
                guard let owner = queue.owners[user], owner.count > most else { return false }
                return owner.waiting.count > mostInBurst || Kernel.now() - owner.since > patience
            }
        }

        private static func begin() {
            // A signal that the process waits for is none of this thread's.
            var all = sigset_t()
            var before = sigset_t()
            sigfillset(&all)
            pthread_sigmask(SIG_SETMASK, &all, &before)
            defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
            var thread = pthread_t()
            var attributes = pthread_attr_t()
            pthread_attr_init(&attributes)
            pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
            let result = pthread_create(
                &thread, &attributes,
                { _ in
                    StrangeDescriptors.run()
                    return nil
                }, nil)
            pthread_attr_destroy(&attributes)
            // The next one is another try; these wait for it.
            if result != 0 { queue.withLock { $0.threads -= 1 } }
        }

        private static func run() {
            var user: UInt32?
            while true {
                switch next(after: user) {
                case .close(let descriptor, let owner):
                    user = owner
                    _ = Kernel.close(descriptor)
                case .wait(let value):
                    user = nil
                    Kernel.futexWait(word, value, nanoseconds: .max)
                    queue.withLock { $0.idle -= 1 }
                }
            }
        }

        private enum Work {
            case close(Int32, UInt32)
            /// Until the word is another.
            case wait(UInt32)
        }

        /// - Parameter user: whom this thread serves.
        private static func next(after user: UInt32?) -> Work {
            queue.withLock { queue in
                if let user, let owner = queue.owners[user], owner.count > 0 {
                    // Others without a thread come first.
                    queue.unserved.append(user)
                } else if let user {
                    queue.owners[user] = nil
                }
                while !queue.unserved.isEmpty {
                    let next = queue.unserved.removeFirst()
                    guard let descriptor = queue.owners[next]?.next() else { continue }
                    queue.owners[next]?.since = Kernel.now()
                    return .close(descriptor, next)
                }
                queue.idle += 1
                return .wait(word.pointee)
            }
        }
    }
#endif
