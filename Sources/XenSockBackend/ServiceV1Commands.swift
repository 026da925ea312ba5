import Logging
import XenSockRing
import XenSockWire

/// The command ring of a session that speaks `draft1` or `pvcalls1` (docs/PROTOCOL.md, chapters 4 and 5). Requests are
/// answered at once or held by their socket.
extension Service {
    func runV1Commands(_ session: Session) {
        let codec = RequestCodec(session.dialect)
        do {
            for _ in 0..<Self.commandBudget {
                guard !session.isClosed, !session.isBroken, let ring = session.ring else { return }
                guard let slot = try ring.nextRequest() else {
                    if !ring.awaitRequest() { queue(session) }
                    return
                }
                var pages = Draft1Pages()
                let incoming = codec.decode(from: slot, pages: &pages)
                session.ring?.consumeRequest()
                let ret = execute(incoming, pages, of: session)
                log.debug(
                    "request",
                    metadata: [
                        "session": "\(session.id)", "command": "\(incoming.command)", "id": "\(incoming.id.rawValue)",
                        "ret": "\(ret.map { "\($0)" } ?? "held")",
                    ])
                if let ret { answer(incoming.response(ret), to: session, codec) }
            }
            queue(session)
        } catch {
            violate(session, "more requests than the command ring has entries")
        }
    }

    private func answer(_ response: Response, to session: Session, _ codec: RequestCodec) {
        guard !session.isClosed, let slot = session.ring?.nextResponse() else { return }
        // Nothing but an address can be refused here, and these dialects answer none.
        try? codec.encode(response, into: slot)
        session.ring?.pushResponse()
        if session.ring?.publishResponses() == true { kick(session) }
    }

    /// Sends what sockets answer to requests that they held.
    func sendAnswers(of local: LocalSocket<LinuxKernel>) {
        guard !local.socket.answers.isEmpty else { return }
        let answers = local.socket.answers
        local.socket.answers = []
        for answer in answers {
            guard let session = sessions[answer.session] else { continue }
            self.answer(answer.response, to: session, RequestCodec(session.dialect))
        }
    }

    /// - Returns: the answer's `ret`, or nil if the request is held. What it caused elsewhere is answered already.
    private func execute(_ incoming: IncomingRequest, _ pages: Draft1Pages, of session: Session) -> Int32? {
        switch incoming.content {
        case .failure(let error): error.ret
        case .success(let request): execute(request, incoming, pages, of: session)
        }
    }

    private func execute(
        _ request: Request, _ incoming: IncomingRequest, _ pages: Draft1Pages, of session: Session
    ) -> Int32? {
        let held = V1Socket<LinuxKernel>.Held(request: incoming, session: session.id)
        switch request {
        case .socket(_, let domain, let type, let number, _, _):
            guard domain == SocketDomain.inet, type == SocketType.stream, number == 0 else {
                return 0 &- Errno.enotsup
            }
            return with(incoming.id, of: session, unknown: Errno.ebadf) { socket in
                guard socket.network < 0, socket.phase == .open else { return 0 &- Errno.eexist }
                return open(socket, session)
            }
        case .connect(_, let address, _, let ring, let event):
            return with(incoming.id, of: session, unknown: Errno.ebadf) { socket in
                connect(socket, address, ring, pages, event, held, session)
            }
        case .bind(_, let address):
            return with(incoming.id, of: session, unknown: Errno.ebadf) { socket in
                guard isInternet(address) else { return socket.noteBind(0 &- Errno.einval) }
                let opened = open(socket, session)
                guard opened == 0 else { return socket.noteBind(opened) }
                return address.withUnsafeBytes { bytes in
                    let refusal = policy.decide(.bind(bytes), credentials: session.credentials)
                    return refusal != 0 ? socket.noteBind(0 &- refusal) : socket.bind(bytes)
                }
            }
        case .listen(_, let backlog):
            return with(incoming.id, of: session, unknown: Errno.einval) { socket in
                let refusal = policy.decide(.listen, credentials: session.credentials)
                return refusal != 0 ? 0 &- refusal : socket.listen(backlog: backlog)
            }
        case .accept(_, let newID, let ring, let event):
            return with(incoming.id, of: session, unknown: Errno.einval) { listener in
                with(newID, of: session, unknown: Errno.ebadf) { socket in
                    listener.accept(into: socket, ring, pages, event, held)
                }
            }
        case .poll:
            return with(incoming.id, of: session, unknown: Errno.einval) { $0.poll(held) }
        case .release:
            // One that names no socket is a fence: behind it a PORT that was sent before has been taken, too.
            if session.v1Sockets[incoming.id.rawValue] == nil { receiveFrames(session) }
            guard let local = session.v1Sockets[incoming.id.rawValue] else { return 0 }
            local.lookForHangup()
            settle(local)
            return 0
        default:
            return 0 &- Errno.enotsup
        }
    }

    /// Runs a request on a socket, and sends what that answers to older ones.
    private func with(
        _ id: SocketID, of session: Session, unknown error: Int32, _ body: (V1Socket<LinuxKernel>) -> Int32?
    ) -> Int32? {
        // PORT was sent before the request that names it, but on another way: it may still wait there.
        if session.v1Sockets[id.rawValue] == nil { receiveFrames(session) }
        guard let local = session.v1Sockets[id.rawValue] else { return 0 &- error }
        let ret = body(local.socket)
        settle(local)
        return ret
    }

    private func open(_ socket: V1Socket<LinuxKernel>, _ session: Session) -> Int32 {
        guard socket.network < 0 else { return 0 }
        let refusal = policy.decide(
            .socket(domain: Int32(SocketDomain.inet), type: Int32(SocketType.stream), protocolNumber: 0),
            credentials: session.credentials)
        return refusal != 0 ? 0 &- refusal : socket.open()
    }

    private func isInternet(_ address: SocketAddress) -> Bool {
        address.family == SocketAddress.inet && address.length >= 16
    }

    private func connect(
        _ socket: V1Socket<LinuxKernel>, _ address: SocketAddress, _ ring: RingReference, _ pages: Draft1Pages,
        _ event: EventChannelPort, _ held: V1Socket<LinuxKernel>.Held, _ session: Session
    ) -> Int32? {
        let isFree = socket.phase == .open || socket.phase == .bound || socket.phase == .failed
        guard isFree else {
            return address.withUnsafeBytes { socket.connect($0, ring, pages, event, held) }
        }
        guard isInternet(address) else { return socket.refuse(Errno.einval) }
        let opened = open(socket, session)
        guard opened == 0 else { return socket.refuse(0 &- opened) }
        return address.withUnsafeBytes { bytes in
            let refusal = policy.decide(.connect(bytes), credentials: session.credentials)
            return refusal != 0 ? socket.refuse(refusal) : socket.connect(bytes, ring, pages, event, held)
        }
    }
}
