#if !hasFeature(Embedded)
    import CXenSockSystem

    /// A placeholder without a kernel: both ends of an AF_UNIX stream socket pair, as far as tokens, fillers and readiness
    /// go (docs/PROTOCOL.md, 2.2). It answers as Linux does, send buffer accounting included; what the bytes are it does
    /// not keep. Not thread-safe: whoever steps it does so from one thread.
    public final class InMemoryPlaceholder {
        public enum End: Sendable {
            /// The program's descriptor.
            case program
            /// What the backend's side holds.
            case service

            public var other: End { self == .program ? .service : .program }
        }

        /// What poll(2) reports, with its numbers.
        public struct Events: OptionSet, Equatable, Sendable {
            public var rawValue: Int16

            public init(rawValue: Int16) { self.rawValue = rawValue }

            public static let input = Events(rawValue: 0x001)
            public static let output = Events(rawValue: 0x004)
            public static let error = Events(rawValue: 0x008)
            public static let hangup = Events(rawValue: 0x010)
            public static let readHangup = Events(rawValue: 0x2000)
        }

        private struct Message {
            /// Bytes not received yet.
            var left: Int
            /// What the sender is charged until the last byte was received.
            let charge: Int
        }

        private struct Side {
            var arrived: [Message] = []
            var isReadShut = false
            var isWriteShut = false
            var isClosed = false
            /// A pending SO_ERROR, positive.
            var error = 0
            /// SO_SNDBUF as getsockopt(2) reports it.
            var sendBuffer = 212_992
        }

        private var program = Side()
        private var service = Side()

        /// - Parameter programBuffer: SO_SNDBUF of the program's end; the service sets it to the kernel's minimum.
        public init(programBuffer: Int = LocalDomain.placeholderBuffer) { program.sendBuffer = programBuffer }

        private subscript(_ end: End) -> Side {
            get { end == .program ? program : service }
            _modify {
                switch end {
                case .program: yield &program
                case .service: yield &service
                }
            }
        }

        /// The memory that the kernel charges for a message: the bytes and what describes them, in its allocator's sizes.
        private static func charge(_ count: Int) -> Int {
            var block = 512
            while block < (count + 63) / 64 * 64 + 320 { block *= 2 }
            return block + 256
        }

        private func charged(_ end: End) -> Int { self[end.other].arrived.reduce(0) { $0 + $1.charge } }

        /// Bytes that `end` could receive now.
        public func unread(at end: End) -> Int { self[end].arrived.reduce(0) { $0 + $1.left } }

        /// send(2) of one message with MSG_DONTWAIT | MSG_NOSIGNAL.
        ///
        /// - Parameter count: 1 to 2048: what the kernel keeps together at every buffer size.
        /// - Returns: `count`, -EPIPE or -EAGAIN.
        public func send(from end: End, _ count: Int) -> Int {
            precondition((1...2048).contains(count))
            if self[end].isWriteShut { return -Int(EPIPE) }
            if charged(end) >= self[end].sendBuffer { return -Int(EAGAIN) }
            if self[end.other].isClosed || self[end.other].isReadShut { return -Int(EPIPE) }
            self[end.other].arrived.append(Message(left: count, charge: Self.charge(count)))
            return count
        }

        /// recv(2) with MSG_DONTWAIT.
        ///
        /// - Returns: bytes received; 0 if the other end is closed or shut down; -ECONNRESET once, if it was closed with
        ///   bytes unread; -EAGAIN.
        public func receive(at end: End, _ count: Int) -> Int {
            let got = peek(at: end, count)
            var left = max(got, 0)
            while left > 0 {
                let taken = min(left, self[end].arrived[0].left)
                self[end].arrived[0].left -= taken
                left -= taken
                if self[end].arrived[0].left == 0 { self[end].arrived.removeFirst() }
            }
            return got
        }

        /// recv(2) with MSG_DONTWAIT | MSG_PEEK. Takes the pending error like any receive.
        public func peek(at end: End, _ count: Int) -> Int {
            let available = unread(at: end)
            if available > 0 { return min(available, count) }
            if self[end].error != 0 {
                let error = self[end].error
                self[end].error = 0
                return -error
            }
            return self[end].isReadShut ? 0 : -Int(EAGAIN)
        }

        /// shutdown(2).
        public func shutdown(_ end: End, reading: Bool, writing: Bool) {
            if reading {
                self[end].isReadShut = true
                self[end.other].isWriteShut = true
            }
            if writing {
                self[end].isWriteShut = true
                self[end.other].isReadShut = true
            }
        }

        /// close(2) of the last descriptor of an end; the death of whoever held it.
        public func close(_ end: End) {
            self[end].isClosed = true
            self[end.other].isReadShut = true
            self[end.other].isWriteShut = true
            if !self[end].arrived.isEmpty { self[end.other].error = Int(ECONNRESET) }
            self[end].arrived = []
        }

        /// poll(2) for everything.
        public func events(_ end: End) -> Events {
            let side = self[end]
            var events: Events = []
            if side.error != 0 { events.insert(.error) }
            if side.isReadShut && side.isWriteShut { events.insert(.hangup) }
            if side.isReadShut { events.formUnion([.input, .readHangup]) }
            if !side.arrived.isEmpty { events.insert(.input) }
            if charged(end) * 4 <= side.sendBuffer { events.insert(.output) }
            return events
        }
    }
#endif
