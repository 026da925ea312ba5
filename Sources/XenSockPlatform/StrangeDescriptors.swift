#if !hasFeature(Embedded)
    import CXenSockSystem
    import Glibc
    import Synchronization

    /// Closes descriptors that others sent and that are of no use: a thread of its own waits for those that make close(2)
    /// wait. Whoever sent one decides about that: a file of a FUSE file system waits for the process that serves it, a TCP
    /// socket as long as SO_LINGER says.
    public enum StrangeDescriptors {
        /// How many may wait to be closed before more are too many.
        public static let most = 64

        private struct Queue {
            var descriptors: [Int32] = []
            var isRunning = false
        }
        private static let queue = Mutex(Queue())

        /// Takes a descriptor over, and closes it sooner or later. Does not wait.
        ///
        /// - Returns: false when more than ``most`` wait: whoever sent this one is to be sent away.
        public static func close(_ descriptor: Int32) -> Bool {
            guard descriptor >= 0 else { return true }
            if isUnixSocket(descriptor) {
                _ = Kernel.close(descriptor)
                return true
            }
            let (isNew, count) = queue.withLock { queue in
                queue.descriptors.append(descriptor)
                defer { queue.isRunning = true }
                return (!queue.isRunning, queue.descriptors.count)
            }
            if isNew { begin() }
            return count <= most
        }

        private static func isUnixSocket(_ descriptor: Int32) -> Bool {
            var domain: Int32 = -1
            var length = socklen_t(4)
            return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX
        }

        private static func begin() {
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
            if result != 0 { queue.withLock { $0.isRunning = false } }
        }

        private static func run() {
            while let next = next() { _ = Kernel.close(next) }
        }

        private static func next() -> Int32? {
            queue.withLock { queue in
                if let last = queue.descriptors.popLast() { return last }
                queue.isRunning = false
                return nil
            }
        }
    }
#endif
