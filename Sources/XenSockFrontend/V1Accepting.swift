import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// accept(2) in `draft1` and `pvcalls1`. A listener has exactly one of these at any time: a POLL in flight, an answered
/// one that nobody has used (ARRIVALS beyond ACCEPTED in the status line), a lost one, or a process that holds its
/// receive lock and takes a connection. So an ACCEPT is sent only when one waits, and is answered at once.
extension Frontend {
    static func v1Accept(
        _ handle: SocketHandle, _ address: UnsafeMutableRawPointer?, _ length: UnsafeMutablePointer<socklen_t>?,
        flags: Int32
    ) -> Int {
        let socket = handle.v1
        let known = V1Commands.know(handle)
        if known < 0 { return silence(handle) }
        while true {
            let mask = Kernel.blockSignals()
            let held = handle.status.receiveLock.acquire(socket.plain.tag, mask: mask)
            let result = takeArrival(handle, socket, flags)
            handle.status.receiveLock.release(held)
            Kernel.restoreSignals(mask)
            if result >= 0 {
                handle.status.misses.store(0)
                inherit(Int32(truncatingIfNeeded: result), from: handle)
                // No answer of these dialects carries an address.
                if address != nil {
                    let error = deliver(.ipv4(0, port: 0), address, length)
                    if error != 0 {
                        _ = close(Int32(truncatingIfNeeded: result))
                        return error
                    }
                }
            }
            if result == -Int(ENETDOWN), isServed() { return silence(handle) }
            if result != -Int(EAGAIN) { return result }
            let error = handle.status.takeError()
            if error != 0 { return -error }
            if handle.status.isNonBlocking {
                return handle.status.misses.exchange(1) != 0 && socket.plain.domain.isHungUp(handle.fd)
                    ? silence(handle) : -Int(EAGAIN)
            }
            let waited = socket.plain.domain.awaitToken(handle.fd)
            if waited == 0 { return silence(handle) }
            if waited < 0, waited != -Int(ENOTSOCK) { return waited }
            if waited == -Int(ENOTSOCK) {
                // Silenced: nothing will ever arrive.
                let interrupted = socket.plain.domain.awaitWritable(handle.fd, nanoseconds: -1)
                if interrupted < 0 { return interrupted }
            }
        }
    }

    /// One connection, or -EAGAIN with no token standing; -EIO if the words do not come to rest. The receive lock is held,
    /// signals are blocked.
    private static func takeArrival(_ handle: SocketHandle, _ socket: V1StreamSocket<LocalDomain>, _ flags: Int32)
        -> Int
    {
        let word = socket.inReadiness
        let arrivals = handle.status.word(StatusLine.arrivals)
        let accepted = handle.status.word(StatusLine.accepted)
        var fruitless = 0
        while fruitless < StreamSocket<LocalDomain>.fruitlessLimit {
            fruitless &+= 1
            let value = word.load()
            if value & ReadinessFlag.unsettled != 0 {
                socket.settleTokens()
                continue
            }
            if value & ReadinessFlag.pollLost != 0 {
                guard word.compareExchange(value, value & ~ReadinessFlag.pollLost) else { continue }
                if !poll(handle, word) { return -Int(EAGAIN) }
                continue
            }
            let arrived = arrivals.loadOrdered()
            if arrived != accepted.loadOrdered() {
                accepted.storeOrdered(arrived)
                let result = take(handle, socket.dialect, flags)
                // Behind the fence it is known whether another waits: the next accept(2) and poll(2) are to see that.
                if poll(handle, word), V1Commands.fence() == 0 { hush(socket, arrivals, accepted) }
                return result
            }
            if value & ReadinessFlag.tokens == 0 { return -Int(EAGAIN) }
            if socket.disarm(value, &fruitless),
                arrivals.loadOrdered() != arrived || word.load() & ReadinessFlag.pollLost != 0
            {
                // Announced behind the first look, with the token that was cleared standing: the backend must look.
                socket.plain.notify()
            }
        }
        return -Int(EIO)
    }

    /// Clears the tokens if no arrival is left.
    private static func hush(
        _ socket: V1StreamSocket<LocalDomain>, _ arrivals: SharedWord32, _ accepted: SharedWord32
    ) {
        let word = socket.inReadiness
        func isQuiet() -> Bool {
            arrivals.loadOrdered() == accepted.loadOrdered()
                && word.load() & (ReadinessFlag.pollLost | ReadinessFlag.unsettled) == 0
        }
        var tries = 0
        while tries < StreamSocket<LocalDomain>.fruitlessLimit, isQuiet() {
            tries &+= 1
            let value = word.load()
            if value & ReadinessFlag.tokens == 0 { return }
            if socket.disarm(value, &tries) {
                if !isQuiet() { socket.plain.notify() }
                return
            }
        }
    }

    /// Sends the next POLL. With no slot for it the listener polls readable until an accept(2) finds one.
    private static func poll(_ handle: SocketHandle, _ word: InReadiness) -> Bool {
        if V1Commands.post(.poll(id: handle.entry.id), kind: V1Commands.Kind.poll) == 0 { return true }
        var tries = 0
        while tries < StreamSocket<LocalDomain>.fruitlessLimit {
            tries &+= 1
            let value = word.load()
            if word.compareExchange(value, value | ReadinessFlag.pollLost) { break }
        }
        return false
    }

    private static func take(_ listener: SocketHandle, _ dialect: Dialect, _ flags: Int32) -> Int {
        Birth.open(flags: flags) { state, mask, port, id in
            guard let base = state.pointee.base else {
                return Response(requestID: 0, command: 0, ret: -ENETDOWN, id: id)
            }
            let ring = grantRing(base, port, state.pointee.ports, dialect)
            return Commands.exchangeBlocked(
                state, mask,
                .accept(id: listener.entry.id, newID: id, ring: ring, eventChannel: EventChannelPort(port)))
        }
    }
}
