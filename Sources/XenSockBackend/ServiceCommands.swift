import Logging
import XenSockRing
import XenSockWire

/// The command ring of a session (docs/PROTOCOL.md, 2.3). Every request is answered at once, but for RELEASE and SHUTDOWN of a guest.
extension Service {
    /// Requests of one session performed in one turn, at most.
    static var commandBudget: Int { 32 }
    /// For how many others one counts that moves datagrams, or maps a guest's ring: it can take as long as a ring holds.
    static var movingCost: Int { 8 }

    /// - Returns: false if requests are left for another turn.
    @discardableResult
    func runCommands(_ session: Session, budget: Int = commandBudget, most: Int = .max) -> Bool {
        let isDone = performCommands(session, budget: budget, most: most)
        if let reason = session.endReason { end(session, reason: reason) }
        return isDone
    }

    /// Performs requests. What ends the session meanwhile only sets `endReason`.
    ///
    /// - Parameters:
    ///   - budget: of what they cost.
    ///   - most: of their number.
    /// - Returns: false if requests, of as many as `most` says, are left for another turn.
    @discardableResult
    func performCommands(_ session: Session, budget: Int = commandBudget, most: Int = .max) -> Bool {
        // Another's request, performed within one of this session, came upon this one again.
        guard !session.isRunning else { return true }
        session.isRunning = true
        defer { session.isRunning = false }
        if session.dialect != .xensock2 {
            runV1Commands(session)
            return true
        }
        do {
            var (spent, count) = (0, 0)
            while spent < budget, count < most {
                guard !session.isBroken, let ring = session.ring else { return true }
                guard let slot = try ring.nextRequest() else {
                    if !ring.awaitRequest() { queue(session) }
                    return true
                }
                let incoming = RequestCodec(.xensock2).decode(from: slot, arguments: session.arguments)
                if most == .max && overtakes(incoming, session) || !isDue(incoming, session) {
                    queue(session)
                    return false
                }
                guard !session.isBroken else { return true }
                session.ring?.consumeRequest()
                session.turnsPutOff = 0
                let cost = Self.cost(incoming, session)
                spent += cost
                if postedDepth > 0 { spendAhead(cost, by: session) }
                count += 1
                let response = execute(incoming, of: session)
                guard !session.isBroken else { return true }
                if let response { answer(response, to: session) }
            }
            queue(session)
            return count >= most
        } catch {
            violate(session, "more requests than the command ring has entries")
            return true
        }
    }

    private static func cost(_ incoming: IncomingRequest, _ session: Session) -> Int {
        switch incoming.content {
        case .success(.flush), .success(.look): movingCost
        case .success(.socket), .success(.connect), .success(.accept): session.xen == nil ? 1 : movingCost
        default: 1
        }
    }

    func answer(_ response: Response, to session: Session) {
        guard let slot = session.ring?.nextResponse() else { return }
        let codec = RequestCodec(.xensock2)
        do {
            try codec.encode(response, into: slot, arguments: session.arguments)
        } catch {
            var failure = response
            failure.ret = 0 &- Errno.einval
            failure.payload = .none
            try? codec.encode(failure, into: slot)
        }
        session.ring?.pushResponse()
        if session.ring?.publishResponses() == true { kick(session) }
    }

    /// - Returns: nil if the answer comes later.
    private func execute(_ incoming: IncomingRequest, of session: Session) -> Response? {
        let request: Request
        switch incoming.content {
        case .success(let content): request = content
        case .failure(let error): return incoming.response(error.ret)
        }
        guard let response = execute(request, incoming, of: session) else { return nil }
        log.debug(
            "request",
            metadata: [
                "session": "\(session.id)", "command": "\(incoming.command)", "id": "\(incoming.id.rawValue)",
                "ret": "\(response.ret)",
            ])
        return response
    }

    private func execute(_ request: Request, _ incoming: IncomingRequest, of session: Session) -> Response? {
        switch request {
        case .socket(let id, let domain, let type, let number, let port, let page):
            let ret = openSocket(
                session, id: id.rawValue, domain: domain, type: type & ~SocketRequest.posted, number: number,
                port: port.rawValue, page: page.rawValue)
            guard ret != 0 else { return incoming.response(0) }
            let isPosted = type == SocketType.stream | SocketRequest.posted
            if !isPosted || !keepStillborn(id.rawValue, port: port.rawValue, ret: ret, of: session) {
                giveBack(port.rawValue, of: session)
            }
            return incoming.response(ret)
        case .unknown, .poll:
            return incoming.response(0 &- Errno.enotsup)
        default:
            break
        }
        guard let socket = session.sockets[request.id.rawValue] else {
            if let answer = answerStillborn(request, incoming, of: session) { return answer }
            if case .accept(_, _, _, let port) = request { giveBack(port.rawValue, of: session) }
            return incoming.response(0 &- Errno.ebadf)
        }
        defer { settle(socket) }
        switch request {
        case .connect(_, let address, _, let ring, let port):
            guard ring == .indexesPage(GrantReference(reference(socket))), port.rawValue == socket.port else {
                return incoming.response(0 &- Errno.einval)
            }
            return incoming.response(connect(socket, address, session))
        case .release:
            return release(socket, incoming, session)
        case .bind(_, let address):
            let ret = address.withUnsafeBytes { bytes in
                let refusal = socket.refusesFamily(bytes) ? 0 : decide(socket.bindOperation(bytes), session)
                return refusal != 0 ? 0 &- refusal : socket.bind(bytes)
            }
            return incoming.response(ret)
        case .listen(_, let backlog):
            let refusal = decide(.listen, session)
            return incoming.response(refusal != 0 ? 0 &- refusal : socket.listen(backlog: backlog))
        case .accept(_, let newID, .indexesPage(let page), let port):
            let response = accept(
                incoming, socket, newID: newID.rawValue, page: page.rawValue, port: port.rawValue, session)
            if response.ret != 0 { giveBack(port.rawValue, of: session) }
            return response
        case .shutdown(_, let how, let position):
            return shutdown(socket, how: how, at: position, incoming, session)
        case .getsockname:
            return address(incoming) { socket.getsockname($0, length: &$1) }
        case .getpeername:
            return address(incoming) { socket.getpeername($0, length: &$1) }
        case .getsockopt(_, let level, let name, let length):
            return getsockopt(incoming, socket, level, name, length, session)
        case .setsockopt(_, let level, let name, let length, let position):
            return withUnsafeTemporaryAllocation(byteCount: ArgumentArea.slotSize, alignment: 8) { value in
                guard let arguments = session.arguments, let base = value.baseAddress,
                    arguments.read(incoming.requestID, into: base, count: Int(length))
                else { return incoming.response(0 &- Errno.einval) }
                let bytes = UnsafeRawBufferPointer(start: base, count: Int(length))
                if !session.credentials.isTrusted(byUser: userID) {
                    let refusal = OptionRules.unprivilegedRefusal(level: level, name: name, value: bytes)
                    guard refusal == 0 else { return incoming.response(0 &- refusal) }
                    if OptionRules.sharesPort(level: level, name: name, value: bytes) {
                        let ret = kernel.give(socket.network, toUser: session.credentials.kernelUserID)
                        guard ret == 0 else { return incoming.response(0 &- Errno.eperm) }
                    }
                }
                if socket.agentRelay != nil, OptionRules.orderedSize(level: level, name: name) != nil {
                    let value = Array(bytes)
                    return performBehindAgent(socket, incoming, session) { position in
                        value.withUnsafeBytes {
                            incoming.response(socket.setsockopt(level: level, name: name, value: $0, at: position))
                        }
                    }
                }
                return incoming.response(socket.setsockopt(level: level, name: name, value: bytes, at: position))
            }
        case .ioctl(_, let number):
            func perform(_ written: UInt32?) -> Response {
                var value: Int32 = 0
                let ret = socket.ioctl(request: number, value: &value, written: written)
                return incoming.response(ret, ret == 0 ? .value(value) : .none)
            }
            return socket.agentRelay == nil ? perform(nil) : performBehindAgent(socket, incoming, session, perform)
        case .flush(_, let position):
            return incoming.response(socket.flush(through: position))
        case .look:
            return incoming.response(look(socket, session))
        case .recverr(_, let offset):
            return receiveError(incoming, socket, offset: offset, session)
        case .sendOOB(_, let position, let byte):
            guard socket.agentRelay != nil else {
                return incoming.response(socket.sendOutOfBand(byte, at: position))
            }
            return performBehindAgent(socket, incoming, session) {
                incoming.response(socket.sendOutOfBand(byte, at: $0))
            }
        case .relay:
            return relay(socket, incoming, session)
        default:
            return incoming.response(0 &- Errno.enotsup)
        }
    }

    private func decide(_ operation: PolicyOperation, _ session: Session) -> Int32 {
        policy.decide(operation, credentials: session.credentials)
    }

    private func reference(_ socket: Socket) -> UInt32 {
        socket.arena.reference(socket.indexes, port: socket.port)
    }

    private func openSocket(
        _ session: Session, id: UInt64, domain: UInt32, type: UInt32, number: UInt32, port: UInt32, page: UInt32
    ) -> Int32 {
        guard session.sockets[id] == nil else { return 0 &- Errno.eexist }
        awaitPair(of: port, session)
        guard session.arena?.pending[port] != nil else { return 0 &- Errno.ebadf }
        let isStream = type == SocketType.stream
        var network: Int32 = -1
        if domain != Resolver.domain {
            switch domain {
            case SocketDomain.inet, SocketDomain.inet6, SocketDomain.unix: break
            default: return 0 &- Errno.eafnosupport
            }
            guard isServed(domain: domain, type: type) else { return 0 &- Errno.esocktnosupport }
            let (domain, type, number) = (Int32(domain), Int32(type), Int32(bitPattern: number))
            let refusal = decide(.socket(domain: domain, type: type, protocolNumber: number), session)
            guard refusal == 0 else { return 0 &- refusal }
            network = kernel.socket(domain: domain, type: type, protocolNumber: number)
            guard network >= 0 else { return network }
        } else if type != SocketType.stream {
            return 0 &- Errno.esocktnosupport
        }
        switch makeSocket(
            session, id: id, port: port, indexes: page, network: network, domain: domain, type: type)
        {
        case .success(let socket):
            return isStream ? 0 : openDatagrams(socket, session)
        case .failure(let error): return error.ret
        }
    }

    /// A port's socket never came to be: its pair is dropped, and its generation says that the port is free again.
    private func giveBack(_ port: UInt32, of session: Session) {
        // A pair that comes only after this would be taken for that of the next request.
        awaitPair(of: port, session)
        guard !session.isClosed, let arena = session.arena, arena.isSocketPort(port), arena.sockets[Int(port)] == nil
        else { return }
        if let pair = arena.pending.removeValue(forKey: port) { kernel.closePlaceholder(pair.placeholder) }
        arena.releasePort(port)
        arena.status(port).free(nextGeneration: arena.nextGeneration(port))
    }

    /// PORT was sent before the request that names it, but on another way: it may still wait there.
    private func awaitPair(of port: UInt32, _ session: Session) {
        guard let arena = session.arena, arena.isSocketPort(port), arena.pending[port] == nil,
            arena.sockets[Int(port)] == nil
        else { return }
        if arena.xen != nil { return takePair(of: port, arena) }
        receiveFrames(session, untilPort: port)
    }

    private func connect(_ socket: Socket, _ address: SocketAddress, _ session: Session) -> Int32 {
        if socket.resolver != nil { return socket.connect(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return address.withUnsafeBytes { bytes in
            // Of the domains here only AF_UNIX has no such thing; there the kernel refuses the address.
            if socket.domain != SocketDomain.unix, bytes.count >= 2, bytes.loadUnaligned(as: UInt16.self) == 0 {
                return socket.disconnect(bytes)
            }
            let refusal = socket.refusesFamily(bytes) ? 0 : decide(socket.connectOperation(bytes), session)
            return refusal != 0 ? 0 &- refusal : socket.connect(bytes)
        }
    }

    private func accept(
        _ incoming: IncomingRequest, _ listener: Socket, newID: UInt64, page: UInt32, port: UInt32, _ session: Session
    ) -> Response {
        guard session.sockets[newID] == nil else { return incoming.response(0 &- Errno.eexist) }
        awaitPair(of: port, session)
        // Looked at before a connection is taken, which could not be put back.
        guard let arena = session.arena, arena.pending[port] != nil else {
            return incoming.response(0 &- Errno.ebadf)
        }
        guard arena.sockets[Int(port)] == nil else { return incoming.response(0 &- Errno.einval) }
        if let xen = session.xen, openSockets(ofDomain: xen.device.domain.rawValue) >= xen.device.maximumSockets {
            return incoming.response(0 &- Errno.emfile)
        }
        // Mapping a guest's pages for nothing would be dear.
        if arena.xen != nil, let arrivals = listener.arrivalsIfNoneWaits() {
            let payload = Response.Payload.accepted(SocketAddress(), empty: true, arrivals: arrivals)
            return incoming.response(0 &- Errno.eagain, payload)
        }
        switch arena.indexesPage(page, port: port) {
        case .success(let indexes):
            let ret = arena.prepareDataRing(indexes: indexes, port: port)
            guard ret == 0 else { return incoming.response(ret) }
        case .failure(let error): return incoming.response(error.ret)
        }
        return withUnsafeTemporaryAllocation(byteCount: SocketAddress.capacity, alignment: 8) { buffer in
            guard let base = buffer.baseAddress else { return incoming.response(0 &- Errno.enomem) }
            var length = UInt32(SocketAddress.capacity)
            let (network, empty, arrivals) = listener.accept(address: base, length: &length)
            guard network >= 0 else {
                return incoming.response(network, .accepted(SocketAddress(), empty: empty, arrivals: arrivals))
            }
            let address = SocketAddress(bytes: base, length: min(Int(length), SocketAddress.capacity))
            let payload = Response.Payload.accepted(address ?? SocketAddress(), empty: empty, arrivals: arrivals)
            switch makeSocket(
                session, id: newID, port: port, indexes: page, network: network, domain: listener.domain,
                type: listener.type)
            {
            case .success(let socket):
                let ret = socket.adopt(from: listener)
                if ret != 0 { socket.violate("a data ring that changed during ACCEPT") }
                settle(socket)
                return incoming.response(ret, payload)
            case .failure(let error):
                return incoming.response(error.ret, payload)
            }
        }
    }

    private func address(
        _ incoming: IncomingRequest, _ call: (UnsafeMutableRawPointer, inout UInt32) -> Int32
    ) -> Response {
        withUnsafeTemporaryAllocation(byteCount: SocketAddress.capacity, alignment: 8) { buffer in
            guard let base = buffer.baseAddress else { return incoming.response(0 &- Errno.enomem) }
            var length = UInt32(SocketAddress.capacity)
            let ret = call(base, &length)
            guard ret == 0, let address = SocketAddress(bytes: base, length: min(Int(length), SocketAddress.capacity))
            else { return incoming.response(ret) }
            return incoming.response(0, .address(address))
        }
    }

    private func getsockopt(
        _ incoming: IncomingRequest, _ socket: Socket, _ level: Int32, _ name: Int32, _ room: UInt32, _ session: Session
    ) -> Response {
        withUnsafeTemporaryAllocation(byteCount: ArgumentArea.slotSize, alignment: 8) { value in
            guard let base = value.baseAddress, let arguments = session.arguments else {
                return incoming.response(0 &- Errno.enomem)
            }
            // Uninitialised memory of the service must not reach the frontend, whatever the kernel leaves out.
            value.initializeMemory(as: UInt8.self, repeating: 0)
            var length = min(room, UInt32(ArgumentArea.slotSize))
            if OptionRules.readsValue(level: level, name: name) {
                guard arguments.read(incoming.requestID, into: base, count: Int(length)) else {
                    return incoming.response(0 &- Errno.einval)
                }
                let given = UnsafeMutableRawBufferPointer(start: base, count: Int(length))
                OptionRules.bound(given, level: level, name: name)
            }
            let ret = socket.getsockopt(level: level, name: name, value: base, length: &length)
            guard ret == 0 else { return incoming.response(ret) }
            length = min(length, UInt32(ArgumentArea.slotSize))
            guard arguments.write(incoming.requestID, from: base, count: Int(length)) else {
                return incoming.response(0 &- Errno.einval)
            }
            return incoming.response(0, .length(length))
        }
    }
}
