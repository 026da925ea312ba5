import CXenSockSystem

/// What is done to a placeholder in a process that locked itself in: with read, write and ppoll alone, none of which
/// takes a flag, so that each call asks ppoll first.
enum LockedIn {
    static func isReadable(_ placeholder: Int32) -> Bool {
        let events = xs_poll(placeholder, Int16(POLLIN), 0)
        return events > 0 && events & Int(POLLIN) != 0
    }

    /// Reads without waiting. Returns as recv(2) with MSG_DONTWAIT.
    static func read(_ placeholder: Int32, _ bytes: UnsafeMutableRawPointer, _ count: Int) -> Int {
        if xs_poll(placeholder, Int16(POLLIN), 0) == 0 { return -Int(EAGAIN) }
        return Kernel.read(placeholder, bytes, count)
    }

    /// Writes all or nothing, without waiting.
    static func write(_ placeholder: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
        let events = xs_poll(placeholder, Int16(POLLOUT), 0)
        // A write to what is hung up would raise SIGPIPE.
        guard events > 0, events & Int(POLLHUP | POLLERR) == 0 else { return false }
        return Kernel.write(placeholder, bytes, count) == count
    }

    /// As `FrontendDomain.awaitToken`; always restarted after a signal, since nothing may be asked about handlers.
    ///
    /// - Parameter limit: nanoseconds; negative: none.
    static func awaitToken(_ placeholder: Int32, limit: Int) -> Int {
        let end = limit < 0 ? 0 : Kernel.now() &+ limit
        while true {
            let left = limit < 0 ? -1 : max(end &- Kernel.now(), 0)
            let events = xs_wait_poll(placeholder, Int16(POLLIN), Int64(left))
            if events == 0 { return -Int(EAGAIN) }
            if events > 0 { return events & Int(POLLIN) != 0 && !isEnd(placeholder) ? 1 : 0 }
            if events != -Int(EINTR) { return events }
        }
    }

    /// Readable because the other end is gone. With a token in front of the end it is readable all the same.
    private static func isEnd(_ placeholder: Int32) -> Bool {
        xs_poll(placeholder, Int16(XS_POLLRDHUP), 0) > 0
    }
}
