import Logging
import XenSockPlatform
import XenSockRing
import XenSockWire

/// What the service does for its sockets after each of their steps.
extension Service {
    /// Looks at what a step of `socket` left behind. To be called after every one.
    func settle(_ socket: Socket) {
        if let violation = socket.violation {
            socket.violation = nil
            report("socket on port \(socket.port) of arena \(socket.arena.id): \(violation)")
        }
        if let resolver = socket.resolver, resolver.isComplete { hand(resolver, of: socket) }
        if socket.placeholder < 0 { detach(socket) }
        if socket.phase == .gone { return remove(socket) }
        if socket.isTimed, !socket.isDraining {
            socket.isDraining = true
            draining.append(socket)
            if socket.lingerEnd != nil { nextDrainCheck = 0 }
        }
        if socket.wantsTurn, !socket.isQueued {
            socket.isQueued = true
            readySockets.append(socket)
        }
    }

    /// The program is gone: no session can name the socket any more.
    private func detach(_ socket: Socket) {
        guard !socket.isDetached else { return }
        socket.isDetached = true
        sources.remove(socket.placeholderSource)
        cookies[socket.cookie] = nil
        for reference in socket.references {
            sessions[reference.session]?.sockets[reference.id] = nil
        }
        socket.references = []
        finishWaits(of: socket)
        if case .asked(let query) = socket.resolver?.step {
            queries[query] = nil
            resolver.cancel(completion: query)
        }
    }

    private func remove(_ socket: Socket) {
        guard !socket.isRemoved else { return }
        socket.isRemoved = true
        sources.remove(socket.networkSource)
        socket.arena.sockets[Int(socket.port)] = nil
        socket.arena.takenPorts.remove(socket.port)
        socketCount -= 1
        count(-1, of: socket.arena)
        forgetLeftover(of: socket)
        collect(socket.arena)
    }

    /// Gives an arena back that nobody needs. Its memory goes at the end of the turn, which may still be looking at it.
    func collect(_ arena: Arena) {
        guard arena.isOrphan, arena.liveSockets == 0, !arena.isUnwatched else { return }
        arena.isUnwatched = true
        if arena.xen == nil {
            kernel.epollDelete(epoll, arena.doorbell)
            sources.remove(arena.source)
        }
        deadArenas.append(arena)
    }

    func destroyDeadArenas() {
        guard !deadArenas.isEmpty else { return }
        awakeArenas.removeAll { $0.isUnwatched }
        for arena in deadArenas { arena.destroy() }
        deadArenas = []
    }

    /// Makes the socket of a port whose pair has come.
    ///
    /// - Parameter network: the real socket, taken over; -1 for a resolver.
    /// - Returns: the socket, or a negative errno; then `network` is closed and the pair still waits.
    func makeSocket(
        _ session: Session, id: UInt64, port: UInt32, indexes: UInt32, network: Int32, domain: UInt32, type: UInt32
    ) -> Result<Socket, WireError> {
        func refuse(_ error: Int32) -> Result<Socket, WireError> {
            if network >= 0 { kernel.close(network) }
            return .failure(WireError(error))
        }
        guard let arena = session.arena, let pair = arena.pending[port], cookies[pair.cookie] == nil else {
            return refuse(Errno.ebadf)
        }
        let page: UnsafeMutableRawPointer
        switch arena.indexesPage(indexes, port: port) {
        case .success(let found): page = found
        case .failure(let error): return refuse(error.number)
        }
        let networkSource = sources.add(.none)
        let placeholderSource = sources.add(.none)
        let socket = Socket(
            kernel: kernel, epoll: epoll, arena: arena, port: port, pair: pair, network: network, domain: domain,
            type: type, indexes: page, networkData: sources.data(networkSource),
            placeholderData: sources.data(placeholderSource))
        let result = socket.open()
        guard result == 0 else {
            sources.remove(networkSource)
            sources.remove(placeholderSource)
            return refuse(0 &- result)
        }
        sources.set(networkSource, .network(socket))
        sources.set(placeholderSource, .placeholder(socket))
        socket.networkSource = networkSource
        socket.placeholderSource = placeholderSource
        if network < 0 { socket.resolver = ResolverExchange() }
        arena.pending[port] = nil
        arena.sockets[Int(port)] = socket
        arena.takenPorts.insert(port)
        // The agent knows a guest's sockets by what SO_COOKIE is there.
        if arena.xen == nil { cookies[pair.cookie] = socket }
        socketCount += 1
        count(1, of: arena)
        name(socket, id, in: session)
        return .success(socket)
    }

    /// Gives a socket a name in a session.
    func name(_ socket: Socket, _ id: UInt64, in session: Session) {
        session.sockets[id] = socket
        socket.references.append(SocketReference(session: session.id, id: id))
        session.mayLock(in: socket.arena)
    }

    /// Milliseconds until the first deadline; -1 if there is none.
    func untilDeadline() -> Int32 {
        guard hasDeadlines else { return -1 }
        let now = kernel.now()
        let left = nextDrainCheck > now ? (nextDrainCheck &- now) / 1_000_000 &+ 1 : 1000
        return left < 1000 ? Int32(truncatingIfNeeded: left) : 1000
    }

    private var hasDeadlines: Bool {
        !draining.isEmpty || !drainingV1.isEmpty || listenerResumes != nil || !silent.isEmpty || !refused.isEmpty
            || !secondly.isEmpty
    }

    func checkDeadlines() {
        guard hasDeadlines else { return }
        let now = kernel.now()
        if let resumes = listenerResumes, now >= resumes { resumeListening() }
        guard now >= nextDrainCheck else { return }
        nextDrainCheck = now &+ 1_000_000_000
        for socket in draining {
            if let next = socket.drainDeadline(now: now), next < nextDrainCheck { nextDrainCheck = next }
            settle(socket)
        }
        draining.removeAll { $0.phase == .gone }
        checkV1Drains(now: now)
        let due = secondly
        secondly = []
        secondly.append(contentsOf: due.filter { $0(now) })
        if now >= refusedEnd {
            for descriptor in refused { StrangeDescriptors.end(descriptor) }
            refused = []
        }
        silent.removeAll { $0.arena != nil || $0.isClosed }
        while let session = silent.first, now >= session.helloDeadline {
            silent.removeFirst()
            end(session, reason: "no HELLO")
        }
    }

    /// One line about a frontend that broke the protocol.
    func report(_ text: @autoclosure () -> String) {
        guard let suppressed = violations.admit(now: kernel.now()) else { return }
        log.warning("\(text())", metadata: suppressed > 0 ? ["suppressed": "\(suppressed)"] : nil)
    }

    // MARK: Names

    /// Hands a whole query to the resolver, if the policy allows.
    private func hand(_ exchange: ResolverExchange, of socket: Socket) {
        exchange.isComplete = false
        let session = socket.references.lazy.compactMap { self.sessions[$0.session] }.first
        guard let session else {
            // Nobody asks any more, and a query that stays would be looked at in each turn.
            return socket.answerQuery(
                ResolverExchange.failure(status: ResolverQuery.systemError, errno: Errno.eio))
        }
        let refusal = ResolverQuery.operation(exchange.query) { operation in
            policy.decide(operation, credentials: session.credentials)
        }
        let query = nextQuery
        nextQuery &+= 1
        let failure =
            refusal != 0
            ? refusal
            : exchange.query.withUnsafeBytes {
                resolver.start(query: $0, completion: query, asker: session.credentials.account)
            }
        guard failure == 0 else {
            return socket.answerQuery(ResolverExchange.failure(status: ResolverQuery.systemError, errno: failure))
        }
        exchange.step = .asked(query)
        queries[query] = socket
    }

    func takeAnswers() { deliver(resolver.takeResults) }

    /// Hands answer records to the sockets that asked.
    ///
    /// - Parameter results: calls its argument with each completion and its record.
    public func deliver(_ results: ((UInt64, [UInt8]) -> Void) -> Void) {
        results { query, answer in
            guard let socket = queries.removeValue(forKey: query) else { return }
            socket.answerQuery(answer)
            settle(socket)
        }
    }
}
