import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// A program that is about to take from itself what the library needs to open a session and to name sockets there: sshd's
/// children limit their descriptors to one, and then filter their system calls (`willFilterCalls`).
extension Frontend {
    /// The soft limit of descriptors is about to become `limit`.
    public static func limitDescriptors(_ limit: UInt64) {
        if limit < descriptorsOfASession { becomeAcquainted() }
    }

    /// Opens this process's session if it holds sockets of another's, and makes them known there, which a forked child
    /// otherwise does with its first request or lock: too late, where descriptors can no longer be made or sent.
    @inline(never)
    static func becomeAcquainted() {
        guard let region = ProcessState.region, ProcessState.arenaCount(region) > 0, !Session.isBorrowed else { return }
        // The calling thread knows its tag from here on.
        _ = Session.tag()
        guard let state = Session.state, Session.life(state) != nil else { return }
        let last = Int32(bitPattern: ProcessState.highest(region))
        var fd: Int32 = 0
        while fd <= last {
            if Descriptors.entry(fd).isSocket, let handle = Descriptors.find(fd),
                handle.entry.arena != Int(state.pointee.arena)
            {
                _ = attach(handle)
            }
            fd &+= 1
        }
    }

    /// More than the standard descriptors, a session's own and some of the program's.
    private static var descriptorsOfASession: UInt64 { 64 }
}
