import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// A stream socket as one call of the program works on it: its status line, its data ring, its placeholder. A plain
/// view, made anew for every call; whatever lasts is in shared memory, because processes share sockets.
@frozen
public struct StreamSocket<Domain: FrontendDomain> {
    public let domain: Domain
    /// The program's descriptor: its end of the placeholder. Another once that was closed under a wait (`Holds`).
    @usableFromInline var placeholder: Int32
    /// The wait's slot in `Holds`, -1 without one.
    @usableFromInline var holding: Int32 = -1
    public let port: UInt32
    public let status: SocketStatus
    /// The indexes page, 4096 bytes; the data ring's pages follow it.
    public let indexes: UnsafeMutableRawPointer
    /// The caller's lock tag.
    public let tag: UInt64
    /// What the table said of the descriptor when the call began; 0: it is not from the table (`Leaving`).
    @usableFromInline var entry: UInt64 = 0

    @inlinable @inline(__always)
    public init(
        domain: Domain, placeholder: Int32, port: UInt32, status: SocketStatus, indexes: UnsafeMutableRawPointer,
        tag: UInt64
    ) {
        self.domain = domain
        self.placeholder = placeholder
        self.port = port
        self.status = status
        self.indexes = indexes
        self.tag = tag
    }

    /// Size of a half of the data ring in bytes; 0 without one.
    @inlinable @inline(__always)
    var half: UInt32 {
        let order = status.order
        return order == 0 ? 0 : 2048 << order
    }

    @inlinable @inline(__always)
    public var input: InRingFront { InRingFront(indexes: indexes, data: indexes + 4096, size: half) }

    @inlinable @inline(__always)
    public var output: OutRingFront {
        let half = half
        return OutRingFront(indexes: indexes, data: indexes + 4096 + Int(half), size: half)
    }

    @inlinable @inline(__always)
    func notify() { domain.notify(port) }

    /// For a call that interrupted another on this socket: that may have published and not have notified.
    func renotify() { domain.renotify(port) }

    /// Before a wait on the placeholder. A slot is found again by its thread: one that acts for another, as tests do, has
    /// none.
    mutating func hold() {
        if holding < 0, tag == xs_get_thread_tag() {
            holding = Holds.begin(placeholder, thread: UInt32(truncatingIfNeeded: tag))
            // Who is closing it may have looked for calls before this one was to be seen, and waits for the lock.
            if holding >= 0, isLeft { Holds.move(holding, placeholder) }
        }
        settleHold()
    }

    /// After it, with the lock held again: whoever closes the descriptor finds the call first, and then waits for the lock.
    ///
    /// - Returns: whether it was moved: what the wait said may be of the number's next owner.
    @discardableResult
    mutating func settleHold() -> Bool {
        let before = placeholder
        placeholder = Holds.descriptor(holding, placeholder)
        return placeholder != before
    }

    /// Whether a wait on a descriptor that was moved meanwhile (`isMoved`) is to be made again.
    func mustWaitAgain(_ isMoved: Bool, _ result: Int) -> Bool {
        isMoved && result <= 0 && result != -Int(EINTR) && result != -Int(EAGAIN)
    }

    /// At the end of a call that may have waited.
    ///
    /// - Returns: whether the descriptor was closed meanwhile.
    @discardableResult
    func endHold() -> Bool { Holds.end(holding) }
}
