#if !hasFeature(Embedded)
    import CXenSockSystem

    /// A domain that hands most things on to another one.
    public protocol DomainDecorator: FrontendDomain {
        associatedtype Base: FrontendDomain
        var base: Base { get }
    }

    extension DomainDecorator {
        public func notify(_ port: UInt32) { base.notify(port) }

        public func receiveTokens(_ placeholder: Int32, _ count: Int) -> Int { base.receiveTokens(placeholder, count) }

        public func sendFiller(_ placeholder: Int32) -> Bool { base.sendFiller(placeholder) }

        public func awaitToken(_ placeholder: Int32) -> Int { base.awaitToken(placeholder) }

        public func awaitWritable(_ placeholder: Int32, nanoseconds: Int) -> Int {
            base.awaitWritable(placeholder, nanoseconds: nanoseconds)
        }

        public func isHungUp(_ placeholder: Int32) -> Bool { base.isHungUp(placeholder) }

        public func countTokens(_ placeholder: Int32) -> Int { base.countTokens(placeholder) }
    }

    /// Holds notifications back until `deliver`, and tokens for as many looks as `tokenDelay` says. The protocol must
    /// survive both. Not thread-safe.
    public final class DelayingDomain<Base: FrontendDomain>: DomainDecorator {
        public let base: Base
        private var held: [UInt32] = []
        private var looks = 0
        private let tokenDelay: () -> Int

        /// - Parameter tokenDelay: how many looks for tokens find none although they stand; asked once for each receiving.
        public init(_ base: Base, tokenDelay: @escaping () -> Int = { 0 }) {
            self.base = base
            self.tokenDelay = tokenDelay
        }

        public func notify(_ port: UInt32) { held.append(port) }

        /// Hands the oldest notification on. Returns false if none is held.
        public func deliver() -> Bool {
            guard !held.isEmpty else { return false }
            base.notify(held.removeFirst())
            return true
        }

        public func receiveTokens(_ placeholder: Int32, _ count: Int) -> Int {
            if looks == 0 { looks = tokenDelay() + 1 }
            looks -= 1
            return looks > 0 ? -Int(EAGAIN) : base.receiveTokens(placeholder, count)
        }
    }

    /// Holds notifications of all ports and hands them on in any order. A port's event says only "look", so the protocol
    /// must survive it. Not thread-safe.
    public final class ReorderingDomain<Base: FrontendDomain>: DomainDecorator {
        public let base: Base
        private var held: [UInt32] = []
        private let choose: (Int) -> Int

        /// - Parameter choose: picks one of n, from 0 to n - 1.
        public init(_ base: Base, choose: @escaping (Int) -> Int) {
            self.base = base
            self.choose = choose
        }

        public func notify(_ port: UInt32) { held.append(port) }

        /// Hands one notification on. Returns false if none is held.
        public func deliver() -> Bool {
            guard !held.isEmpty else { return false }
            base.notify(held.remove(at: choose(held.count)))
            return true
        }
    }

    /// Loses what `drops` names, and says that it was done. The protocol does not survive that: its loss must show as a
    /// deadlock, never as wrong data. Not thread-safe.
    public final class DroppingDomain<Base: FrontendDomain>: DomainDecorator {
        public let base: Base
        private let drops: (DomainEvent.Operation) -> Bool

        /// - Parameter drops: asked for `notify`, `receiveTokens` and `sendFiller`.
        public init(_ base: Base, drops: @escaping (DomainEvent.Operation) -> Bool) {
            self.base = base
            self.drops = drops
        }

        public func notify(_ port: UInt32) {
            if !drops(.notify) { base.notify(port) }
        }

        /// Tokens that are dropped were received, but the caller does not learn of it.
        public func receiveTokens(_ placeholder: Int32, _ count: Int) -> Int {
            let result = base.receiveTokens(placeholder, count)
            return result > 0 && drops(.receiveTokens) ? -Int(EAGAIN) : result
        }

        public func sendFiller(_ placeholder: Int32) -> Bool {
            drops(.sendFiller) || base.sendFiller(placeholder)
        }
    }
#endif
