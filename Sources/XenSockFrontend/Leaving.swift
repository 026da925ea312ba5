import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// A descriptor that is being closed, or replaced, while other threads may be in calls on its socket. They hold one of
/// the locks when they use its number: so whoever takes the number away says so in the table first, then waits for the
/// locks; they take a lock first, then look whether the table still says what it said (`isGone`). In either order no byte
/// of theirs goes to the number's next owner, or comes from it.
enum Leaving {
    /// The calling thread, if the mark is its own, else 0; and its signal mask, to be restored by `end` or otherwise.
    typealias Mark = (thread: Int32, mask: UInt64)

    /// Marks the descriptor, waits until no other thread of this process is at work on it, and leaves those that wait a
    /// duplicate. Blocks signals: no handler finds the descriptor neither open nor closed, and none leaves it so for good.
    static func begin(_ handle: SocketHandle) -> Mark {
        guard let region = ProcessState.region else { return (0, Kernel.unblocked) }
        // Which may be denied even the question for the thread.
        if Kernel.isLockedIn {
            Descriptors.set(handle.fd, .foreign)
            return (0, Kernel.unblocked)
        }
        let mask = Kernel.blockSignals()
        let entry = ProcessState.entry(region, handle.fd)
        let thread = Kernel.threadID()
        if !entry.compareExchange(handle.entry.rawValue, TableEntry.leaving(thread: thread).rawValue) {
            return (0, mask)
        }
        // Who is in a wait now finds its duplicate when it has a lock again; who begins one later sees the mark.
        Holds.keep(handle.fd)
        awaitHolder(handle.status.receiveLock.word, thread)
        awaitHolder(handle.status.sendLock.word, thread)
        return (thread, mask)
    }

    /// The kernel has closed it, unless `kept`. Another thread may have the number by now.
    static func end(_ handle: SocketHandle, _ mark: Mark, kept: Bool = false) {
        defer { Kernel.restoreSignals(mark.mask) }
        guard let region = ProcessState.region else { return }
        if Kernel.isLockedIn { return kept ? Descriptors.set(handle.fd, handle.entry) : () }
        let entry = ProcessState.entry(region, handle.fd)
        let value = entry.load()
        guard mark.thread != 0, TableEntry(rawValue: value).leaver == mark.thread else { return }
        _ = entry.compareExchange(value, kept ? handle.entry.rawValue : TableEntry.foreign.rawValue)
    }

    /// Locks are held for a copy. Of one that a thread left behind (it was cancelled) the next call of that would know.
    private static func awaitHolder(_ word: SharedWord64, _ thread: Int32) {
        #if !hasFeature(Embedded)
            // Only the service can have written there.
            if AgentFrontend.isAlone { return }
        #endif
        guard let state = Session.state, state.pointee.sessionID != 0 else { return }
        let own = UInt64(state.pointee.sessionID) << 32 | UInt64(UInt32(bitPattern: thread))
        var round = 0
        while round < 4000 {
            let holder = word.loadOrdered()
            if holder == own || UInt32(truncatingIfNeeded: holder >> 32) != state.pointee.sessionID { return }
            if round < 64 { xs_pause() } else { Kernel.sleep(nanoseconds: round < 128 ? 20_000 : 500_000) }
            round &+= 1
        }
    }

    /// Waits until another thread is done with `entry`, which it marked; for no longer than that can take, since a jump out
    /// of a signal handler may have ended it.
    ///
    /// - Returns: whether to look again; false in a handler that interrupted the closing.
    static func awaitEnd(_ entry: SharedWord64) -> Bool {
        var round = 0
        while true {
            let value = entry.load()
            guard let thread = TableEntry(rawValue: value).leaver else { return true }
            if thread == Kernel.threadID() { return false }
            // It was copied by a fork(2) meanwhile, or its thread is gone: what the number is must be found out.
            if round % 1000 == 64, !Session.isBorrowed,
                round > 60_000 || Kernel.call(Int(SYS_tgkill), Int(Kernel.processID()), Int(thread), 0) < 0
            {
                _ = entry.compareExchange(value, TableEntry.unknown.rawValue)
                return true
            }
            if round < 64 { xs_pause() } else { Kernel.sleep(nanoseconds: 20_000) }
            round &+= 1
        }
    }
}

extension TableEntry {
    /// Its descriptor is being closed by `thread`.
    static func leaving(thread: Int32) -> TableEntry {
        TableEntry(rawValue: UInt64(UInt32(bitPattern: thread)) << 8 | 2)
    }

    /// The thread of `leaving`; nil if the entry is another.
    var leaver: Int32? { !isSocket && rawValue & 0xff == 2 ? Int32(truncatingIfNeeded: rawValue >> 8) : nil }
}

extension StreamSocket {
    /// What `receive` and `send` return when the descriptor was closed before they began.
    static var isGoneNow: Int { Int.min + 1 }

    /// Whether the descriptor is another by now, and the call has no duplicate. Asked with a lock held: then it stays what
    /// it is.
    @inline(__always)
    var isGone: Bool { holding < 0 ? isLeft : placeholder < 0 }

    /// Whether somebody is closing the descriptor, or has.
    @inline(__always)
    var isLeft: Bool {
        guard entry != 0, let region = ProcessState.region else { return false }
        return ProcessState.entry(region, placeholder).loadOrdered() != entry
    }
}

extension Frontend {
    /// recvmsg(2) of what has taken the number of `handle`, natively or not.
    static func receiveElsewhere(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32,
        message: UnsafeMutablePointer<msghdr>?
    ) -> Int {
        if let other = find(handle.fd) {
            return receive(handle.isForFiles ? other.forFiles : other, vectors, count, flags: flags, message: message)
        }
        if Kernel.isLockedIn { return -Int(EBADF) }
        var plain = msghdr()
        return withUnsafeMutablePointer(to: &plain) { own in
            let header = message ?? own
            header.pointee.msg_iov = UnsafeMutablePointer(mutating: vectors)
            header.pointee.msg_iovlen = count
            let result = Kernel.call(Int(SYS_recvmsg), Int(handle.fd), Int(bitPattern: header), Int(flags))
            guard result == -Int(ENOTSOCK), handle.isForFiles else { return result }
            return Kernel.call(Int(SYS_readv), Int(handle.fd), Int(bitPattern: vectors), count)
        }
    }

    /// sendmsg(2) likewise.
    static func sendElsewhere(
        _ handle: SocketHandle, _ vectors: UnsafePointer<iovec>, _ count: Int, flags: Int32,
        address: UnsafeRawPointer?, length: UInt32, control: UnsafeRawBufferPointer
    ) -> Int {
        if let other = find(handle.fd) {
            let other = handle.isForFiles ? other.forFiles : other
            return send(other, vectors, count, flags: flags, address: address, length: length, control: control)
        }
        if Kernel.isLockedIn { return -Int(EBADF) }
        var header = msghdr()
        header.msg_name = UnsafeMutableRawPointer(mutating: address)
        header.msg_namelen = address == nil ? 0 : length
        header.msg_iov = UnsafeMutablePointer(mutating: vectors)
        header.msg_iovlen = count
        header.msg_control = UnsafeMutableRawPointer(mutating: control.baseAddress)
        header.msg_controllen = control.count
        let result = withUnsafePointer(to: &header) {
            Kernel.call(Int(SYS_sendmsg), Int(handle.fd), Int(bitPattern: $0), Int(flags))
        }
        guard result == -Int(ENOTSOCK), handle.isForFiles else { return result }
        return Kernel.call(Int(SYS_writev), Int(handle.fd), Int(bitPattern: vectors), count)
    }
}
