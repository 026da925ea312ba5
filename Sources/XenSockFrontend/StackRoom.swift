import XenSockWire

/// Memory on the stack, for calls that may interrupt or follow an allocation of the program's (signal handlers, children
/// of fork(2) and vfork(2)): `withUnsafeTemporaryAllocation` takes what is larger than 1024 bytes from malloc(3).
enum StackRoom {
    /// Calls `body` with room for the longest frame of a session, zeroed.
    static func withFrame<Result>(_ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
        var words = InlineArray<513, UInt64>(repeating: 0)
        return withUnsafeMutableBytes(of: &words) { body($0) }
    }
}
