import Glibc

/// The service manager's side of the daemon: sd_notify(3) and sd_listen_fds(3), by their documented protocols.
enum ServiceManager {
    /// Tells the manager a state (`READY=1`, `STOPPING=1`, …). Does nothing without NOTIFY_SOCKET.
    static func notify(_ state: String) {
        guard let path = environment("NOTIFY_SOCKET"), var address = UnixAddress(path, isAbstractAllowed: true) else {
            return
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | closeOnExec, 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(state.utf8)
        _ = address.withPointer { sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, $1) }
    }

    /// That the configuration is read anew; followed by `READY=1`.
    static func notifyReloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        notify("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
    }

    /// The listening socket that the manager made, nil if it made none. Taken once.
    ///
    /// - Throws: ``DaemonError`` if what it handed over is not one listening SOCK_SEQPACKET Unix socket.
    static func takeListener(name: String) throws(DaemonError) -> Int32? {
        guard environment("LISTEN_PID") == String(getpid()), let count = environment("LISTEN_FDS") else { return nil }
        unsetenv("LISTEN_PID")
        unsetenv("LISTEN_FDS")
        unsetenv("LISTEN_FDNAMES")
        guard count == "1" else {
            throw DaemonError(
                "the service manager hands over \(count) sockets, but \(name) takes one; "
                    + "write one ListenSequentialPacket= in the socket unit")
        }
        let descriptor: Int32 = 3
        guard option(descriptor, SO_DOMAIN) == AF_UNIX, option(descriptor, SO_TYPE) == Int32(SOCK_SEQPACKET.rawValue),
            option(descriptor, SO_ACCEPTCONN) == 1
        else {
            throw DaemonError(
                "the service manager's socket is no listening SOCK_SEQPACKET Unix socket; "
                    + "write ListenSequentialPacket=/run/xensock/xensock.sock in the socket unit")
        }
        Process.isolate(descriptor)
        return descriptor
    }

    private static func option(_ descriptor: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(4)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }
}
