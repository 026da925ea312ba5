#if !hasFeature(Embedded)
    /// One thing that a frontend asked of its domain, and the answer.
    public struct DomainEvent: Equatable, Sendable {
        public enum Operation: Sendable {
            case notify, receiveTokens, countTokens, sendFiller, awaitToken, awaitWritable, isHungUp
        }

        public var operation: Operation
        /// The port of `notify`, the placeholder of the others.
        public var subject: Int
        /// What the operation returned: 1 and 0 for true and false.
        public var result: Int

        public init(_ operation: Operation, _ subject: Int, result: Int) {
            self.operation = operation
            self.subject = subject
            self.result = result
        }
    }

    /// Records what a frontend asks of the domain below. Not thread-safe.
    public final class RecordingDomain<Base: FrontendDomain>: FrontendDomain {
        public let base: Base
        public private(set) var events: [DomainEvent] = []

        public init(_ base: Base) { self.base = base }

        /// The events since the last call.
        public func takeEvents() -> [DomainEvent] {
            defer { events = [] }
            return events
        }

        private func record(_ operation: DomainEvent.Operation, _ subject: Int, _ result: Int) -> Int {
            events.append(DomainEvent(operation, subject, result: result))
            return result
        }

        public func notify(_ port: UInt32) {
            base.notify(port)
            _ = record(.notify, Int(port), 0)
        }

        public func receiveTokens(_ placeholder: Int32, _ count: Int) -> Int {
            record(.receiveTokens, Int(placeholder), base.receiveTokens(placeholder, count))
        }

        public func countTokens(_ placeholder: Int32) -> Int {
            record(.countTokens, Int(placeholder), base.countTokens(placeholder))
        }

        public func sendFiller(_ placeholder: Int32) -> Bool {
            record(.sendFiller, Int(placeholder), base.sendFiller(placeholder) ? 1 : 0) == 1
        }

        public func awaitToken(_ placeholder: Int32) -> Int {
            record(.awaitToken, Int(placeholder), base.awaitToken(placeholder))
        }

        public func awaitWritable(_ placeholder: Int32, nanoseconds: Int) -> Int {
            record(.awaitWritable, Int(placeholder), base.awaitWritable(placeholder, nanoseconds: nanoseconds))
        }

        public func isHungUp(_ placeholder: Int32) -> Bool {
            record(.isHungUp, Int(placeholder), base.isHungUp(placeholder) ? 1 : 0) == 1
        }
    }
#endif
