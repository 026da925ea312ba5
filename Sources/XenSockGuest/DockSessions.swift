import CXenSockSystem
import Glibc
import Logging
import XenSockPlatform
import XenSockRing
import XenSockWire
import XenSockXen

/// Sessions: how they begin and end.
extension Dock {
    func accept(_ listener: Int32, isOwn: Bool) {
        for _ in 0..<16 {
            let flags = Int(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let descriptor = Int32(truncatingIfNeeded: xs_syscall(Int(SYS_accept4), Int(listener), 0, 0, flags, 0, 0))
            if descriptor == -EMFILE || descriptor == -ENFILE {
                // It would be reported for ever.
                log.warning("out of descriptors")
                usleep(10_000)
            }
            guard descriptor >= 0 else { return }
            begin(descriptor, isOwn: isOwn, parent: nil)
        }
    }

    /// Serves a session socket. Taken over.
    ///
    /// - Parameter parent: the session whose door it came through.
    func begin(_ descriptor: Int32, isOwn: Bool, parent: DockSession?) {
        guard let (process, user) = FrameSocket.credentials(descriptor) else {
            StrangeDescriptors.end(descriptor)
            return
        }
        let refusal = refusal(process: process, user: user, isOwn: isOwn, parent: parent)
        guard refusal == 0 else {
            report("refused process \(process) of user \(user): errno \(refusal)")
            return turnAway(descriptor, refusal)
        }
        // One that came through a door may be as its maker left it.
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        let session = DockSession(
            id: nextSession, descriptor: descriptor, process: process, user: user, isOwn: isOwn,
            account: account(user, isOwn: isOwn))
        if let parent { session.inherited = inheritance(of: parent) }
        nextSession += 1
        sessionShares.take(1, session.account)
        descriptorShares.take(Self.descriptorsPerSession, session.account)
        sessions[session.id] = session
        limit(session, 10 * Self.second)
        watch(descriptor, .socket(session))
        if !isOwn, process != parent?.process { watchProcess(session) }
        log.debug("session \(session.id) of process \(process), user \(user)")
    }

    /// A process may end while others hold its session's socket.
    private func watchProcess(_ session: DockSession) {
        let descriptor = Int32(
            truncatingIfNeeded: xs_syscall(Int(SYS_pidfd_open), Int(session.process), 0, 0, 0, 0, 0))
        guard descriptor >= 0 else { return }
        session.processDescriptor = descriptor
        watch(descriptor, .process(session))
    }

    func processEnded(_ session: DockSession) {
        closeProcess(session)
        guard session.descriptor >= 0 else { return }
        log.debug("session \(session.id): its process ended")
        // Its last frames come before its end; whoever inherited the socket comes in by it.
        receive(session)
        guard session.descriptor >= 0 else { return }
        session.isDoor = true
        finish(session)
    }

    private func closeProcess(_ session: DockSession) {
        guard session.processDescriptor >= 0 else { return }
        poller.remove(session.processDescriptor)
        close(session.processDescriptor)
        session.processDescriptor = -1
    }

    // MARK: Beginning

    func hello(_ session: DockSession, wantedPorts: UInt32) {
        guard let connection else { return refuse(session, ENETDOWN) }
        let granularity = Arena.portGranularity
        // No more than could have a ring each: ports cost pages, too.
        let most = min(configuration.maximumPorts, budget.mostRings)
        let wanted = max(min(wantedPorts == 0 ? 1024 : wantedPorts, most), XenSession.minimumPorts)
        let ports = (wanted + granularity - 1) / granularity * granularity
        do throws(XenError) {
            session.memory = try allocate(ports, for: session, connection)
        } catch {
            return refuse(session, error.isShortage ? ENOBUFS : ENETDOWN)
        }
        guard let memory = session.memory else { return }
        watch(memory.channels.descriptor, .channels(session))
        if memory.isRelayed { watch(memory.doorbell, .doorbell(session)) }
        _ = memory.back.sleep()
        session.phase = .opening
        limit(session, Self.patience)
        submit(.session(session))
    }

    private func allocate(
        _ ports: UInt32, for session: DockSession, _ connection: GuestConnection
    ) throws(XenError) -> DockSession.Memory {
        let backend = connection.backend
        let account = session.account
        let control = try budget.allocate(
            pages: Int(XenSession.controlPages(ports: ports)), for: backend, account: account)
        var dock: GrantAllocation?
        do throws(XenError) {
            let pages = try budget.allocate(
                pages: Int(XenSession.dockPages(ports: ports)), for: backend, account: account)
            dock = pages
            nextArena &+= 1
            session.arena = nextArena
            return try DockSession.Memory(
                ports: ports, arenaID: nextArena, control: control, dock: pages, platform: platform, backend: backend,
                isOwn: session.isOwn)
        } catch {
            report("a session cannot be opened: \(error)")
            budget.free(dock, account: account)
            budget.free(control, account: account)
            throw error
        }
    }

    func answerHello(_ session: DockSession) {
        guard let memory = session.memory else { return }
        guard mayHave(session) else { return refuse(session, EACCES) }
        var answer = FrameBuilder(.hello, argument: 0)
        answer.append(session.number)
        answer.append(memory.ports)
        answer.append(memory.arenaID)
        answer.append(node: Node.versions, "1")
        answer.append(node: Node.maximumPageOrder, "\(Arena.maximumOrder)")
        answer.append(node: Node.functionCalls, "1")
        answer.append(node: Node.featureXenSock2, "1")
        if session.features & XenSession.postedFeature != 0 { answer.append(node: Node.featurePosted, "1") }
        answer.append(node: Node.controlOffset, "\(memory.control.offset)")
        answer.append(node: Node.state, "\(XenBusState.initWait.rawValue)")
        send(answer, memory.control.descriptor, memory.doorbell, to: session)
    }

    /// Answers HELLO with an error, and ends the session.
    func refuse(_ session: DockSession, _ error: Int32) {
        var answer = FrameBuilder(.hello, argument: UInt32(error))
        answer.append(UInt64(0))
        send(answer, -1, -1, to: session)
        end(session, reason: "refused, errno \(error)")
    }

    // MARK: Ending

    /// The session's socket is of no more use: it hung up, or broke the protocol.
    func end(_ session: DockSession, reason: String) {
        guard session.descriptor >= 0 else { return }
        log.debug("session \(session.id) closed: \(reason)")
        poller.remove(session.descriptor)
        StrangeDescriptors.end(session.descriptor)
        session.descriptor = -1
        session.deadline = .max
        forget { target in if case .socket(let other) = target { other === session } else { false } }
        finish(session)
    }

    /// Tells the backend that the session's program is gone. Its sockets live on until their placeholders hang up.
    func finish(_ session: DockSession) {
        switch session.phase {
        case .open:
            session.phase = .ending
            submit(.end(session))
        case .opening where session.number != 0:
            session.phase = .ending
            submit(.end(session))
        case .opening, .ending: break
        case .fresh, .ended: collect(session)
        }
    }

    /// Frees a session that nothing is left of.
    func collect(_ session: DockSession) {
        guard session.descriptor < 0 || session.isDoor, session.placeholders.isEmpty else { return }
        switch session.phase {
        case .ended, .fresh: break
        case .opening, .open, .ending: return
        }
        free(session)
        if session.descriptor < 0 { remove(session) }
    }

    /// Ends a session whose backend is gone, at once.
    func discard(_ session: DockSession) {
        session.phase = .ended
        for placeholder in session.placeholders.values {
            cookies[placeholder.cookie] = nil
            placeholder.lose()
        }
        descriptorShares.give(session.placeholders.count, session.account)
        session.placeholders = [:]
        if session.descriptor >= 0 {
            poller.remove(session.descriptor)
            StrangeDescriptors.end(session.descriptor)
            session.descriptor = -1
        }
        free(session)
        remove(session)
    }

    private func free(_ session: DockSession) {
        guard let memory = session.memory else { return }
        poller.remove(memory.channels.descriptor)
        if memory.isRelayed { poller.remove(memory.doorbell) }
        for ring in session.rings.values { freeRing(ring, of: session) }
        session.rings = [:]
        memory.channels.unbind(memory.channel)
        if let bell = memory.bell { retire(bell, of: session) }
        free(memory.control, of: session)
        budget.free(memory.dock, account: session.account)
        session.memory = nil
    }

    /// Gives pages back that programs have had.
    func free(_ pages: GrantAllocation?, of session: DockSession) {
        budget.free(pages, account: session.account, holder: session.holder ?? session.account)
    }

    /// Likewise, a port's, which are an allocation with a descriptor of its own.
    func freeRing(_ pages: GrantAllocation?, of session: DockSession) {
        guard pages != nil else { return }
        free(pages, of: session)
        descriptorShares.give(1, session.account)
    }

    private func remove(_ session: DockSession) {
        closeProcess(session)
        guard sessions.removeValue(forKey: session.id) != nil else { return }
        sessionShares.give(1, session.account)
        descriptorShares.give(Self.descriptorsPerSession, session.account)
        forget { target in
            switch target {
            case .socket(let other), .process(let other), .channels(let other), .doorbell(let other),
                .placeholder(let other, _):
                other === session
            default: false
            }
        }
    }
}

extension XenError {
    /// Whether more of something, as its text says, would have helped.
    var isShortage: Bool { errno == ENOSPC || errno == ENOMEM || errno == EMFILE || errno == ENFILE }
}
