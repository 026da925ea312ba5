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
    /// - Returns: the response; `ret` is -ENETDOWN if the service is or goes away, or does not answer.
    static func exchange(
        _ request: Request, input: UnsafeRawBufferPointer? = nil, output: UnsafeMutableRawBufferPointer? = nil
    ) -> Response {
        guard let state = Session.opened() else { return failure(request, -ENETDOWN) }
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

    private static func failure(_ request: Request, _ error: Int32) -> Response {
        Response(requestID: 0, command: 0, ret: error, id: request.id)
    }

    /// Reserves the ring's next slot. On success the session's lock is held.
    ///
    /// - Returns: the slot and the session's phase word; nil if the session is dead.
    static func reserve(
        _ state: UnsafeMutablePointer<SessionState>, _ mask: UInt64
    ) -> (slot: UInt32, life: UInt32)? {
        var patience = Patience(mask)
        var naps = 0
        while true {
            Session.lock(state, mask: mask)
            guard let life = Session.life(state) else {
                Session.unlock(state)
                return nil
            }
            if let slot = freeSlot(state) { return (slot, life) }
            Session.unlock(state)
            // The next slot's request may be one that nobody waits for.
            guard let taken = takeResponses(state, life) else {
                Session.markDead(state, life)
                return nil
            }
            if taken {
                Session.advance(state)
                naps = 0
                continue
            }
            let progress = SharedWord32(&state.pointee.progress).load()
            Session.sleep(state, seen: progress, nanoseconds: 1_000_000)
            Signals.admitDefaults(mask)
            naps &+= 1
            if naps % 100 == 0, !patience.passSlice() { Session.markDead(state, life, silent: true) }
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
    private static func awaitResponse(
        _ state: UnsafeMutablePointer<SessionState>, _ record: UnsafeMutableRawPointer, _ life: UInt32, _ mask: UInt64
    ) -> Bool {
        let progress = SharedWord32(&state.pointee.progress)
        let leader = SharedWord32(&state.pointee.leader)
        var patience = Patience(mask)
        while true {
            let seen = progress.loadOrdered()
            if !Session.isAlive(state, life) { return false }
            if SharedWord32(record).loadOrdered() == Progress.done { return true }
            if leader.compareExchange(0, 1) {
                lead(state, until: record, life, &patience)
                leader.storeOrdered(0)
                Session.advance(state)
            } else {
                Session.sleep(state, seen: seen, nanoseconds: Patience.slice)
                // Progress of others is none of this request, but shows that the service answers.
                if progress.loadOrdered() == seen, !patience.passSlice() {
                    Session.markDead(state, life, silent: true)
                }
            }
        }
    }

    /// Leads until the leader's own response is there or the session is dead.
    private static func lead(
        _ state: UnsafeMutablePointer<SessionState>, until record: UnsafeMutableRawPointer, _ life: UInt32,
        _ patience: inout Patience
    ) {
        while Session.isAlive(state, life) {
            guard let taken = takeResponses(state, life) else {
                Session.markDead(state, life)
                return
            }
            if SharedWord32(record).loadOrdered() == Progress.done { return }
            if taken { Session.advance(state) }
            // The service mostly answers sooner than this thread could fall asleep and wake.
            var looks = state.pointee.looks
            while looks > 0, !state.pointee.ring.hasResponse {
                xs_pause()
                looks &-= 1
            }
            if looks > 0 { continue }
            Session.lock(state)
            // Who posts takes answers, too, and nobody is woken for one that was taken.
            let isDone = SharedWord32(record).load() == Progress.done
            let quiet = !isDone && (!Session.isAlive(state, life) || state.pointee.ring.awaitResponse())
            let socket = state.pointee.socket
            Session.unlock(state)
            if !quiet { continue }
            let ready = patience.awaitFrame(socket)
            if ready == 0 { continue }
            if ready < 0 || !readFrame(socket, attaching: nil) {
                Session.markDead(state, life, silent: ready == -Int(ETIMEDOUT))
                return
            }
        }
    }

    /// Hands out the responses on the ring.
    ///
    /// - Returns: whether there were any; nil if the service broke the protocol.
    static func takeResponses(_ state: UnsafeMutablePointer<SessionState>, _ life: UInt32) -> Bool? {
        var taken = false
        Session.lock(state)
        defer { Session.unlock(state) }
        guard Session.isAlive(state, life), let base = state.pointee.base else { return nil }
        let arguments = ArgumentArea(base: base + Arena.argumentsOffset)
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
            // For an answer to nothing another request would never have one.
            guard response.requestID < Dialect.xensock2.slotCount else { return nil }
            let record = Session.exchange(state, response.requestID)
            let progress = SharedWord32(record).load()
            if progress == Progress.posted {
                if state.pointee.dialect == 0 {
                    Posting.answered(state, note: SharedWord32(record + 4).load(), response)
                }
                SharedWord32(record).storeOrdered(Progress.free)
                continue
            }
            if progress != Progress.waiting { return nil }
            (record + 8).storeBytes(of: response, as: Response.self)
            SharedWord32(record).storeOrdered(Progress.done)
        }
    }

    /// What the answer to ATTACH, PORT or RING said.
    struct Attachment {
        let kind: SessionFrame.Kind
        var error: Int32 = 0
        var arenaID: UInt64 = 0
        var port: UInt32 = 0
        var generation: UInt32 = 0
        var memory: Int32 = -1
        var doorbell: Int32 = -1
        /// Where the first descriptor's memory stands: a control region, for ATTACH, or a ring.
        var offset: UInt64?
        var order: UInt32 = 0
        var pages: UInt32 = 0

        init(_ kind: SessionFrame.Kind) { self.kind = kind }
    }

    /// Makes an inherited or received socket known to this session under `id`.
    ///
    /// - Parameter withArena: asks for the arena's descriptors too; the caller owns them then.
    static func attach(_ fd: Int32, id: SocketID, withArena: Bool) -> Attachment {
        var attachment = Attachment(.attach)
        attachment.error = ENETDOWN
        guard let state = Session.opened(quietly: true) else { return attachment }
        let mask = Kernel.blockSignals()
        defer { Kernel.restoreSignals(mask) }
        guard let life = Session.life(state) else { return attachment }
        var frame = (SessionFrame.Kind.attach.rawValue, UInt32(withArena ? 1 : 0), id.rawValue)
        return ask(state, mask, life, .attach, &frame, SessionFrame.Attach.size, fd, -1)
    }

    /// Sends a frame with up to two descriptors and waits for its answer, of the same kind. Signals are blocked.
    static func ask(
        _ state: UnsafeMutablePointer<SessionState>, _ mask: UInt64, _ life: UInt32, _ kind: SessionFrame.Kind,
        _ frame: UnsafeRawPointer, _ size: Int, _ first: Int32, _ second: Int32
    ) -> Attachment {
        var attachment = Attachment(kind)
        attachment.error = ENETDOWN
        let leader = SharedWord32(&state.pointee.leader)
        while !leader.compareExchange(0, 1) {
            let seen = SharedWord32(&state.pointee.progress).loadOrdered()
            // The leader's own patience ends the session, should the service be silent.
            if !Session.isAlive(state, life) { return attachment }
            Session.sleep(state, seen: seen, nanoseconds: 1_000_000)
            Signals.admitDefaults(mask)
        }
        defer {
            leader.storeOrdered(0)
            Session.advance(state)
        }
        // What leads may have waited for another session than the caller's.
        guard Session.isAlive(state, life) else { return attachment }
        var patience = Patience(mask)
        let socket = state.pointee.socket
        let sent = patience.repeated { xs_send_descriptors(socket, frame, size, 0, first, second) }
        if sent < 0 {
            if sent != -Int(EBADF), sent != -Int(ETOOMANYREFS) { Session.markDead(state, life) }
            return attachment
        }
        attachment.error = -1
        while Session.isAlive(state, life), attachment.error == -1 {
            let ready = patience.awaitFrame(socket)
            if ready == 0 { continue }
            if ready < 0 || !readFrame(socket, attaching: &attachment) {
                Session.markDead(state, life)
                break
            }
        }
        if attachment.error == -1 { attachment.error = ENETDOWN }
        return attachment
    }

    /// Reads one frame from the session's socket. The caller leads.
    ///
    /// - Returns: false if the service closed the session or broke the protocol.
    private static func readFrame(_ socket: Int32, attaching: UnsafeMutablePointer<Attachment>?) -> Bool {
        StackRoom.withFrame { buffer -> Bool in
            let frame = buffer.baseAddress!
            var first: Int32 = -1
            var second: Int32 = -1
            // A process that locked itself in has asked for no descriptors, and may not receive messages.
            let length =
                Kernel.isLockedIn && attaching == nil
                ? Kernel.call(Int(SYS_read), Int(socket), Int(bitPattern: frame), buffer.count)
                : xs_receive_descriptors(socket, frame, buffer.count, Int32(MSG_DONTWAIT), &first, &second)
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
                guard let attaching, attaching.pointee.kind == .attach, length >= SessionFrame.AttachAnswer.size
                else { return false }
                attaching.pointee.error = Int32(frame.load(fromByteOffset: 4, as: UInt32.self) & 0xfff)
                if length >= SessionFrame.AttachAnswer.xenSize {
                    attaching.pointee.offset = frame.load(
                        fromByteOffset: SessionFrame.AttachAnswer.controlOffset, as: UInt64.self)
                }
                attaching.pointee.arenaID = frame.load(
                    fromByteOffset: SessionFrame.AttachAnswer.arenaID, as: UInt64.self)
                attaching.pointee.port = frame.load(fromByteOffset: SessionFrame.AttachAnswer.port, as: UInt32.self)
                attaching.pointee.generation = frame.load(
                    fromByteOffset: SessionFrame.AttachAnswer.generation, as: UInt32.self)
                attaching.pointee.memory = first
                attaching.pointee.doorbell = second
                keeps = true
                return true
            case .port:
                guard let attaching, attaching.pointee.kind == .port, length >= SessionFrame.PortAnswer.size
                else { return false }
                attaching.pointee.error = Int32(
                    frame.load(fromByteOffset: SessionFrame.PortAnswer.error, as: UInt32.self) & 0xfff)
                return true
            case .ring:
                typealias Answer = SessionFrame.RingAnswer
                guard let attaching, attaching.pointee.kind == .ring, length >= Answer.size else { return false }
                attaching.pointee.port = frame.load(fromByteOffset: 4, as: UInt32.self)
                attaching.pointee.error = Int32(frame.load(fromByteOffset: Answer.error, as: UInt32.self) & 0xfff)
                attaching.pointee.order = frame.load(fromByteOffset: Answer.order, as: UInt32.self)
                attaching.pointee.offset = frame.load(fromByteOffset: Answer.offset, as: UInt64.self)
                attaching.pointee.pages = frame.load(fromByteOffset: Answer.pages, as: UInt32.self)
                attaching.pointee.memory = first
                attaching.pointee.doorbell = second
                keeps = true
                return true
            case .hello, .door, nil:
                return false
            }
        }
    }
}
