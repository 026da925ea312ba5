import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// The exchange of requests and responses over the session's command ring.
///
/// Any number of threads may have a request in flight. One of those that wait leads: it reads the session's socket and
/// hands out responses; the others sleep on a futex until theirs is there or the lead is free. Signals are blocked from
/// the request to its response, so that no handler can leave a slot behind; a service that does not answer loses the
/// session before long, and until then does not keep signals without a handler out (`Patience`).
enum Commands {
    /// What has become of a slot's request. The word at 0 of its record; the response follows at 8.
    enum Progress {
        static let free: UInt32 = 0
        static let waiting: UInt32 = 1
        static let done: UInt32 = 2
        /// Nobody waits for it; its answer frees the slot. What it is stands at 4.
        static let posted: UInt32 = 3
    }

    /// Sends a request and waits for its response.
    ///
    /// - Parameters:
    ///   - input: bytes for the argument slot, at most 512.
    ///   - output: takes the first bytes of the argument slot after a response with a length.
    ///   - blocked: the program's signal mask, if the caller has blocked signals.
    /// - Returns: the response; `ret` is -ENETDOWN if the service is or goes away, or does not answer.
    static func exchange(
        _ request: Request, input: UnsafeRawBufferPointer? = nil, output: UnsafeMutableRawBufferPointer? = nil,
        mask blocked: UInt64? = nil
    ) -> Response {
        guard let state = Session.opened() else { return failure(request, -ENETDOWN) }
        if let blocked { return exchangeBlocked(state, blocked, request, input: input, output: output) }
        let mask = Kernel.blockSignals()
        defer { Kernel.restoreSignals(mask) }
        return exchangeBlocked(state, mask, request, input: input, output: output)
    }

    /// Likewise, with signals blocked by the caller.
    ///
    /// - Parameter mask: the program's signal mask, which `Kernel.blockSignals` returned.
    static func exchangeBlocked(
        _ state: UnsafeMutablePointer<SessionState>, _ mask: UInt64, _ request: Request,
        input: UnsafeRawBufferPointer? = nil, output: UnsafeMutableRawBufferPointer? = nil
    ) -> Response {
        guard let (slot, life) = reserve(state, mask) else { return failure(request, -ENETDOWN) }
        let record = Session.exchange(state, slot)
        guard let base = state.pointee.base, let domain = ownDomain(state) else {
            Session.unlock(state)
            return failure(request, -ENETDOWN)
        }
        let arguments = ArgumentArea(base: base + Arena.argumentsOffset)
        let argument = arguments.slot(slot)
        if let input, let bytes = input.baseAddress, let argument {
            memcpy(argument, bytes, min(input.count, ArgumentArea.slotSize))
        }
        do throws(WireError) {
            try encode(request, slot, state)
        } catch {
            Session.unlock(state)
            return failure(request, error.ret)
        }
        SharedWord32(record).storeOrdered(Progress.waiting)
        let mustNotify = state.pointee.ring.push()
        Session.unlock(state)
        if mustNotify { domain.notify(Arena.commandRingPort) }
        guard awaitResponse(state, record, life, mask) else { return failure(request, -ENETDOWN) }
        Session.lock(state)
        defer { Session.unlock(state) }
        // Dead meanwhile, or another already: the record may be of that one.
        guard Session.isAlive(state, life) else { return failure(request, -ENETDOWN) }
        let response = (record + 8).load(as: Response.self)
        if case .length(let length) = response.payload, let output, let destination = output.baseAddress, let argument {
            memcpy(destination, argument, min(Int(length), output.count, ArgumentArea.slotSize))
        }
        SharedWord32(record).storeOrdered(Progress.free)
        return response
    }

    /// Binds the event channel `port`: gives the service its end of a placeholder, and the program's to know it by.
    ///
    /// - Parameter id: the socket's identity, which `draft1` and `pvcalls1` tell here.
    /// - Returns: 0 or a negative errno.
    static func bindPort(
        _ state: UnsafeMutablePointer<SessionState>, _ mask: UInt64, _ port: UInt32, _ end: Int32, _ program: Int32,
        _ id: SocketID? = nil
    ) -> Int {
        guard let life = Session.life(state) else { return -Int(ENETDOWN) }
        if state.pointee.isGranted != 0 {
            // Requests go past the agent, and would overtake the frame.
            var frame = (SessionFrame.Kind.port.rawValue, port)
            return -Int(ask(state, mask, life, .port, &frame, SessionFrame.payload, end, program).error)
        }
        var patience = Patience(mask)
        let sent: Int
        if let id {
            sent = Frames.send(state.pointee.socket, .port, port, id.rawValue, end, program, &patience)
        } else {
            sent = Frames.send(state.pointee.socket, .port, port, end, program, &patience)
        }
        if sent >= 0 { return 0 }
        switch Int32(-sent) {
        case EPIPE, ECONNRESET, ENOTCONN, ETIMEDOUT:
            Session.markDead(state, life, silent: sent == -Int(ETIMEDOUT))
            return -Int(ENETDOWN)
        case EBADF, ENOTSOCK, EINVAL, EOPNOTSUPP:
            if Session.isSessionSocket(state.pointee.socket) { return sent }
            Session.markDead(state, life)
            return -Int(ENETDOWN)
        default: return sent
        }
    }

    /// Writes a request to the ring's next entry, in the session's dialect.
    static func encode(_ request: Request, _ slot: UInt32, _ state: UnsafeMutablePointer<SessionState>)
        throws(WireError)
    {
        let entry = state.pointee.ring.nextRequest()
        switch Session.dialect(state) {
        case .xensock2:
            let arguments = state.pointee.base.map { ArgumentArea(base: $0 + Arena.argumentsOffset) }
            try RequestCodec(.xensock2).encode(request, requestID: slot, into: entry, arguments: arguments)
        case .pvcalls1:
            try RequestCodec(.pvcalls1).encode(request, requestID: slot, into: entry)
        case .draft1:
            var pages = Draft1Pages()
            switch request {
            case .connect(_, _, _, _, let port), .accept(_, _, _, let port):
                pages = V1StreamSocket<LocalDomain>.draft1Pages(
                    indexesPage: Arena.indexesPage(forPort: port.rawValue, ports: state.pointee.ports))
            default: break
            }
            try RequestCodec(.draft1).encode(request, requestID: slot, into: entry, pages: &pages)
        }
    }

    /// The session's own arena as a domain.
    static func ownDomain(_ state: UnsafeMutablePointer<SessionState>) -> LocalDomain? {
        guard let region = ProcessState.region, let base = state.pointee.base else { return nil }
        return LocalDomain(arena: base, doorbell: ProcessState.arena(region, Int(state.pointee.arena)).doorbell)
    }

    static func failure(_ request: Request, _ error: Int32) -> Response {
        Response(requestID: 0, command: 0, ret: error, id: request.id)
    }
}
