/// Sockets that the network lost and made again.
extension Service {
    /// The network has made a socket again, at the same descriptor: what is watched there is another, with nothing to
    /// read, room to write, and perhaps a connection that waits.
    ///
    /// - Returns: false if it cannot be watched.
    public func networkRenewed(_ descriptor: Int32) -> Bool {
        for socket in Array(cookies.values) + draining where socket.network == descriptor {
            let result = socket.networkRenewed()
            settle(socket)
            return result == 0
        }
        for local in Array(v1Cookies.values) + drainingV1 where local.socket.network == descriptor {
            let result = local.socket.networkRenewed()
            settle(local)
            return result == 0
        }
        return true
    }
}

extension BackendSocket {
    /// - Returns: 0 or a negative errno.
    func networkRenewed() -> Int32 {
        guard isWatched else { return 0 }
        isWatched = false
        (readable, writable) = (true, true)
        wantsTurn = true
        datagrams?.watchesRoom = false
        return watchNetwork(EpollEvents.input)
    }
}

extension V1Socket {
    /// - Returns: 0 or a negative errno.
    func networkRenewed() -> Int32 {
        guard isWatched else { return 0 }
        isWatched = false
        return watchNetwork(EpollEvents.input)
    }
}
