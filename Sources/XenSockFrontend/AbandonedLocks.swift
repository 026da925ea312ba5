import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Locks of calls that a signal handler interrupted and then left for good, by siglongjmp(3): nobody would release them.
/// The thread notices in its next call, on whatever socket, and does what the service does for the dead
/// (docs/PROTOCOL.md, 3.4).
@usableFromInline
enum AbandonedLocks {
    @usableFromInline @inline(never)
    static func release(_ tag: UInt64) {
        while true {
            let top = xs_held_top()
            // Deeper than entries go: those are of running handlers, as far as is known.
            guard (1...UInt32(XS_HELD_LOCKS)).contains(xs_held_count(top)),
                xs_is_frame_alive(xs_held_frame(top)) == 0
            else { return }
            let entry = xs_held_entry(top).pointee
            // Without a word it was interrupted before it tried for the lock, or behind its release.
            if let address = entry.word, xs_held_top() == top {
                // Its own lay in frames that are gone, and must not be followed.
                xs_set_unpublished_send(entry.send)
                xs_set_unpublished_record(entry.record)
                let word = SharedWord64(address)
                if word.load() == tag {
                    settle(address, entry.fd)
                    _ = word.compareExchange(tag, 0)
                }
            }
            xs_drop_held(top)
        }
    }

    /// Settles what the call left half done. `address` is in a status line, which says what lock it is and of what port.
    private static func settle(_ address: UnsafeMutableRawPointer, _ fd: Int32) {
        guard let (arena, port) = place(of: address) else { return }
        // It may have published, or consumed, and not have notified.
        LocalDomain(arena: arena.base, doorbell: arena.doorbell).renotify(port)
        guard arena.dialect == 0 else { return }
        // The descriptor may be another by now.
        guard Descriptors.entry(fd).isSocket, let handle = Descriptors.find(fd), handle.entry.port == port,
            handle.arena.base == arena.base
        else { return }
        let socket = handle.socket
        if (address - arena.base) % StatusLine.size == StatusLine.receiveLock {
            // Tokens may have been cleared and not received. UNSETTLED is not for that: with it no token would come to
            // whoever polls, and only the service can send the byte that says so.
            _ = socket.countLateTokens(socket.input)
            return
        }
        // A filler may have been announced and not sent.
        guard socket.output.consumerValue().has(OutConsumer.fillerPending | OutConsumer.owed) else { return }
        var unread: Int32 = 0
        if Kernel.ioctl(fd, UInt(TIOCOUTQ), &unread) == 0, unread == 0 { _ = handle.domain.sendFiller(fd) }
        try? socket.output.fillerSent()
    }

    private static func place(
        of address: UnsafeMutableRawPointer
    ) -> (arena: ProcessState.ArenaRecord, port: UInt32)? {
        guard let region = ProcessState.region else { return nil }
        var index = 0
        while index < ProcessState.arenaCount(region) {
            let arena = ProcessState.arena(region, index)
            let offset = address - arena.base - Arena.statusOffset(port: 0)
            if offset >= 0, offset / StatusLine.size < Int(arena.ports) {
                return (arena, UInt32(offset / StatusLine.size))
            }
            index &+= 1
        }
        return nil
    }
}
