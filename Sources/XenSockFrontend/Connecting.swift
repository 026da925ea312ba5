import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// connect(2) and accept(2).
extension Frontend {
    /// Bit of the status line's flags: a connect's outcome was not reported by connect(2) itself yet.
    static var connectUnreported: UInt32 { 64 }

    /// connect(2).
    public static func connect(_ handle: SocketHandle, _ address: UnsafeRawPointer?, _ length: UInt32) -> Int {
        let address = programAddress(address, length)
        guard let address = address.value else { return address.error }
        let result = handle.isUnix ? connectUnix(handle, to: address) : connect(handle, to: address)
        if result == 0, handle.isRelayed { LocalDomain.widen(handle.fd) }
        return result
    }

    static func connect(_ handle: SocketHandle, to address: SocketAddress) -> Int {
        if handle.isV1 { return v1Connect(handle, to: address) }
        if handle.isDatagram { return datagramConnect(handle, to: address) }
        let status = handle.status
        let socket = handle.socket
        if address.length >= 2, address.family == SocketAddress.unspecified {
            // Dissolves the association: the backend says how that went, there is nothing to wait for.
            status.set(connectUnreported, false)
            return Int(command(handle, connectRequest(handle, address)).ret)
        }
        let blocking = !status.isNonBlocking
        // What a forked child waits for here is not to be waited for with signals blocked.
        _ = Session.opened()
        // A handler that connects the same socket does so before this or behind it.
        let mask = Kernel.blockSignals()
        var isAnothers = false
        if case .connecting = status.state { isAnothers = true }
        let result = begin(handle, mask, to: address, blocking: blocking)
        Kernel.restoreSignals(mask)
        if let result { return result }
        let waited = reported(handle, socket.awaitConnect())
        return waited == -Int(EINPROGRESS) && isAnothers ? -Int(EALREADY) : waited
    }

    /// connect(2) of a stream socket, as far as the service's answer, with signals blocked.
    ///
    /// - Parameter mask: the program's signal mask.
    /// - Returns: the call's result; nil if the outcome is to be waited for.
    private static func begin(
        _ handle: SocketHandle, _ mask: UInt64, to address: SocketAddress, blocking: Bool
    ) -> Int? {
        let status = handle.status
        let socket = handle.socket
        switch status.state {
        case .connecting:
            return blocking ? nil : -Int(EALREADY)
        case .connected:
            if !status.has(connectUnreported) { return -Int(EISCONN) }
            status.set(connectUnreported, false)
            return 0
        case .failedConnect where status.has(connectUnreported):
            status.set(connectUnreported, false)
            let error = status.takeError()
            socket.forgetFailure()
            return error != 0 ? -error : -Int(ECONNABORTED)
        case .listening, .reset:
            return -Int(EISCONN)
        case .open, .failedConnect, .free:
            break
        }
        relayIfStandard(handle, as: handle.fd, mask: mask)
        socket.prepareConnect(mask)
        status.set(StatusLine.Flag.failureReported, false)
        prepareRing(handle)
        let response = command(handle, connectRequest(handle, address), mask: mask)
        if response.ret == 0, blocking || handle.isUnix { return 0 }
        if response.ret != 0, response.ret != -EINPROGRESS { return Int(response.ret) }
        if !blocking {
            // Also when it is decided already: so TCP does, and OUT and SO_ERROR tell.
            status.set(connectUnreported, true)
            if response.ret != 0 { _ = socket.obstructUntilDecided(mask) }
            return -Int(EINPROGRESS)
        }
        return nil
    }

    private static func connectRequest(_ handle: SocketHandle, _ address: SocketAddress) -> Request {
        .connect(
            id: handle.entry.id, address: address, flags: 0, ring: .indexesPage(handle.indexesReference),
            eventChannel: EventChannelPort(handle.entry.port))
    }

    /// An interrupted connect(2) goes on; the next one tells.
    static func reported(_ status: SocketStatus, _ result: Int) -> Int {
        status.set(connectUnreported, result == -Int(EINTR) || result == -Int(EINPROGRESS))
        return result
    }

    private static func reported(_ handle: SocketHandle, _ result: Int) -> Int {
        let result = reported(handle.status, result)
        if result < 0, !handle.status.has(connectUnreported) { handle.socket.forgetFailure() }
        return result
    }

    /// The order of a new data ring: 2^8 pages, 512 KiB each way.
    static var ringOrder: UInt32 { 8 }

    private static func prepareRing(_ handle: SocketHandle) {
        prepareRing(
            base: handle.arena.base, ports: handle.arena.ports, port: handle.entry.port,
            isGranted: handle.arena.isGranted != 0, order: ringOrder)
    }

    /// accept(2), accept4(2).
    ///
    /// - Parameter flags: SOCK_CLOEXEC and SOCK_NONBLOCK for the new descriptor.
    public static func accept(
        _ handle: SocketHandle, _ address: UnsafeMutableRawPointer?, _ length: UnsafeMutablePointer<socklen_t>?,
        flags: Int32
    ) -> Int {
        if flags & ~Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue) != 0 { return -Int(EINVAL) }
        guard case .listening = handle.status.state else { return handle.isDatagram ? -Int(EOPNOTSUPP) : -Int(EINVAL) }
        if handle.isV1 { return v1Accept(handle, address, length, flags: flags) }
        var socket = handle.socket
        // If it was closed meanwhile, the port is free when this returns.
        defer { if socket.endHold() { Descriptors.released(handle) } }
        var isAttached = false
        // Arrivals that no connection follows, and waits that bring none: see `StreamSocket.receive`.
        var fruitless = 0
        var wakes = VainWakes()
        while true {
            if fruitless >= StreamSocket<LocalDomain>.fruitlessLimit { return -Int(EIO) }
            fruitless &+= 1
            let arrival = socket.input.producerValue()
            if arrival.has(InProducer.unsettled) {
                socket.settleArrivals()
                continue
            }
            if arrival.has(InProducer.endOfFile) { return -Int(EINVAL) }
            if arrival.tokens > 0 {
                let result = take(handle, socket, address, length, flags)
                if result == -Int(EBADF), !isAttached, attach(handle) {
                    // A listener that was inherited. The port went with the refused request; the next try takes another.
                    isAttached = true
                } else if result == -Int(ENETDOWN), isServed() {
                    return silence(handle)
                } else if result != -Int(EAGAIN) {
                    return result
                }
                continue
            }
            let error = handle.status.takeError()
            if error != 0 { return -error }
            if handle.status.isNonBlocking {
                return socket.isAbandoned() ? silence(handle) : -Int(EAGAIN)
            }
            // Not without the lock: whoever closes the descriptor waits for that.
            let lock = handle.status.receiveLock
            var held = lock.acquire(socket.tag, placeholder: socket.placeholder)
            let isGone = socket.isGone
            if !isGone { socket.hold() }
            lock.release(held)
            if isGone { return -Int(EBADF) }
            let result = socket.domain.awaitToken(socket.placeholder)
            held = lock.acquire(socket.tag, placeholder: socket.placeholder)
            let isMoved = socket.settleHold()
            lock.release(held)
            if socket.isGone { return -Int(EBADF) }
            if socket.mustWaitAgain(isMoved, result) { continue }
            if result > 0 {
                let interrupted = wakes.add()
                if interrupted < 0 { return interrupted }
                fruitless = 0
                socket.countLateArrivals()
                continue
            }
            // A reset, if what obstructs the placeholder was still unread.
            if result == 0 || result == -Int(ECONNRESET) {
                if socket.input.producerValue().has(InProducer.endOfFile) { continue }
                // Closed meanwhile, the number is somebody else's.
                return socket.placeholder == handle.fd ? silence(handle) : -Int(ENETDOWN)
            }
            if result != -Int(ENOTSOCK) { return result }
            // Silenced: nothing will ever arrive.
            let interrupted = socket.domain.awaitWritable(socket.placeholder, nanoseconds: -1)
            if interrupted < 0 { return interrupted }
        }
    }

    /// Whether the service is there: its ENETDOWN means that what is behind it is gone, and with that the listener.
    static func isServed() -> Bool { Session.state.map { Session.life($0) != nil } ?? false }

    /// The service is gone, and with it the listener; its placeholder would report that for ever, and most programs ask
    /// again for ever. So the error comes once, and the descriptor becomes one that reports nothing.
    static func silence(_ handle: SocketHandle) -> Int {
        let closeOnExec = Kernel.fileControl(handle.fd, Int32(F_GETFD), 0) > 0 ? Int32(O_CLOEXEC) : 0
        // An epoll instance that watches nothing polls neither readable nor writable nor hung up.
        let quiet = Kernel.call(Int(SYS_epoll_create1), Int(O_CLOEXEC))
        if quiet >= 0 {
            _ = Kernel.call(Int(SYS_dup3), quiet, Int(handle.fd), Int(closeOnExec))
            _ = Kernel.close(Int32(quiet))
        }
        return -Int(ENETDOWN)
    }

    /// Asks for a connection that a token announces.
    ///
    /// - Returns: its descriptor; -EAGAIN if another process was faster; -EBADF if the session does not know the listener.
    private static func take(
        _ listener: SocketHandle, _ socket: StreamSocket<LocalDomain>, _ address: UnsafeMutableRawPointer?,
        _ length: UnsafeMutablePointer<socklen_t>?, _ flags: Int32
    ) -> Int {
        var peer = SocketAddress()
        let result = Birth.open(flags: flags) { state, mask, port, id in
            guard let base = state.pointee.base else {
                return Response(requestID: 0, command: 0, ret: -ENETDOWN, id: id)
            }
            prepareRing(
                base: base, ports: state.pointee.ports, port: port, isGranted: state.pointee.isGranted != 0,
                order: ringOrder)
            let response = Commands.exchangeBlocked(
                state, mask,
                .accept(
                    id: listener.entry.id, newID: id, ring: .indexesPage(Session.indexesReference(state, port)),
                    eventChannel: EventChannelPort(port)))
            if case .accepted(let name, let empty, let arrivals) = response.payload {
                if empty { socket.clearArrivals(arrivals, mask) }
                peer = name
                // As one that cannot be decoded; the connection is lost.
                if response.ret == 0, !listener.status.mayName(name) {
                    return Response(requestID: 0, command: 0, ret: -EIO, id: id)
                }
            }
            return response
        }
        if result >= 0 {
            socket.status.misses.store(0)
            inherit(Int32(truncatingIfNeeded: result), from: listener)
        }
        if result >= 0, result <= 2, let handle = find(Int32(result)) { relayIfStandard(handle, as: handle.fd) }
        if result >= 0, let handle = find(Int32(result)), let names = KnownNames(handle) {
            names.store(peer, peer: true, now: names.now)
        }
        if result >= 0 { return delivered(Int32(result), of: listener, peer, address, length) }
        return result
    }
}

extension Frontend {
    /// Finishes an accept: what the connection inherits, and the peer's address. If that cannot be stored the
    /// connection is lost, as in the kernel.
    private static func delivered(
        _ fd: Int32, of listener: SocketHandle, _ peer: SocketAddress, _ address: UnsafeMutableRawPointer?,
        _ length: UnsafeMutablePointer<socklen_t>?
    ) -> Int {
        let (lowWater, linger) = (listener.status.lowWater, listener.status.linger.load())
        let isInline = listener.status.has(StatusLine.Flag.urgentInline)
        if lowWater > 1 || linger > 0 || isInline, let new = find(fd) {
            new.status.set(StatusLine.Flag.urgentInline, isInline)
            new.status.setLowWater(lowWater)
            new.status.linger.store(linger)
        }
        guard address != nil else { return Int(fd) }
        let error = deliver(peer, address, length)
        if error == 0 { return Int(fd) }
        _ = close(fd)
        return error
    }
}

extension StreamSocket {
    /// Makes the socket ready for another connect after one that failed: no token, all words zero but for a filler
    /// that the backend still owes.
    ///
    /// - Parameter mask: the program's signal mask, if the caller has blocked signals.
    func prepareConnect(_ mask: UInt64 = Kernel.unblocked) {
        let ring = input
        let lock = status.receiveLock
        let held = lock.acquire(tag, placeholder: placeholder, mask: mask)
        defer { lock.release(held) }
        if isGone { return }
        let value = ring.producerValue()
        if value.tokens > 0, ring.disarm(value) { eat(value.tokens) }
        KnownNames.forget(indexes)
        IndexWord(indexes + InProducer.offset).store(.init(rawValue: 0))
        IndexWord(indexes + InConsumer.offset).store(.init(rawValue: 0))
        IndexWord(indexes + OutProducer.offset).store(.init(rawValue: 0))
        let consumer = IndexWord(indexes + OutConsumer.offset)
        var tries = 0
        while tries < 1000 {
            let old = consumer.load()
            if consumer.compareExchange(old, .init(index: 0, flags: old.flags & OutConsumer.owed)) { break }
            tries &+= 1
        }
    }

    /// connect(2) has told of the failure: nothing is readable any more.
    func forgetFailure() {
        guard case .failedConnect = status.state else { return }
        let lock = status.receiveLock
        let held = lock.acquire(tag, placeholder: placeholder)
        let value = input.producerValue()
        if !isGone, value.tokens > 0, input.disarm(value) { eat(value.tokens) }
        status.set(StatusLine.Flag.failureReported, true)
        lock.release(held)
        // Whoever watches for input has no token left to wake it.
        Watches.lookAgain()
    }

    /// Makes a listener's placeholder not writable, for good.
    func obstruct() -> Bool {
        let ring = output
        let lock = status.sendLock
        let held = lock.acquire(tag, placeholder: placeholder)
        defer { lock.release(held) }
        if isGone { return false }
        var tries = 0
        while tries < 1000 {
            switch ring.block(ring.consumerValue()) {
            case .full: return true
            case .sendFiller: sendFiller(ring)
            case .lookAgain: xs_pause()
            }
            tries &+= 1
        }
        return false
    }

    /// The backend saw an empty queue when `arrivals` stood in the producer word: clears the tokens, unless a
    /// connection arrived since.
    ///
    /// - Parameter mask: the program's signal mask, if the caller has blocked signals.
    func clearArrivals(_ arrivals: UInt32, _ mask: UInt64 = Kernel.unblocked) {
        var socket = self
        let ring = input
        let lock = status.receiveLock
        let held = lock.acquire(tag, placeholder: placeholder, mask: mask)
        defer { lock.release(held) }
        socket.settleHold()
        if socket.isGone { return }
        var value = ring.producerValue()
        if value.has(InProducer.unsettled) {
            socket.settleTokens(ring)
            value = ring.producerValue()
        }
        if value.index == arrivals, value.tokens > 0, !value.has(InProducer.endOfFile), ring.disarm(value) {
            socket.eat(value.tokens)
        }
    }

    /// Recovery of a listener after a process died that was taking a connection from it.
    func settleArrivals() {
        let lock = status.receiveLock
        var socket = self
        let held = lock.acquire(tag, placeholder: placeholder)
        socket.settleHold()
        if !socket.isGone { socket.settleTokens(input) }
        lock.release(held)
    }

    /// Counts bytes that stand in a listener's placeholder although no token does; the answer to the next ACCEPT takes
    /// them away.
    func countLateArrivals() {
        let lock = status.receiveLock
        var socket = self
        let held = lock.acquire(tag, placeholder: placeholder)
        socket.settleHold()
        if !held.isReentered, !socket.isGone { _ = socket.countLateTokens(input) }
        lock.release(held)
    }

    /// Whether the backend is gone without saying so; looked at by a call that finds nothing and does not follow one that
    /// found something.
    func isAbandoned() -> Bool {
        if status.misses.exchange(1) == 0 { return false }
        countLateArrivals()
        return domain.isHungUp(placeholder) && !input.producerValue().has(InProducer.endOfFile)
    }
}
