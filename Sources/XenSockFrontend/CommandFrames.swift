import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// What goes over the session's socket beside the command ring (docs/PROTOCOL.md, 3.1).
extension Commands {
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
    static func attach(_ fd: Int32, id: SocketID, withArena: Bool, mask blocked: UInt64? = nil) -> Attachment {
        var attachment = Attachment(.attach)
        attachment.error = ENETDOWN
        guard let state = Session.opened(quietly: true) else { return attachment }
        let mask = blocked ?? Kernel.blockSignals()
        defer { if blocked == nil { Kernel.restoreSignals(mask) } }
        guard let life = Session.life(state) else { return attachment }
        var frame = (SessionFrame.Kind.attach.rawValue, UInt32(withArena ? 1 : 0), id.rawValue)
        // The service has not come to what was asked for before: a bounded time, about a second in all.
        for _ in 0..<1000 {
            attachment = ask(state, mask, life, .attach, &frame, SessionFrame.Attach.size, fd, -1)
            guard attachment.error == EAGAIN else { break }
            Signals.admitDefaults(mask)
            Session.sleep(state, seen: SharedWord32(&state.pointee.progress).loadOrdered(), nanoseconds: 1_000_000)
        }
        return attachment
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
    static func readFrame(_ socket: Int32, attaching: UnsafeMutablePointer<Attachment>?) -> Bool {
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
