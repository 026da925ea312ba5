import CXenSockSystem
import XenSockPlatform
import XenSockWire

/// HUP of sockets that are not connected, in epoll sets that watch them for input alone: the kernel sees nothing of
/// them, because a placeholder without a connection is just quiet. Whoever has made such a watch looks before each wait.
extension Watches {
    /// Set in a watch's events: its edge was told.
    private static let told: UInt32 = 1 << 24
    private static let exclusive: UInt32 = 1 << 28
    private static let once: UInt32 = 1 << 30
    private static let edges: UInt32 = 1 << 31

    /// Whether the process has, or had a moment ago, a watch that only `addUnseen` completes.
    @inline(__always)
    static var hasUnseen: Bool { xs_get_process_state().pointee.unseen_watches != 0 }

    /// A watch was made, or what it watches is no longer connecting.
    static func look(at fd: Int32, _ status: SocketStatus, events: UInt32) {
        guard events & UInt32(EPOLLOUT.rawValue) == 0, case .open = status.state else { return }
        xs_get_process_state().pointee.unseen_watches = 1
    }

    /// A socket is no longer connected to anything, and may be watched.
    static func lookAgain() {
        if xs_get_process_state().pointee.watches != 0 { xs_get_process_state().pointee.unseen_watches = 1 }
    }

    /// Whether a wait on `set` would return at once for what the kernel does not see.
    @inline(never)
    static func isUnseen(_ set: Int32) -> Bool { visit(set) { _, _ in true } }

    /// Adds such events behind the first `count` of `events`, which has room for `capacity`.
    ///
    /// - Returns: how many there are then.
    @inline(never)
    static func addUnseen(
        _ set: Int32, _ events: UnsafeMutablePointer<epoll_event>, _ count: Int32, capacity: Int32
    ) -> Int32 {
        var count = count
        _ = visit(set) { fd, watch in
            if count >= capacity { return true }
            for index in 0..<Int(count) where events[index].data.u64 == watch.pointee.data { return false }
            events[Int(count)].events = UInt32(EPOLLHUP.rawValue)
            events[Int(count)].data.u64 = watch.pointee.data
            count &+= 1
            if watch.pointee.events & (edges | once) != 0 { watch.pointee.events |= told }
            if watch.pointee.events & once != 0 { disarm(set, fd, watch.pointee.data) }
            return false
        }
        return count
    }

    /// As the kernel does with EPOLLONESHOT.
    private static func disarm(_ set: Int32, _ fd: Int32, _ data: UInt64) { _ = modify(set, fd, once, data) }

    /// Whether the kernel still has the watch: it forgets those of descriptors that were closed. To ask costs nothing
    /// else, since it sees no event of such a socket.
    private static func isStanding(_ set: Int32, _ fd: Int32, _ watch: UnsafeMutablePointer<Watch>) -> Bool {
        let result = modify(set, fd, watch.pointee.events, watch.pointee.data)
        // One that is exclusive cannot be changed.
        if result == 0 || result == -Int(EINVAL) && watch.pointee.events & exclusive != 0 { return true }
        watch.pointee.set = 0
        return false
    }

    private static func modify(_ set: Int32, _ fd: Int32, _ events: UInt32, _ data: UInt64) -> Int {
        var event = epoll_event()
        event.events = events
        event.data.u64 = data
        return withUnsafeMutablePointer(to: &event) {
            Kernel.call(Int(SYS_epoll_ctl), Int(set), Int(EPOLL_CTL_MOD), Int(fd), Int(bitPattern: $0))
        }
    }

    /// Calls `body` for each watch of `set` that is due, until that returns true; says whether it did.
    private static func visit(_ set: Int32, _ body: (Int32, UnsafeMutablePointer<Watch>) -> Bool) -> Bool {
        guard let table, let region = ProcessState.region else { return false }
        var isAny = false
        var fd = 0
        while fd <= Int(ProcessState.highest(region)) {
            defer { fd &+= 1 }
            let watch = table + fd
            guard watch.pointee.set != 0, watch.pointee.events & (UInt32(EPOLLOUT.rawValue) | told) == 0,
                let handle = Descriptors.find(Int32(fd)), !handle.isDatagram
            else { continue }
            // One that connects may fail, and is due then.
            if case .connecting = handle.status.state { isAny = true }
            guard case .open = handle.status.state else { continue }
            isAny = true
            guard watch.pointee.set == set &+ 1, isStanding(set, Int32(fd), watch) else { continue }
            if body(Int32(fd), watch) { return true }
        }
        if !isAny { xs_get_process_state().pointee.unseen_watches = 0 }
        return false
    }
}
