/// Who is at the other end of a session: what SO_PEERCRED said when the session was opened.
public struct PeerCredentials: Sendable, Hashable {
    public var processID: Int32
    public var userID: UInt32
    public var groupID: UInt32
    /// The domain of a guest, which Xen vouches for; nil for a local process. Of a guest the other three are what it says
    /// itself, and `noUser` where it says nothing.
    public var domainID: UInt16?

    /// No user has it: -1 of setreuid(2).
    public static let noUser = UInt32.max

    public init(processID: Int32, userID: UInt32, groupID: UInt32, domainID: UInt16? = nil) {
        self.processID = processID
        self.userID = userID
        self.groupID = groupID
        self.domainID = domainID
    }

    /// As whose the peer's sockets go to the kernel where that matters: its own, or a number for each guest that is far
    /// from those of this domain's users.
    var kernelUserID: UInt32 { domainID.map { 0xf000_0000 | UInt32($0) } ?? userID }

    /// Whose share of the service's time a session's requests take: the user's, or the guest's.
    var account: UInt64 { domainID.map { 1 << 32 | UInt64($0) } ?? UInt64(userID) }

    /// Whether the kernel would let the peer do what it lets the service do: root's processes, and those of the service's
    /// own user. No guest's user is one of these, whatever the guest says.
    public func isTrusted(byUser serviceUserID: UInt32) -> Bool {
        domainID == nil && (userID == 0 || userID == serviceUserID)
    }
}
