import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// The exchange of requests and responses over the session's command ring.
///
/// Any number of threads may have a request in flight. One of those that wait leads: it reads the session's socket and
/// hands out responses; the others sleep on a futex until theirs is there or the lead is free. Signals are blocked from
/// the request to its response, so that no handler can leave a slot behind.
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
    /// - Returns: the response; `ret` is -ENETDOWN if the service is or goes away.
    static func exchange(
        _ request: Request, input: UnsafeRawBufferPointer? = nil, output: UnsafeMutableRawBufferPointer? = nil
    ) -> Response {
        guard let state = Session.opened() else { return failure(request, -ENETDOWN) }
        let mask = Kernel.blockSignals()
        defer { Kernel.restoreSignals(mask) }
        guard let slot = reserve(state) else { return failure(request, -ENETDOWN) }
        let record = Session.exchange(state, slot)
        guard let base = state.pointee.base else {
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
        if mustNotify { ownDomain(state)?.notify(Arena.commandRingPort) }
        if !await(state, record) { return failure(request, -ENETDOWN) }
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
        _ state: UnsafeMutablePointer<SessionState>, _ port: UInt32, _ end: Int32, _ program: Int32, _ id: SocketID? = nil
    ) -> Int {
        let sent: Int
        if let id {
            sent = Frames.send(state.pointee.socket, .port, port, id.rawValue, end, program)
        } else {
            sent = Frames.send(state.pointee.socket, .port, port, end, program)
        }
        if sent >= 0 { return 0 }
        if sent == -Int(EPIPE) || sent == -Int(ECONNRESET) || sent == -Int(ENOTCONN) {
            Session.markDead(state)
            return -Int(ENETDOWN)
        }
        return sent
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

    private static func failure(_ request: Request, _ error: Int32) -> Response {
        Response(requestID: 0, command: 0, ret: error, id: request.id)
    }

    private static func isOpen(_ state: UnsafeMutablePointer<SessionState>) -> Bool {
        SharedWord32(&state.pointee.phase).load() == Session.Phase.open
    }

    /// Reserves the ring's next slot. On success the session's lock is held.
    ///
    /// - Returns: nil if the session is dead.
    static func reserve(_ state: UnsafeMutablePointer<SessionState>) -> UInt32? {
        while true {
            Session.lock(state)
            if !isOpen(state) {
                Session.unlock(state)
                return nil
            }
            if let slot = freeSlot(state) { return slot }
            Session.unlock(state)
            if state.pointee.dialect != 0, takeResponses(state) == nil {
                Session.markDead(state)
                return nil
            }
            // All slots are with threads that wait: somebody leads, or is about to.
            let progress = SharedWord32(&state.pointee.progress).load()
            Kernel.futexWait(&state.pointee.progress, progress, nanoseconds: 1_000_000)
        }
    }

    /// A number for the next request. Where requests are held the older ones keep theirs, so any free one will do.
    private static func freeSlot(_ state: UnsafeMutablePointer<SessionState>) -> UInt32? {
        if state.pointee.ring.isFull { return nil }
        if state.pointee.dialect == 0 {
            let slot = state.pointee.ring.nextSlot
            return SharedWord32(Session.exchange(state, slot)).load() == Progress.free ? slot : nil
        }
        for slot in 0..<Session.dialect(state).slotCount
        where SharedWord32(Session.exchange(state, slot)).load() == Progress.free {
            return slot
        }
        return nil
    }

    /// Waits until the slot's response is there. Returns false if the session died before.
    private static func await(_ state: UnsafeMutablePointer<SessionState>, _ record: UnsafeMutableRawPointer) -> Bool {
        let progress = SharedWord32(&state.pointee.progress)
        let leader = SharedWord32(&state.pointee.leader)
        while true {
            let seen = progress.loadOrdered()
            if SharedWord32(record).loadOrdered() == Progress.done { return true }
            if !isOpen(state) {
                SharedWord32(record).storeOrdered(Progress.free)
                return false
            }
            if leader.compareExchange(0, 1) {
                lead(state, until: record)
                leader.storeOrdered(0)
                Session.advance(state)
            } else {
                Kernel.futexWait(&state.pointee.progress, seen, nanoseconds: 1_000_000_000)
            }
        }
    }

    /// Leads until the leader's own response is there or the session is dead.
    private static func lead(_ state: UnsafeMutablePointer<SessionState>, until record: UnsafeMutableRawPointer) {
        while isOpen(state) {
            guard let taken = takeResponses(state) else {
                Session.markDead(state)
                return
            }
            if SharedWord32(record).loadOrdered() == Progress.done { return }
            if taken { Session.advance(state) }
            Session.lock(state)
            let quiet = state.pointee.ring.awaitResponse()
            Session.unlock(state)
            if !quiet { continue }
            let ready = xs_wait_poll(state.pointee.socket, Int16(POLLIN), -1)
            if ready == -Int(EINTR) { continue }
            if ready < 0 || !readFrame(state, attaching: nil) {
                Session.markDead(state)
                return
            }
        }
    }

    /// Hands out the responses on the ring.
    ///
    /// - Returns: whether there were any; nil if the service broke the protocol.
    static func takeResponses(_ state: UnsafeMutablePointer<SessionState>) -> Bool? {
        guard let base = state.pointee.base else { return nil }
        let arguments = ArgumentArea(base: base + Arena.argumentsOffset)
        var taken = false
        Session.lock(state)
        defer { Session.unlock(state) }
        while true {
            let entry: UnsafeMutableRawPointer?
            do throws(RingViolation) {
                entry = try state.pointee.ring.nextResponse()
            } catch {
                return nil
            }
            guard let entry else { return taken }
            let codec = RequestCodec(Session.dialect(state))
            let response = codec.decodeResponse(from: entry, arguments: arguments)
            state.pointee.ring.consumeResponse()
            taken = true
            // An answer to nothing is dropped.
            guard response.requestID < Dialect.xensock2.slotCount else { continue }
            let record = Session.exchange(state, response.requestID)
            let progress = SharedWord32(record).load()
            if progress == Progress.posted { SharedWord32(record).storeOrdered(Progress.free) }
            if progress != Progress.waiting { continue }
            (record + 8).storeBytes(of: response, as: Response.self)
            SharedWord32(record).storeOrdered(Progress.done)
        }
    }

    /// What ATTACH's answer said.
    struct Attachment {
        var error: Int32 = 0
        var arenaID: UInt64 = 0
        var port: UInt32 = 0
        var generation: UInt32 = 0
        var memory: Int32 = -1
        var doorbell: Int32 = -1
    }

    /// Makes an inherited or received socket known to this session under `id`.
    ///
    /// - Parameter withArena: asks for the arena's descriptors too; the caller owns them then.
    static func attach(_ fd: Int32, id: SocketID, withArena: Bool) -> Attachment {
        var attachment = Attachment(error: ENETDOWN)
        guard let state = Session.opened(quietly: true) else { return attachment }
        let mask = Kernel.blockSignals()
        defer { Kernel.restoreSignals(mask) }
        let leader = SharedWord32(&state.pointee.leader)
        while !leader.compareExchange(0, 1) {
            let seen = SharedWord32(&state.pointee.progress).loadOrdered()
            if !isOpen(state) { return attachment }
            Kernel.futexWait(&state.pointee.progress, seen, nanoseconds: 1_000_000)
        }
        defer {
            leader.storeOrdered(0)
            Session.advance(state)
        }
        var frame = (SessionFrame.Kind.attach.rawValue, UInt32(withArena ? 1 : 0), id.rawValue)
        let sent = xs_send_descriptors(state.pointee.socket, &frame, SessionFrame.Attach.size, fd, -1)
        if sent < 0 { return attachment }
        attachment.error = -1
        while isOpen(state), attachment.error == -1 {
            let ready = xs_wait_poll(state.pointee.socket, Int16(POLLIN), 10_000_000_000)
            if ready == -Int(EINTR) { continue }
            if ready <= 0 || !readFrame(state, attaching: &attachment) {
                Session.markDead(state)
                break
            }
        }
        if attachment.error == -1 { attachment.error = ENETDOWN }
        return attachment
    }

    /// Reads one frame from the session's socket. The caller leads.
    ///
    /// - Returns: false if the service closed the session or broke the protocol.
    private static func readFrame(
        _ state: UnsafeMutablePointer<SessionState>, attaching: UnsafeMutablePointer<Attachment>?
    ) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: SessionFrame.maximumSize, alignment: 8) { buffer -> Bool in
            let frame = buffer.baseAddress!
            var first: Int32 = -1
            var second: Int32 = -1
            let length = xs_receive_descriptors(
                state.pointee.socket, frame, buffer.count, Int32(MSG_DONTWAIT), &first, &second)
            if length == -Int(EAGAIN) || length == -Int(EINTR) { return true }
            var keeps = false
            defer { if !keeps { Frames.drop(first, second) } }
            guard length >= SessionFrame.payload else { return false }
            switch SessionFrame.Kind(rawValue: frame.load(as: UInt32.self)) {
            case .kick:
                return true
            case .store:
                let nodes = SessionFrame.Store.nodes
                let closing = Nodes.has(frame + nodes, length &- nodes, "state\u{0}5\u{0}")
                return !closing && !Nodes.has(frame + nodes, length &- nodes, "state\u{0}6\u{0}")
            case .attach:
                guard let attaching, length >= SessionFrame.AttachAnswer.size else { return false }
                attaching.pointee.error = Int32(frame.load(fromByteOffset: 4, as: UInt32.self) & 0xfff)
                attaching.pointee.arenaID = frame.load(
                    fromByteOffset: SessionFrame.AttachAnswer.arenaID, as: UInt64.self)
                attaching.pointee.port = frame.load(fromByteOffset: SessionFrame.AttachAnswer.port, as: UInt32.self)
                attaching.pointee.generation = frame.load(
                    fromByteOffset: SessionFrame.AttachAnswer.generation, as: UInt32.self)
                attaching.pointee.memory = first
                attaching.pointee.doorbell = second
                keeps = true
                return true
            case .hello, .port, .door, nil:
                return false
            }
        }
    }
}
