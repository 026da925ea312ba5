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

    /// Performs what the session of the socket's arena has asked for by now about the socket; no other may post that. What
    /// stands behind it may have been asked for later than what comes now.
    ///
    /// - Parameter session: whose request, behind it, is about to be performed; nil for the hang-up.
    func performPosted(of socket: Socket, before session: Session? = nil) {
        if let session, session.arena === socket.arena { return }
        guard let owner = socket.arena.session else { return }
        performPosted(owner) { owner.sockets[SharedWord64($0 + EntryLayout.id).load()] === socket }
    }

    /// Performs what was asked for by sessions whose sockets `session` may attach: one of these may be about to be.
    func performPosted(visibleTo session: Session) {
        for other in Array(sessions.values) where other !== session {
            if let arena = other.arena, session.mayShare(arena) { performSockets(of: other) }
        }
    }

    /// Makes the sockets that a session has asked for by now.
    func performSockets(of session: Session) {
        performPosted(session) { SharedWord32($0 + EntryLayout.command).load() == Command.socket.rawValue }
    }

    /// Performs requests, up to the last one that is as `matches` says.
    private func performPosted(_ session: Session, upTo matches: (UnsafeMutableRawPointer) -> Bool) {
        guard session.dialect == .xensock2, !session.isRunning, !session.isClosed, !session.isBroken,
            postedDepth < Self.deepest, let count = session.ring?.last(where: matches), count > 0
        else { return }
        postedDepth += 1
        // Whatever they cost: the ring holds no more than 32.
        runCommands(session, budget: .max, most: count)
        postedDepth -= 1
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
