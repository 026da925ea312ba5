/// What a frontend's socket needs of its domain: events towards the backend, and the placeholder, which carries readiness
/// from the backend (docs/PROTOCOL.md, 2.2). The protocol code knows nothing else of the platform below it.
public protocol FrontendDomain {
    /// Notifies the backend of the event channel `port`.
    func notify(_ port: UInt32)

    /// Likewise, for who finds a call that was interrupted, or left, perhaps in the middle of notifying: wakes the backend
    /// though that may be another's turn.
    func renotify(_ port: UInt32)

    /// Receives up to `count` tokens without waiting.
    ///
    /// - Returns: their number; 0 if the other end is closed or shut down; a negative errno (-EAGAIN: none there).
    func receiveTokens(_ placeholder: Int32, _ count: Int) -> Int

    /// The number of tokens that stand in the placeholder, or a negative errno.
    func countTokens(_ placeholder: Int32) -> Int

    /// Sends one filler without waiting. Returns whether it went out.
    func sendFiller(_ placeholder: Int32) -> Bool

    /// Waits until a token stands, as recv(2) waits: restarted or interrupted by signals as the kernel does it, bounded
    /// by the descriptor's SO_RCVTIMEO.
    ///
    /// - Returns: 1; 0 if the other end is closed or shut down; a negative errno.
    func awaitToken(_ placeholder: Int32) -> Int

    /// Likewise, for at most `nanoseconds`, and never restarted.
    ///
    /// - Returns: 1; 0 if the other end is closed or shut down; -EAGAIN at the time limit; -EINTR.
    func awaitToken(_ placeholder: Int32, nanoseconds: Int) -> Int

    /// Waits for `nanoseconds`, or until the other end is closed or shut down, whether tokens stand or not.
    ///
    /// - Returns: 1 if the other end is closed or shut down; 0 at the time limit; -EINTR.
    func awaitEnd(_ placeholder: Int32, nanoseconds: Int) -> Int

    /// Receives the placeholder's urgent byte, and what the kernel keeps in its place, without waiting. No token.
    func clearUrgent(_ placeholder: Int32)

    /// Waits until the placeholder is writable or its other end is gone.
    ///
    /// - Parameter nanoseconds: the time limit; negative: none.
    /// - Returns: 1; 2 if it is hung up; 0 at the time limit; -EINTR.
    func awaitWritable(_ placeholder: Int32, nanoseconds: Int) -> Int

    /// Whether the other end of the placeholder is closed or shut down, tokens aside.
    func isHungUp(_ placeholder: Int32) -> Bool
}

extension FrontendDomain {
    public func renotify(_ port: UInt32) { notify(port) }

    public func awaitToken(_ placeholder: Int32, nanoseconds: Int) -> Int { awaitToken(placeholder) }

    public func clearUrgent(_ placeholder: Int32) {}

    public func awaitEnd(_ placeholder: Int32, nanoseconds: Int) -> Int { isHungUp(placeholder) ? 1 : 0 }
}
