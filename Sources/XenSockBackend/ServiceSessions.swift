import CXenSockSystem
import Logging
import XenSockPlatform
import XenSockRing
import XenSockWire

/// Sessions: how they begin and end.
extension Service {
    func acceptSessions() {
        for _ in 0..<16 {
            let descriptor = kernel.acceptSession(listener)
            if descriptor >= 0 {
                openSession(descriptor, parent: nil)
                continue
            }
            if descriptor == 0 &- Errno.emfile || descriptor == 0 &- Errno.enfile { pauseListening() }
            return
        }
    }

    /// A listener that cannot be accepted from would be ready for ever.
    private func pauseListening() {
        guard listenerResumes == nil else { return }
        _ = kernel.epollModify(epoll, listener, events: 0, data: sources.data(listenerSource))
        listenerResumes = kernel.now() &+ 1_000_000_000
        log.warning("out of descriptors: no new sessions for a second")
    }

    func resumeListening() {
        listenerResumes = nil
        _ = kernel.epollModify(
            epoll, listener, events: EpollEvents.input, data: sources.data(listenerSource))
    }

    /// Serves a connected SOCK_SEQPACKET socket as a session. Taken over.
    ///
    /// - Parameter parent: the session whose door it came through.
    func openSession(_ descriptor: Int32, parent: Session?) {
        guard let credentials = kernel.credentials(descriptor), let id = unusedSessionID() else {
            return StrangeDescriptors.end(descriptor)
        }
        if parent != nil, isNamed(descriptor) { return StrangeDescriptors.end(descriptor) }
        let refusal = parent.map { doorRefusal(credentials, $0) } ?? refusal(credentials, hasDoor: false)
        guard refusal == 0 else {
            report("refused process \(credentials.processID) of user \(credentials.userID): errno \(refusal)")
            return refuse(descriptor, errno: refusal)
        }
        let session = Session(id: id, credentials: credentials, descriptor: descriptor)
        session.helloDeadline = kernel.now() &+ configuration.helloLimit
        session.source = sources.add(.session(session))
        let events = EpollEvents.input | EpollEvents.readHangup
        guard kernel.epollAdd(epoll, descriptor, events: events, data: sources.data(session.source)) == 0 else {
            sources.remove(session.source)
            return StrangeDescriptors.end(descriptor)
        }
        sessions[id] = session
        sessionsOfUser[credentials.userID, default: 0] += 1
        silent.append(session)
        if let parent {
            for arena in parent.otherArenas where !arena.isDestroyed { session.mayLock(in: arena) }
            session.inheritedArenas = parent.inheritedArenas
            if let arena = parent.arena, !arena.isDestroyed {
                session.mayLock(in: arena)
                session.inheritedArenas.insert(arena.id)
            }
        }
        // A door's pair that the opener of the parent made says nothing about who holds the other end.
        if credentials.processID != parent?.credentials.processID { watchProcess(of: session) }
        log.info(
            "session \(id) opened",
            metadata: ["pid": "\(credentials.processID)", "uid": "\(credentials.userID)"])
    }

    /// Session ids tag locks, so none is used twice while a process could still hold one.
    func unusedSessionID() -> UInt32? {
        for _ in 0..<16 {
            let id = nextSession
            nextSession = nextSession == UInt32(Int32.max) ? 1 : nextSession + 1
            if sessions[id] == nil { return id }
        }
        return nil
    }

    /// Whether a socket's far end has a name, as the service's own ends have. The far end of a door is a program's; were it
    /// the service's, two sessions would keep each other open.
    private func isNamed(_ descriptor: Int32) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { buffer in
            var length: UInt32 = 128
            guard let base = buffer.baseAddress else { return true }
            return kernel.getpeername(descriptor, address: base, length: &length) == 0 && length > 2
        }
    }

    /// Through a door a process may have other rights than its parent, but not more: a pair that a privileged process
    /// made does not show that such a one holds its far end.
    private func doorRefusal(_ credentials: PeerCredentials, _ parent: Session) -> Int32 {
        let (user, parentUser) = (credentials.userID, parent.credentials.userID)
        let claimsMore = user != parentUser && parentUser != 0 && (user == 0 || user == userID)
        return claimsMore ? Errno.eacces : refusal(credentials, hasDoor: true)
    }

    /// - Parameter hasDoor: it came through an admitted session, which a process holds that has given up its privileges.
    private func refusal(_ credentials: PeerCredentials, hasDoor: Bool) -> Int32 {
        let user = credentials.userID
        let isAllowed =
            hasDoor || user == userID || user == 0 || configuration.allowsAnyUser
            || configuration.allowedUsers.contains(user)
        if !isAllowed { return Errno.eacces }
        if StrangeDescriptors.isFull(user) { return Errno.eagain }
        guard sessions.count < configuration.maximumSessions else { return Errno.eagain }
        // Who ends sessions while their sockets live on has as many arenas as sessions then.
        let open = max(sessionsOfUser[user, default: 0], arenasOfUser[user, default: 0])
        return open < configuration.maximumSessionsPerUser ? 0 : Errno.eagain
    }

    private func watchProcess(of session: Session) {
        let process = kernel.processDescriptor(session.descriptor, processID: session.credentials.processID)
        guard process >= 0 else { return }
        // Who has ended already left its end to another: only the hang-up tells then.
        guard kernel.poll(process, .input).isEmpty else { return kernel.close(process) }
        let source = sources.add(.process(session))
        guard kernel.epollAdd(epoll, process, events: EpollEvents.input, data: sources.data(source)) == 0 else {
            sources.remove(source)
            return kernel.close(process)
        }
        session.process = process
        session.processSource = source
    }

    /// Ends a session. Its sockets live on until their placeholders hang up.
    ///
    /// - Parameter keepingDoor: others may have inherited its socket and need a way in.
    func end(_ session: Session, reason: String, keepingDoor: Bool = false) {
        guard !session.isClosed else { return }
        guard !session.isRunning else { return session.endReason = reason }
        // The dead may have asked for what its sockets, which live on elsewhere, still need.
        session.isEnding = true
        performCommands(session, budget: Self.commandBudget * Self.movingCost)
        session.isClosed = true
        // The dead may have taken `sleeping` away and not signalled: nobody else would.
        for arena in LockRecovery.arenas(of: session) { awaken(arena) }
        LockRecovery.breakLocks(of: session) { settle($0) }
        LockRecovery.breakV1Locks(of: session) { settle($0) }
        forgetV1(session)
        var visited: Set<ObjectIdentifier> = []
        // It may have given one socket all its names.
        for socket in session.sockets.values where visited.insert(ObjectIdentifier(socket)).inserted {
            socket.references.removeAll { $0.session == session.id }
            // Nobody is left who could take its error, or would be seen to close it.
            if socket.references.isEmpty, socket.isTimed, socket.phase == .reset {
                socket.finish(abort: true)
                settle(socket)
            }
        }
        session.sockets = [:]
        let keepsDoor = keepingDoor && keepDoor(of: session)
        if !keepsDoor, session.descriptor >= 0 {
            kernel.epollDelete(epoll, session.descriptor)
            sources.remove(session.source)
            StrangeDescriptors.end(session.descriptor)
            session.descriptor = -1
        }
        if session.process >= 0 {
            kernel.epollDelete(epoll, session.process)
            sources.remove(session.processSource)
            kernel.close(session.process)
        }
        sessions[session.id] = nil
        if session.xen == nil {
            let user = session.credentials.userID
            let left = sessionsOfUser[user, default: 1] - 1
            sessionsOfUser[user] = left > 0 ? left : nil
        }
        session.ring = nil
        if !keepsDoor { session.otherArenas = [] }
        if let arena = session.arena {
            for (port, pair) in arena.pending {
                kernel.closePlaceholder(pair.placeholder)
                arena.releasePort(port)
            }
            arena.pending = [:]
            arena.isOrphan = true
            collect(arena)
        }
        if let guest = session.xen {
            guest.device.report(.info, "session \(session.id) closed: \(reason)")
        } else {
            log.info("session \(session.id) closed: \(reason)")
        }
    }

    /// The frontend broke the protocol.
    func violate(_ session: Session, _ reason: String) {
        let domain = session.credentials.domainID.map { " of domain \($0)" } ?? ""
        report("session \(session.id) of process \(session.credentials.processID)\(domain): \(reason)")
        session.isBroken = true
        end(session, reason: "violation")
    }

    /// Makes the memory of a session.
    ///
    /// - Returns: the arena or a positive errno.
    func makeArena(for session: Session, wantedPorts: UInt32) -> Result<Arena, WireError> {
        let granularity = XenSockWire.Arena.portGranularity
        let limit = max(granularity, min(configuration.maximumPorts, XenSockWire.Arena.maximumPorts))
        let wanted = wantedPorts == 0 ? configuration.defaultPorts : wantedPorts
        let ports = (min(max(wanted, 1), limit) + granularity - 1) / granularity * granularity
        let size = Int(XenSockWire.Arena.pageCount(ports: ports)) * pageSize
        let memory = kernel.sealedMemory(size: size)
        guard memory >= 0 else { return .failure(WireError(0 &- memory)) }
        let doorbell = kernel.eventDescriptor()
        guard doorbell >= 0 else {
            kernel.close(memory)
            return .failure(WireError(0 &- doorbell))
        }
        guard let base = kernel.map(memory, offset: 0, size: size) else {
            kernel.close(memory)
            kernel.close(doorbell)
            return .failure(WireError(Errno.enomem))
        }
        let arena = Arena(kernel: kernel, id: nextArena, ports: ports, base: base, memory: memory, doorbell: doorbell)
        nextArena &+= 1
        arena.session = session
        arena.userID = session.credentials.userID
        arena.source = sources.add(.doorbell(arena))
        let events = EpollEvents.input | EpollEvents.edge
        guard kernel.epollAdd(epoll, doorbell, events: events, data: sources.data(arena.source)) == 0 else {
            sources.remove(arena.source)
            arena.destroy()
            return .failure(WireError(Errno.enomem))
        }
        let user = arena.userID
        arenasOfUser[user, default: 0] += 1
        arena.whenDestroyed = { [weak self] in
            guard let self else { return }
            let left = arenasOfUser[user, default: 1] - 1
            arenasOfUser[user] = left > 0 ? left : nil
        }
        awaken(arena)
        return .success(arena)
    }
}
