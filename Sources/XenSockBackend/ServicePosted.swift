import XenSockRing
import XenSockWire

/// A SOCKET that was posted and failed: what its id is answered until RELEASE.
struct Stillborn {
    let port: UInt32
    /// Positive.
    let errno: Int32
}

/// Posted requests (docs/PROTOCOL.md, 2.3): those whose answer a frontend does not wait for. What it does next may come
/// another way than the command ring, and finds them done.
extension Service {
    /// How deep sessions are looked at for the sake of others. Each step is another session's request about a third's
    /// socket, so only a contrived chain is longer.
    private static var deepest: Int { 16 }

    /// What the requests of one user, or of one guest, may cost in a turn for the sake of others: four rings full of the
    /// dearest, 32 of others.
    static var aheadBudget: Int { 1024 }
    /// Sessions that are looked through at the cost of one request.
    private static var lookedThrough: Int { 16 }
    /// Turns for which a request is put off at most: an owner that posts on and on does not hold others up for longer.
    private static var patience: Int { 16 }

    /// Performs what the session of the socket's arena has asked for by now about the socket; no other may post that. What
    /// stands behind it may have been asked for later than what comes now.
    ///
    /// - Parameters:
    ///   - session: whose request, behind it, is about to be performed; nil for the hang-up.
    ///   - least: what it may cost in any case.
    /// - Returns: whether all of that was done.
    @discardableResult
    func performPosted(of socket: Socket, before session: Session? = nil, least: Int = 0) -> Bool {
        if let session, session.arena === socket.arena { return true }
        guard let owner = socket.arena.session else { return true }
        return performPosted(owner, least: least) {
            owner.sockets[SharedWord64($0 + EntryLayout.id).load()] === socket
        }
    }

    /// Performs what was asked for by sessions whose sockets `session` may attach: one of these may be about to be.
    ///
    /// - Returns: whether all of that was done.
    func performPosted(visibleTo session: Session) -> Bool {
        guard hasShare(session) else { return false }
        // What the looking costs counts for the next one.
        defer { spendAhead(1 + sessions.count / Self.lookedThrough, by: session) }
        var isDone = true
        for other in Array(sessions.values) where other !== session {
            if let arena = other.arena, session.mayShare(arena) { isDone = performSockets(of: other) && isDone }
        }
        return isDone
    }

    /// Makes the sockets that a session has asked for by now.
    ///
    /// - Returns: whether all were made.
    func performSockets(of session: Session) -> Bool {
        performPosted(session) { SharedWord32($0 + EntryLayout.command).load() == Command.socket.rawValue }
    }

    /// Performs requests, up to the last one that is as `matches` says.
    ///
    /// - Returns: false if there was no time for all of them.
    private func performPosted(
        _ session: Session, least: Int = 0, upTo matches: (UnsafeMutableRawPointer) -> Bool
    ) -> Bool {
        guard session.dialect == .xensock2, !session.isRunning, !session.isClosed, !session.isBroken,
            postedDepth < Self.deepest, let count = session.ring?.last(where: matches), count > 0
        else { return true }
        let budget = max(least, Self.aheadBudget - spentAhead[session.credentials.account, default: 0])
        guard budget > 0 else { return false }
        postedDepth += 1
        defer { postedDepth -= 1 }
        return runCommands(session, budget: budget, most: count)
    }

    /// Whether something is left of `aheadBudget` for what comes before the session's frames and requests.
    func hasShare(_ session: Session) -> Bool {
        spentAhead[session.credentials.account, default: 0] < Self.aheadBudget
    }

    /// Sessions of one user, or of one guest, whose requests are performed in one turn, at most.
    static var sessionsInTurn: Int { 64 }

    /// Performs requests of sessions in their order; those beyond the share of their user or guest come first in the next
    /// turn.
    func runSome(of sessions: [Session]) {
        var shares: [UInt64: Int] = [:]
        var left: [Session] = []
        for session in sessions {
            guard shares[session.credentials.account, default: 0] < Self.sessionsInTurn else {
                left.append(session)
                continue
            }
            shares[session.credentials.account, default: 0] += 1
            session.isQueued = false
            if !session.isClosed { runCommands(session) }
        }
        readySessions = left + readySessions
    }

    func spendAhead(_ cost: Int, by session: Session) {
        spentAhead[session.credentials.account, default: 0] += cost
    }

    /// Does what comes before a request that is about to be taken from its ring.
    ///
    /// - Returns: false if the request stays there for another turn.
    func isDue(_ incoming: IncomingRequest, _ session: Session) -> Bool {
        guard case .success(let request) = incoming.content, let socket = session.sockets[request.id.rawValue] else {
            return true
        }
        if case .socket = request { return true }
        // What is left undone then is an order among those who share a socket, with one of them hostile.
        let canWait = !session.isEnding && session.turnsPutOff < Self.patience
        guard performPosted(of: socket, before: session) || !canWait else {
            if postedDepth == 0 { session.turnsPutOff += 1 }
            return false
        }
        guard case .flush(_, let position) = request, !session.isBroken, !session.isEnding,
            session.sockets[request.id.rawValue] === socket
        else { return true }
        defer { settle(socket) }
        guard !socket.sendRecords(before: position) else { return true }
        if postedDepth > 0 { spendAhead(Self.movingCost, by: session) }
        return false
    }

    /// Whether a posted SOCKET was found before its PORT: then what else came before that, as hang-ups, was not looked at
    /// either, and nobody waits whose next request would show it. Once for each: the next turn begins with all that.
    func overtakes(_ incoming: IncomingRequest, _ session: Session) -> Bool {
        guard case .success(.socket(_, _, let type, _, let port, _)) = incoming.content, let arena = session.arena,
            type & SocketRequest.posted != 0, arena.xen == nil, arena.pending[port.rawValue] == nil,
            session.hasOvertaken != incoming.id.rawValue, !session.isEnding
        else { return false }
        session.hasOvertaken = incoming.id.rawValue
        return true
    }

    /// A posted SOCKET failed: its port stays taken until RELEASE, and each request of its id has the error.
    ///
    /// - Returns: false if there is no room for that.
    func keepStillborn(_ id: UInt64, port: UInt32, ret: Int32, of session: Session) -> Bool {
        guard let arena = session.arena, arena.isSocketPort(port), arena.sockets[Int(port)] == nil,
            session.sockets[id] == nil, session.stillborn.count < Int(arena.ports)
        else { return false }
        if let pair = arena.pending.removeValue(forKey: port) { kernel.closePlaceholder(pair.placeholder) }
        arena.releasePort(port)
        // No pair: the service had no room for its descriptors.
        session.stillborn[id] = Stillborn(port: port, errno: ret == 0 &- Errno.ebadf ? Errno.enfile : 0 &- ret)
        return true
    }

    /// - Returns: the answer to a request of a socket that a posted SOCKET did not make; nil for other ids.
    func answerStillborn(_ request: Request, _ incoming: IncomingRequest, of session: Session) -> Response? {
        guard let stillborn = session.stillborn[request.id.rawValue] else { return nil }
        if case .accept = request { return nil }
        guard case .release = request else { return incoming.response(0 &- stillborn.errno) }
        session.stillborn[request.id.rawValue] = nil
        if let arena = session.arena, arena.sockets[Int(stillborn.port)] == nil {
            arena.status(stillborn.port).free(nextGeneration: arena.nextGeneration(stillborn.port))
        }
        return incoming.response(0)
    }
}
