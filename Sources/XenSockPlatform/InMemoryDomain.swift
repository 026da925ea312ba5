#if !hasFeature(Embedded)
    import CXenSockSystem

    /// A frontend's domain in one process and one thread, without a clock: whoever waits runs `step`, which lets the other
    /// side do one thing, until what is waited for has come, or nothing is left that could make it come.
    ///
    /// Not thread-safe.
    public final class InMemoryDomain: FrontendDomain {
        /// The placeholders, by the program's descriptor.
        public var placeholders: [Int32: InMemoryPlaceholder] = [:]

        /// Lets the other side do one thing. Returns false if it has nothing to do.
        public var step: () -> Bool = { false }

        /// Called before each operation takes effect: what other threads, or the backend, do in between.
        public var before: (DomainEvent.Operation) -> Void = { _ in }

        /// What waited for something that could not come any more; the wait returned -EDEADLK.
        public private(set) var deadlocks: [DomainEvent.Operation] = []

        /// How many steps `awaitToken` waits before it returns -EAGAIN: the descriptor's SO_RCVTIMEO. nil: for ever.
        public var receiveTimeLimit: Int?

        /// Waits that a signal interrupts before they look: each returns -EINTR.
        public var interruptions = 0

        private var notified: Set<UInt32> = []
        /// Waits in a row that found what they waited for while nothing else happened.
        private var idleWaits = 0

        public init() {}

        /// The ports notified since the last call, in ascending order: the pending bits.
        public func takeNotifications() -> [UInt32] {
            defer { notified = [] }
            return notified.sorted()
        }

        /// Whether a port was notified and not taken.
        public var hasNotifications: Bool { !notified.isEmpty }

        public func notify(_ port: UInt32) {
            before(.notify)
            idleWaits = 0
            notified.insert(port)
        }

        public func countTokens(_ placeholder: Int32) -> Int {
            before(.countTokens)
            guard let pair = placeholders[placeholder] else { return -Int(EBADF) }
            return pair.unread(at: .program)
        }

        public func receiveTokens(_ placeholder: Int32, _ count: Int) -> Int {
            before(.receiveTokens)
            guard let pair = placeholders[placeholder] else { return -Int(EBADF) }
            let result = pair.receive(at: .program, count)
            if result > 0 {
                idleWaits = 0
            } else if result == -Int(EAGAIN) {
                // A token that is under way arrives while its receiver looks again.
                _ = step()
            }
            return result
        }

        public func sendFiller(_ placeholder: Int32) -> Bool {
            before(.sendFiller)
            idleWaits = 0
            return placeholders[placeholder]?.send(from: .program, LocalDomain.fillerSize) == LocalDomain.fillerSize
        }

        public func awaitToken(_ placeholder: Int32) -> Int {
            before(.awaitToken)
            guard let pair = placeholders[placeholder] else { return -Int(EBADF) }
            var steps = 0
            while true {
                if isInterrupted() { return -Int(EINTR) }
                let result = pair.peek(at: .program, 1)
                if result != -Int(EAGAIN) { return isLivelock() ? deadlock(.awaitToken) : result }
                if let receiveTimeLimit, steps >= receiveTimeLimit { return -Int(EAGAIN) }
                idleWaits = 0
                if !step() { return deadlock(.awaitToken) }
                steps += 1
            }
        }

        /// A time limit passes when nothing else can happen.
        public func awaitWritable(_ placeholder: Int32, nanoseconds: Int) -> Int {
            before(.awaitWritable)
            guard let pair = placeholders[placeholder] else { return -Int(EBADF) }
            while true {
                if isInterrupted() { return -Int(EINTR) }
                let events = pair.events(.program)
                if !events.isDisjoint(with: [.error, .hangup]) { return isLivelock() ? deadlock(.awaitWritable) : 2 }
                if events.contains(.output) { return isLivelock() ? deadlock(.awaitWritable) : 1 }
                if nanoseconds == 0 { return 0 }
                idleWaits = 0
                if !step() { return nanoseconds > 0 ? 0 : deadlock(.awaitWritable) }
            }
        }

        public func isHungUp(_ placeholder: Int32) -> Bool {
            before(.isHungUp)
            guard let events = placeholders[placeholder]?.events(.program) else { return true }
            return !events.isDisjoint(with: [.error, .hangup, .readHangup])
        }

        private func isInterrupted() -> Bool {
            guard interruptions > 0 else { return false }
            interruptions -= 1
            return true
        }

        /// A wait that finds its event at once also takes time, in which the other side goes on. One that does so again and
        /// again while nothing happens will do so for ever: its caller does not see what the kernel shows.
        private func isLivelock() -> Bool {
            idleWaits = step() ? 0 : idleWaits + 1
            return idleWaits > 100
        }

        private func deadlock(_ operation: DomainEvent.Operation) -> Int {
            idleWaits = 0
            deadlocks.append(operation)
            return -Int(EDEADLK)
        }
    }
#endif
