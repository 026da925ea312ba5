import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Readiness. The kernel does it all on the placeholders; here is what a socket pair cannot show.
extension Frontend {
    /// Completes what poll(2) reported for sockets of ours: ERR and HUP of a failed connect, HUP of a socket that was
    /// never connected.
    ///
    /// - Returns: the number of entries with events.
    public static func pollFixup(_ entries: UnsafeMutablePointer<pollfd>, _ count: Int) -> Int {
        var ready = 0
        var index = 0
        while index < count {
            if let handle = find(entries[index].fd) {
                if handle.isDatagram {
                    let (events, asked) = (entries[index].revents, entries[index].events)
                    entries[index].revents = handle.datagram.polled(events, asked: asked)
                } else {
                    entries[index].revents |= missing(handle, entries[index].events)
                }
            }
            if entries[index].revents != 0 { ready &+= 1 }
            index &+= 1
        }
        return ready
    }

    /// The events that TCP reports always and the placeholder does not.
    static func missing(_ handle: SocketHandle, _ asked: Int16) -> Int16 {
        if handle.isDatagram { return handle.datagram.polled(0, asked: asked) }
        let flags = handle.status.flags
        switch handle.status.state {
        case .open:
            return Int16(POLLHUP)
        case .failedConnect, .reset:
            let error = handle.status.error != 0 ? Int16(POLLERR) : 0
            return Int16(POLLHUP) | error | asked & Int16(POLLIN | POLLOUT | Int32(XS_POLLRDHUP))
        case .connected where flags & StatusLine.Flag.relayed != 0:
            return 0
        case .connected where asked & Int16(XS_POLLRDHUP) != 0 || flags & StatusLine.Flag.writeShut != 0:
            // The placeholder shows the end itself only where somebody waits for that alone (`wantEnd`).
            guard handle.socket.input.producerValue().has(InProducer.endOfFile) else { return 0 }
            let hangup = flags & StatusLine.Flag.writeShut != 0 ? Int16(POLLHUP) : 0
            return hangup | asked & Int16(POLLIN | Int32(XS_POLLRDHUP))
        default:
            return 0
        }
    }

    /// Whether poll(2) would find an event on an entry at once that the kernel does not see.
    public static func pollHasUnseen(_ entries: UnsafePointer<pollfd>, _ count: Int) -> Bool {
        var index = 0
        while index < count {
            if let handle = find(entries[index].fd) {
                if missing(handle, entries[index].events) != 0 { return true }
                // A token makes readable: who does not ask for that has only the end of the placeholder itself.
                if entries[index].events & Int16(POLLIN | POLLRDNORM) == 0 { wantEnd(handle) }
            }
            index &+= 1
        }
        return false
    }

    /// Whether epoll_wait(2) on the set `epoll` would find an event at once that the kernel does not see.
    @inline(__always)
    public static func epollHasUnseen(_ epoll: Int32) -> Bool { Watches.hasUnseen && Watches.isUnseen(epoll) }

    /// Completes what epoll_wait(2) on the set `epoll` returned, as `pollFixup` does.
    ///
    /// - Returns: the number of events, at most `capacity`.
    @inline(__always)
    public static func epollFixup(
        _ epoll: Int32, _ events: UnsafeMutablePointer<epoll_event>, _ count: Int32, capacity: Int32
    ) -> Int32 {
        if xs_get_process_state().pointee.watches == 0 { return count }
        var index = 0
        while index < Int(count) {
            Watches.complete(epoll, events + index)
            index &+= 1
        }
        return Watches.hasUnseen ? Watches.addUnseen(epoll, events, count, capacity: capacity) : count
    }

    /// Before the kernel's epoll_ctl(2): a socket that is watched for edges gets a token for every arrival.
    ///
    /// - Returns: 0: the kernel's call decides.
    public static func epollControl(
        epoll: Int32, operation: Int32, fd: Int32, event: UnsafeMutablePointer<epoll_event>?
    ) -> Int {
        guard let handle = find(fd) else { return 0 }
        let isEnd = operation == Int32(EPOLL_CTL_DEL)
        if let event, !UserMemory.isReadable(event), !isEnd { return -Int(EFAULT) }
        Watches.note(set: epoll, fd: fd, isEnd ? nil : event)
        guard let event, !isEnd else { return 0 }
        if !handle.isDatagram { Watches.look(at: fd, handle.status, events: event.pointee.events) }
        wantEnd(handle)
        let edges: UInt32 = 1 << 31
        if event.pointee.events & edges != 0 { handle.status.set(StatusLine.Flag.edgeTriggered, true) }
        return 0
    }

    /// Has the end of the stream shown by the placeholder too, since somebody waits in a way that nothing else wakes.
    private static func wantEnd(_ handle: SocketHandle) {
        let status = handle.status
        if handle.isV1 || status.has(StatusLine.Flag.endWanted) { return }
        status.set(StatusLine.Flag.endWanted, true)
        // The service looks at the flag after it has set EOF, so one of both sees the other.
        guard case .connected = status.state, !status.has(StatusLine.Flag.relayed),
            handle.socket.input.producerValue().has(InProducer.endOfFile)
        else { return }
        handle.domain.notify(handle.entry.port)
        _ = xs_poll(handle.fd, Int16(XS_POLLRDHUP), 100_000_000)
    }
}
