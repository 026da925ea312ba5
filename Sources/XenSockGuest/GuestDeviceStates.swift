import XenSockWire
import XenSockXen

/// XenBus's state machine, the frontend's side (docs/PROTOCOL.md, 5.2).
extension GuestDevice {
    func step(_ other: XenBusState) throws(XenError) {
        switch phase {
        case .absent: break
        case .waiting(let start):
            switch other {
            case .initWait: try offer()
            case .closing: reset("the backend closes")
            case .closed:
                // It has not seen our state yet; or it has, and failed: ask again now and then.
                let now = monotonicTime()
                if now &- start >= Self.second {
                    write(.initialising)
                    phase = .waiting(since: now)
                }
                poller.alarm(after: 2 * Self.second)
            default: break
            }
        case .offered(let connection):
            switch other {
            case .connected: establish(connection)
            case .closing, .closed:
                connection.finish()
                reset("the backend refuses: \(backendError)")
            default: break
            }
        case .connected:
            if other != .connected { reset(other == .unknown ? "the backend is gone" : "the backend closes") }
        case .closing(let end):
            if other == .closing || other == .closed || monotonicTime() >= end {
                write(.closed)
                let now = monotonicTime()
                phase = .closed(since: now, until: now &+ pause())
                try step(other)
            } else {
                poller.alarm(after: end &- monotonicTime())
            }
        case .closed(let start, let end):
            let now = monotonicTime()
            if now < end { return poller.alarm(after: end &- now) }
            switch other {
            case .closed: try returnIfOnline()
            // Either it is about to see that this side closed, or it has begun anew without seeing it.
            case .initWait where now &- start >= Self.second: try returnIfOnline()
            case .initWait: poller.alarm(after: Self.second)
            default: break
            }
        }
    }

    var backendError: String {
        guard let store = handles?.store, let text = try? store.read("\(backendDirectory)/\(Node.error)") else {
            return "no error in \(backendDirectory)"
        }
        return text
    }

    func returnIfOnline() throws(XenError) {
        guard let store = handles?.store else { return }
        guard try store.read("\(backendDirectory)/\(Node.online)") != "0" else { return }
        write(.initialising)
        phase = .waiting(since: monotonicTime())
        try step(try backendState())
    }

    /// Leaves whatever there was for Closed.
    func reset(_ reason: String) {
        log.warning("the device closes: \(reason)")
        endConnection()
        write(.closed)
        let now = monotonicTime()
        // One that closes as soon as it connects is not asked again at once.
        let isStable = connectedAt > 0 && now &- connectedAt >= Self.second
        if isStable { failures = 0 }
        phase = .closed(since: now, until: isStable ? 0 : now &+ pause())
        connectedAt = 0
        // What the backend wrote meanwhile has an event of its own.
        poller.alarm(after: 0)
    }

    func endConnection() {
        let ended = connection
        connection = nil
        if case .offered(let offered) = phase { offered.finish() }
        ended?.finish()
    }

    /// A step of this side failed (5.2, rule 7).
    func refuse(_ reason: String) {
        if reason != lastError { log.error("cannot connect: \(reason)") }
        lastError = reason
        report(reason)
        write(.closing)
        phase = .closing(until: monotonicTime() &+ Self.patience)
        poller.alarm(after: 0)
    }

    /// Ends the connection and makes another: the command ring is of no more use.
    public func reconnect(_ reason: String) {
        guard connection != nil else { return }
        log.warning("the device connects anew: \(reason)")
        close(because: reason)
    }

    func violated(_ reason: String) {
        log.error("the backend broke the protocol: \(reason)")
        close(because: reason)
    }

    func close(because reason: String) {
        report(reason)
        endConnection()
        write(.closing)
        phase = .closing(until: monotonicTime() &+ Self.patience)
        poller.alarm(after: 0)
    }
}
