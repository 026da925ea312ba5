import XenSockRing
import XenSockWire
import XenSockXen

/// Sockets of a guest's sessions in the reactor: what comes by a port's bit beside the ring's events, and the end of the
/// memory (docs/PROTOCOL.md, 3.7).
extension Service {
    func queue(_ device: XenSessions) {
        guard !device.isQueued else { return }
        device.isQueued = true
        readyDevices.append(device)
    }

    func workDevices() {
        let devices = readyDevices
        readyDevices.removeAll(keepingCapacity: true)
        for device in devices {
            device.isQueued = false
            device.turn()
        }
    }

    /// The pair that the agent has for a port becomes what PORT brings on the local platform.
    func takePair(of port: UInt32, _ arena: Arena) {
        guard let taken = arena.xen?.takePair(of: port), let placeholders = kernel.placeholders else { return }
        arena.pending[port] = PendingPort(placeholder: placeholders.open(taken), cookie: 0)
    }

    /// Looks at what the agent wrote to the placeholder line of a socket whose port rang.
    func lookAtLine(of socket: Socket) {
        guard socket.placeholder >= 0, let port = socket.arena.xen?.port(socket.port) else { return }
        let answered = port.takeAnswered()
        if socket.agentRelay != nil { socket.lookAtAgent(port) }
        let events = port.events
        if events != 0 {
            if events & EpollEvents.hangup != 0 { performPosted(of: socket, least: Self.commandBudget) }
            socket.placeholderEvent(events)
        }
        for then in answered { then() }
    }

    /// RELEASE: the agent looks for the hang-up, and is waited for.
    func release(_ socket: Socket, _ incoming: IncomingRequest, _ session: Session) -> Response? {
        socket.lookForHangup()
        guard socket.placeholder >= 0, let port = socket.arena.xen?.port(socket.port) else {
            return incoming.response(0)
        }
        answer(incoming.response(0), to: session, when: port)
        return nil
    }

    /// SHUTDOWN: what it did to the placeholder is seen there when it is answered.
    func shutdown(
        _ socket: Socket, how: UInt32, at position: UInt32, _ incoming: IncomingRequest, _ session: Session
    ) -> Response? {
        if socket.agentRelay != nil {
            return performBehindAgent(socket, incoming, session) {
                incoming.response(socket.shutdown(how: how, at: $0))
            }
        }
        let port = socket.arena.xen?.port(socket.port)
        let wishes = port?.wishes
        let response = incoming.response(socket.shutdown(how: how, at: position))
        guard let port, port.wishes != wishes, socket.placeholder >= 0 else { return response }
        answer(response, to: session, when: port)
        return nil
    }

    /// Answers a request when the agent has done what the port's line says now.
    func answer(_ response: Response, to session: Session, when port: XenPort) {
        look(at: port, for: session) { [weak self] session in self?.answer(response, to: session) }
    }

    /// Asks the agent to look, for a request that is answered when it has. A session has no more of these than its ring has
    /// entries, and when it ends none.
    func look(at port: XenPort, for session: Session, _ then: @escaping (Session) -> Void) {
        port.look(isNeeded: { [weak session] in session.map { !$0.isClosed } ?? false }) { [weak session] in
            guard let session, !session.isClosed, !session.isBroken else { return }
            then(session)
        }
    }

    /// What waited for the agent to look goes on: the program's end is closed.
    func finishWaits(of socket: Socket) {
        guard let arena = socket.arena.xen else { return }
        for then in arena.takeWaits(of: socket.port) { then() }
    }

    /// The guest is gone: as if the socket had been hung up. What the kernel does not take at once is copied, up to
    /// `XenDomain.maximumLeftover` for a guest; a connection of which more is left is reset.
    func abandon(_ socket: Socket) {
        _ = socket.arena.xen?.port(socket.port)?.takeWaits()
        socket.leavesWords = true
        socket.status = PortStatus(base: XenNowhere.page)
        socket.hangUp()
        socket.drainAtOnce()
        if socket.phase == .draining, let domain = socket.arena.domainID {
            let held = domainLeftovers[domain, default: 0]
            socket.leftover = socket.leaveMemory(room: XenDomain.maximumLeftover - held)
            if socket.leftover > 0 { domainLeftovers[domain] = held + socket.leftover }
        }
        settle(socket)
    }

    /// A socket that was left bytes is gone.
    func forgetLeftover(of socket: Socket) {
        guard socket.leftover > 0, let domain = socket.arena.domainID else { return }
        let left = domainLeftovers[domain, default: 0] - socket.leftover
        domainLeftovers[domain] = left > 0 ? left : nil
        socket.leftover = 0
    }

    /// Gives an arena's memory back though sockets of it may still send.
    func sever(_ arena: Arena) {
        awakeArenas.removeAll { $0 === arena }
        arena.isAwake = false
        arena.isSevered = true
        arena.xen?.sever()
        collect(arena)
    }
}

extension BackendSocket {
    /// Turns of a draining socket at most, when its memory is about to go.
    private static var lastTurns: Int { 16 }

    /// Sends what the kernel takes now.
    func drainAtOnce() {
        for _ in 0..<Self.lastTurns where phase == .draining && wantsTurn {
            wantsTurn = false
            turn()
        }
    }

    /// The ring's pages were unmapped. A step that is not done with its socket finds an empty ring in their place, and ends
    /// there: for nobody but a socket that is gone.
    func forgetMemory() {
        indexes = XenNowhere.page
        inRing = InRingBack(indexes: indexes, data: indexes, size: 0)
        outRing = OutRingBack(indexes: indexes, data: indexes, size: 0)
    }

    /// Goes on draining from a copy: ring, indexes page and status line are about to be unmapped.
    ///
    /// - Parameter room: bytes that may be copied. With more to send the connection is reset.
    /// - Returns: bytes that were copied.
    func leaveMemory(room: Int) -> Int {
        var copied = 0
        guarded { () throws(RingViolation) in
            let left = outClosed ? 0 : min(drainEnd &- outRing.consumed, try outRing.waiting())
            guard mapping != nil, Int(left) <= room else { return finish(abort: true) }
            let own = UnsafeMutableRawPointer.allocate(
                byteCount: 2 * pageSize + Int(outRing.size), alignment: pageSize)
            own.initializeMemory(as: UInt8.self, repeating: 0, count: 2 * pageSize)
            ownMemory = own
            outRing = outRing.copy(left, indexes: own, data: own + 2 * pageSize)
            inRing = InRingBack(indexes: own, data: own, size: 0)
            status = PortStatus(base: own + pageSize)
            indexes = own
            mapping = nil
            copied = Int(left)
        }
        return copied
    }
}

/// A page that means nothing.
private enum XenNowhere {
    nonisolated(unsafe) static let page: UnsafeMutableRawPointer = {
        let page = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
        page.initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
        return page
    }()
}
