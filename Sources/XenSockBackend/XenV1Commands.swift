import XenSockRing
import XenSockWire

/// The requests of `pvcalls1` as a guest makes them: names are the frontend's own, and need no PORT (docs/PROTOCOL.md, 5.4).
extension XenV1Connection {
    /// - Returns: the answer's `ret`, or nil if the request is held. What it caused elsewhere is answered already.
    func execute(_ incoming: IncomingRequest) -> Int32? {
        switch incoming.content {
        case .failure(let error): error.ret
        case .success(let request): execute(request, incoming)
        }
    }

    private func execute(_ request: Request, _ incoming: IncomingRequest) -> Int32? {
        let held = XenV1Socket.Socket.Held(request: incoming, session: 0)
        switch request {
        case .socket(let id, let family, let type, let number, _, _):
            guard family == SocketDomain.inet, type == SocketType.stream, number == 0 else {
                return 0 &- Errno.enotsup
            }
            return make(id, keepsFailed: false) { socket in
                guard socket.socket.phase == .open, socket.socket.network < 0 else { return 0 &- Errno.eexist }
                return open(socket)
            }
        case .connect(let id, let address, _, let ring, let event):
            return make(id, keepsFailed: true) { connect($0, address, ring, event, held) }
        case .bind(let id, let address):
            // Linux's frontend does not look at the answer: the failure is LISTEN's.
            return make(id, keepsFailed: true) { bind($0.socket, $0, address) }
        case .listen(let id, let backlog):
            return with(id) { socket in
                let refusal = service.policy.decide(.listen, credentials: credentials)
                return refusal != 0 ? 0 &- refusal : socket.socket.listen(backlog: backlog)
            }
        case .accept(let id, let newID, let ring, let event):
            return with(id) { accept($0, newID, ring, event, held) }
        case .poll(let id):
            return with(id) { $0.socket.poll(held) }
        case .release(let id, _):
            if let socket = sockets.removeValue(forKey: id.rawValue) { release(socket) }
            return 0
        default:
            return 0 &- Errno.enotsup
        }
    }

    /// Runs a request on a socket that there is.
    private func with(_ id: SocketID, _ body: (XenV1Socket) -> Int32?) -> Int32? {
        guard let socket = sockets[id.rawValue], socket.socket.listener == nil else { return 0 &- Errno.einval }
        let ret = body(socket)
        socket.settle()
        return ret
    }

    /// Runs a request on a socket that it may make.
    ///
    /// - Parameter keepsFailed: whether a new socket stays if the request fails.
    private func make(_ id: SocketID, keepsFailed: Bool, _ body: (XenV1Socket) -> Int32?) -> Int32? {
        switch socket(id) {
        case .failure(let error):
            return error.ret
        case .success((let socket, let isNew)):
            // A held ACCEPT has it.
            guard socket.socket.listener == nil else { return 0 &- Errno.ebusy }
            let ret = body(socket)
            if isNew, !keepsFailed, let ret, ret != 0 {
                forget(socket)
            } else {
                socket.settle()
            }
            return ret
        }
    }

    private func open(_ socket: XenV1Socket) -> Int32 {
        guard socket.socket.network < 0 else { return 0 }
        let refusal = service.policy.decide(
            .socket(domain: Int32(SocketDomain.inet), type: Int32(SocketType.stream), protocolNumber: 0),
            credentials: credentials)
        return refusal != 0 ? 0 &- refusal : socket.socket.open()
    }

    private func isInternet(_ address: SocketAddress) -> Bool {
        address.family == SocketAddress.inet && address.length >= 16
    }

    private func connect(
        _ socket: XenV1Socket, _ address: SocketAddress, _ ring: RingReference, _ event: EventChannelPort,
        _ held: XenV1Socket.Socket.Held
    ) -> Int32? {
        let state = socket.socket
        let isFree = state.phase == .open || state.phase == .bound || state.phase == .failed
        guard isFree else {
            return address.withUnsafeBytes { state.connect($0, ring, Draft1Pages(), event, held) }
        }
        guard isInternet(address) else { return state.refuse(Errno.einval) }
        let opened = open(socket)
        guard opened == 0 else { return state.refuse(0 &- opened) }
        return address.withUnsafeBytes { bytes in
            let refusal = service.policy.decide(.connect(bytes), credentials: credentials)
            guard refusal == 0 else { return state.refuse(refusal) }
            return mapped(socket, state.connect(bytes, ring, Draft1Pages(), event, held))
        }
    }

    private func bind(_ state: XenV1Socket.Socket, _ socket: XenV1Socket, _ address: SocketAddress) -> Int32 {
        guard isInternet(address) else { return state.noteBind(0 &- Errno.einval) }
        let opened = open(socket)
        guard opened == 0 else { return state.noteBind(opened) }
        return address.withUnsafeBytes { bytes in
            let refusal = service.policy.decide(.bind(bytes), credentials: credentials)
            return refusal != 0 ? state.noteBind(0 &- refusal) : state.bind(bytes)
        }
    }

    private func accept(
        _ listener: XenV1Socket, _ newID: SocketID, _ ring: RingReference, _ event: EventChannelPort,
        _ held: XenV1Socket.Socket.Held
    ) -> Int32? {
        guard listener.socket.phase == .listening else { return 0 &- Errno.einval }
        guard listener.accepting == nil else { return 0 &- Errno.eintr }
        switch socket(newID) {
        case .failure(let error):
            return error.ret
        case .success((_, false)):
            return 0 &- Errno.eexist
        case .success((let accepted, true)):
            let ret = listener.socket.accept(into: accepted.socket, ring, Draft1Pages(), event, held)
            if ret == nil {
                listener.accepting = accepted
            } else if ret == 0 {
                accepted.settle()
            } else {
                forget(accepted)
            }
            return mapped(accepted, ret)
        }
    }

    /// A ring that could not be mapped for want of something here is not the frontend's mistake.
    private func mapped(_ socket: XenV1Socket, _ ret: Int32?) -> Int32? {
        guard ret == 0 &- Errno.einval, let shortage = socket.channel.shortage else { return ret }
        if shortage.call != XenDomainMapper.refusal {
            domain.report(.error, device: number, "cannot map a data ring: \(shortage)")
        }
        return 0 &- Errno.enomem
    }

    /// RELEASE. What is held for the socket is answered before.
    private func release(_ socket: XenV1Socket) {
        if socket.socket.listener != nil {
            // The held ACCEPT of its listener is answered, too.
            let listener = sockets.values.first { $0.accepting === socket }
            socket.release()
            listener?.settle()
            return
        }
        let isListener = socket.socket.phase == .listening
        if isListener { socket.socket.answerHeld(0 &- Errno.ebadf) }
        if isListener, !socket.socket.answers.isEmpty {
            let answers = socket.socket.answers.map { answer in
                var response = answer.response
                // Nobody will collect an answer that says ACCEPT once the listener is gone, and in Linux's frontend the
                // place of it then blocks the command ring for good; one that says POLL is done with when it comes.
                response.command = Command.poll.rawValue
                return response
            }
            socket.socket.answers = []
            send(answers)
        }
        socket.settle()
        socket.release()
        socket.connection = nil
    }
}
