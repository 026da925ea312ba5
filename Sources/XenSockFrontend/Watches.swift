import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// What epoll sets of this process watch sockets of ours for, one watch a descriptor, the last one made: so that
/// epoll_wait(2) can add what the placeholder cannot show (ERR, and HUP of a socket that is not connected). Inherited
/// over fork(2), as the sets are. Hints only: a stale one adds nothing that is not true of its socket.
enum Watches {
    struct Watch {
        /// The set's descriptor + 1; 0: none.
        var set: Int32
        var events: UInt32
        var data: UInt64
    }

    private static let size = Int(ProcessState.descriptorLimit) * MemoryLayout<Watch>.stride

    @inline(__always)
    static var table: UnsafeMutablePointer<Watch>? {
        UnsafeMutableRawPointer(bitPattern: UInt(SharedWord64(&xs_get_process_state().pointee.watches).load()))?
            .assumingMemoryBound(to: Watch.self)
    }

    /// The kernel is about to be asked for a watch; `event` nil: to end it.
    static func note(set: Int32, fd: Int32, _ event: UnsafeMutablePointer<epoll_event>?) {
        guard UInt32(bitPattern: fd) < ProcessState.descriptorLimit, !Session.isBorrowed else { return }
        if table == nil, event != nil, let mapped = Kernel.mapAnonymous(size) {
            let root = SharedWord64(&xs_get_process_state().pointee.watches)
            if !root.compareExchange(0, UInt64(UInt(bitPattern: mapped))) { Kernel.unmap(mapped, size) }
        }
        guard let table else { return }
        if let event {
            table[Int(fd)] = Watch(set: set &+ 1, events: event.pointee.events, data: event.pointee.data.u64)
        } else if table[Int(fd)].set == set &+ 1 {
            table[Int(fd)].set = 0
        }
    }

    /// Ends the watch of a descriptor that is about to become another object.
    ///
    /// - Returns: what is to be watched again; nil if the kernel watches it in no set known here.
    static func take(_ fd: Int32) -> (set: Int32, event: epoll_event)? {
        guard UInt32(bitPattern: fd) < ProcessState.descriptorLimit, let table, table[Int(fd)].set > 0 else {
            return nil
        }
        let watch = table[Int(fd)]
        var event = epoll_event()
        event.events = watch.events
        event.data.u64 = watch.data
        let set = watch.set &- 1
        return control(set, Int32(EPOLL_CTL_DEL), fd, &event) == 0 ? (set, event) : nil
    }

    /// The kernel's epoll_ctl(2).
    static func control(
        _ set: Int32, _ operation: Int32, _ fd: Int32, _ event: UnsafeMutablePointer<epoll_event>
    ) -> Int {
        Kernel.call(Int(SYS_epoll_ctl), Int(set), Int(operation), Int(fd), Int(bitPattern: event))
    }

    /// Adds to one event of epoll_wait(2) on `set` what its socket's state calls for.
    @inline(__always)
    static func complete(_ set: Int32, _ event: UnsafeMutablePointer<epoll_event>) {
        guard let table else { return }
        let data = event.pointee.data.u64
        // Most programs have the descriptor itself there.
        let guess = UInt32(truncatingIfNeeded: data)
        if guess < ProcessState.descriptorLimit, table[Int(guess)].set == set &+ 1, table[Int(guess)].data == data {
            return complete(Int32(guess), table[Int(guess)].events, event)
        }
        // Others are looked for when the event may be a failure's.
        let both = UInt32(EPOLLIN.rawValue | EPOLLOUT.rawValue)
        if event.pointee.events & UInt32(EPOLLHUP.rawValue) != 0 || event.pointee.events & both == both {
            search(table, set, data, event)
        }
    }

    @inline(never)
    private static func search(
        _ table: UnsafeMutablePointer<Watch>, _ set: Int32, _ data: UInt64, _ event: UnsafeMutablePointer<epoll_event>
    ) {
        guard let region = ProcessState.region else { return }
        var fd = 0
        while fd <= Int(ProcessState.highest(region)) {
            if table[fd].set == set &+ 1, table[fd].data == data {
                return complete(Int32(fd), table[fd].events, event)
            }
            fd &+= 1
        }
    }

    private static func complete(_ fd: Int32, _ wanted: UInt32, _ event: UnsafeMutablePointer<epoll_event>) {
        guard let handle = Descriptors.find(fd) else { return }
        let missing = Frontend.missing(handle, Int16(truncatingIfNeeded: wanted & 0x3fff))
        event.pointee.events |= UInt32(UInt16(bitPattern: missing))
    }
}
