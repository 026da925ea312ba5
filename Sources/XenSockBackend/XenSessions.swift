import Logging
import XenSockRing
import XenSockWire
import XenSockXen

/// One session of a guest: a session as any other, and what the device owes its agent.
final class GuestSession {
    let session: Session
    /// Locks of the dead that are freed when the agent has looked.
    var heldLocks = 0
    /// END, not answered yet.
    var ending: XenRequest?

    init(session: Session) { self.session = session }
}

/// The sessions of a device that speaks `xensock2` (docs/PROTOCOL.md, 3.7).
final class XenSessions: XenConnection {
    /// Device requests performed in one turn, at most.
    static let budget = 8
    /// Requests in succession that make no sense, before the guest is taken for hostile.
    static let patience = 64

    /// Which closes its devices when it ends, and is not to be retained then.
    unowned(unsafe) let service: Service
    unowned let device: any XenDeviceServices
    private let page: GrantMapping
    private let port: UInt32
    private var ring: CommandRingBack
    /// By the agent's names.
    private var sessions: [UInt64: GuestSession] = [:]
    /// By the agent's name of the session that each was made for; they outlive it while they have sockets.
    private(set) var arenas: [UInt64: Service.Arena] = [:]
    private var nonsense = 0
    private var lookedAtAll: UInt64 = 0
    private var isClosed = false
    /// In the reactor's list of devices with work.
    var isQueued = false

    /// - Parameters:
    ///   - ring: the command ring's page; taken over.
    ///   - port: the device's event channel, bound here; stays the device's.
    init(service: Service, device: any XenDeviceServices, ring: GrantMapping, port: UInt32) {
        self.service = service
        self.device = device
        page = ring
        self.port = port
        self.ring = CommandRingBack(page: ring.base, layout: .pvcalls)
        // What came before the channel was bound made no event here.
        service.queue(self)
    }

    func notified() { service.queue(self) }

    /// Performs requests; what is left comes in the next turn.
    func turn() {
        do {
            var spent = 0
            while !isClosed, spent < Self.budget {
                guard let slot = try ring.nextRequest() else {
                    if !ring.awaitRequest() { service.queue(self) }
                    return
                }
                let request = XenRequest(copying: slot)
                guard isDue(request) else { return service.queue(self) }
                ring.consumeRequest()
                spent += 1
                perform(request)
                guard nonsense <= Self.patience else { return device.violated("requests that make no sense") }
            }
            if !isClosed { service.queue(self) }
        } catch {
            device.violated("more requests than the command ring has entries")
        }
    }

    private func perform(_ request: XenRequest) {
        switch XenSession.Command(rawValue: request.command) {
        case .session:
            switch open(request) {
            case .success(let number): answer(request, 0, value: number, features: XenSession.postedFeature)
            case .failure(let error): answer(request, error.ret)
            }
        case .end:
            if sessions[request.id].map({ $0.ending != nil }) ?? (arenas[request.id] != nil) {
                lookAtAll()
                return answer(request, sessions[request.id] == nil ? 0 : 0 &- Errno.eagain)
            }
            guard let known = sessions[request.id] else { return answer(request, 0 &- Errno.enoent) }
            known.ending = request
            service.end(known.session, reason: "ended by the agent")
            // Its program may have cleared what its processes rang, or died between that and the event.
            if let arena = arenas[request.id] { look(at: arena) }
            finish(known)
        case .attach:
            answer(request, attach(request))
        case nil:
            answer(request, 0 &- Errno.enotsup)
        }
    }

    private func answer(_ request: XenRequest, _ ret: Int32, value: UInt32 = 0, features: UInt32 = 0) {
        guard !isClosed else { return }
        nonsense = ret == 0 &- Errno.einval ? nonsense + 1 : 0
        request.answer(ret, value: value, features: features, into: ring.nextResponse())
        ring.pushResponse()
        if ring.publishResponses() { device.notify(port) }
    }

    /// END is answered when nobody waits for a lock of the dead any more.
    fileprivate func finish(_ ended: GuestSession) {
        guard let request = ended.ending, ended.heldLocks == 0, !isClosed else { return }
        ended.ending = nil
        sessions[request.id] = nil
        answer(request, 0)
    }

    /// Looks at all lines of the device's arenas, whatever bits a program has cleared: the agent asks again for the END of
    /// a session that does not go.
    private func lookAtAll() {
        let now = service.kernel.now()
        guard now &- lookedAtAll >= 100_000_000 else { return }
        lookedAtAll = now
        for arena in Array(arenas.values) { look(at: arena) }
    }

    private func look(at arena: Service.Arena) {
        guard let xen = arena.xen else { return }
        for port in Array(xen.live) { service.ring(arena, port) }
    }

    // MARK: SESSION

    /// - Returns: the session's number, or the error to answer.
    private func open(_ request: XenRequest) -> Result<UInt32, WireError> {
        let id = request.id
        guard sessions[id] == nil, arenas[id] == nil else { return .failure(WireError(Errno.eexist)) }
        // Who ends sessions while their sockets live on has as many arenas as sessions then.
        let open = max(sessions.count, arenas.count)
        guard open < service.configuration.maximumSessionsPerUser,
            service.sessions.count < service.configuration.maximumSessions, let number = service.unusedSessionID()
        else { return .failure(WireError(Errno.eagain)) }
        let memory: XenArena
        do throws(XenError) {
            guard let mapped = try map(request) else { return .failure(WireError(Errno.einval)) }
            memory = mapped
        } catch {
            device.log.debug("a session cannot be opened: \(error)")
            return .failure(WireError(error.answer))
        }
        let credentials = PeerCredentials(
            processID: Int32(bitPattern: request.u32(XenSession.Entry.process)),
            userID: request.u32(XenSession.Entry.user), groupID: PeerCredentials.noUser,
            domainID: device.domain.rawValue)
        let session = Session(id: number, credentials: credentials, descriptor: -1)
        let arena = Service.Arena(kernel: service.kernel, id: service.nextArena, xen: memory)
        service.nextArena &+= 1
        arena.session = session
        arena.userID = credentials.userID
        arena.domainID = credentials.domainID
        arena.whenDestroyed = { [weak self] in self?.arenas[id] = nil }
        session.xen = self
        session.arena = arena
        session.arguments = ArgumentArea(base: arena.base + XenSockWire.Arena.argumentsOffset)
        session.ring = CommandRingBack(page: arena.base + XenSockWire.Arena.commandRingOffset, layout: .pvcalls)
        arenas[id] = arena
        sessions[id] = GuestSession(session: session)
        service.sessions[number] = session
        service.awaken(arena)
        service.queue(session)
        device.report(
            .info, "session \(number) opened by process \(credentials.processID) of user \(credentials.userID)")
        return .success(number)
    }

    /// Maps what the dock region lists, and binds the channels.
    ///
    /// - Returns: nil for a list that makes no sense.
    private func map(_ request: XenRequest) throws(XenError) -> XenArena? {
        let first = try device.mapper.map([request.u32(XenSession.Entry.dockReference)], of: device.domain)
        let list = XenDockList(page: first.base)
        first.unmap()
        guard let list else { return nil }
        let dock = try device.mapper.map(list.dock, of: device.domain)
        let control: GrantMapping
        do throws(XenError) {
            control = try device.mapper.map(list.control, of: device.domain)
        } catch {
            dock.unmap()
            throw error
        }
        do throws(XenError) {
            let id = request.id
            let channel = try bind(request.u32(XenSession.Entry.eventChannel), of: id)
            let remote = request.u32(XenSession.Entry.programChannel)
            do throws(XenError) {
                let programChannel = remote == 0 ? nil : try bind(remote, of: id)
                return XenArena(
                    device: device, ports: list.ports, control: control, dock: dock, channel: channel,
                    programChannel: programChannel)
            } catch {
                device.unbind(channel)
                throw error
            }
        } catch {
            dock.unmap()
            control.unmap()
            throw error
        }
    }

    /// Binds a port of the guest that announces what the session rings.
    private func bind(_ remotePort: UInt32, of id: UInt64) throws(XenError) -> UInt32 {
        try device.bind(remotePort: remotePort) { [weak self] in
            guard let self, let arena = arenas[id] else { return }
            service.awaken(arena)
        }
    }

    // MARK: ATTACH

    /// The socket of an ATTACH may be one that was only asked for.
    ///
    /// - Returns: false if there was no time for that: the request stays for another turn.
    private func isDue(_ request: XenRequest) -> Bool {
        guard request.command == XenSession.Command.attach.rawValue,
            let owner = arenas[request.u64(XenSession.Entry.owner)]?.session
        else { return true }
        return service.performSockets(of: owner)
    }

    /// - Returns: 0 or a negative errno.
    private func attach(_ request: XenRequest) -> Int32 {
        guard let session = sessions[request.id]?.session, !session.isClosed,
            let arena = arenas[request.u64(XenSession.Entry.owner)]
        else { return 0 &- Errno.enoent }
        let (name, port) = (request.u64(XenSession.Entry.socket), request.u32(XenSession.Entry.port))
        guard arena.isSocketPort(port), let socket = arena.sockets[Int(port)], socket.placeholder >= 0,
            arena.generation(port) == request.u32(XenSession.Entry.generation)
        else { return 0 &- Errno.ebadf }
        if service.isQuestion(name) { return 0 }
        if let known = session.sockets[name] { return known === socket ? 0 : 0 &- Errno.eexist }
        guard session.sockets.count < Int(service.configuration.maximumPorts) else { return 0 &- Errno.enobufs }
        service.name(socket, name, in: session)
        return 0
    }
}

extension XenSessions {
    /// Frees the locks of a session that died, in every arena of the device: a forked child may hold some where its own
    /// session has named no socket yet. What the agent was told before it has done when it answers the look (3.4, 3.7).
    func breakLocks(of session: Session) {
        guard let known = sessions.values.first(where: { $0.session === session }) else { return }
        for arena in arenas.values {
            guard let xen = arena.xen else { continue }
            for number in xen.live {
                guard let socket = arena.sockets[Int(number)], socket.placeholder >= 0, let port = xen.port(number)
                else { continue }
                guard LockRecovery.settleLocks(of: session.id, on: socket) else { continue }
                known.heldLocks += 1
                port.look { [weak self] in
                    LockRecovery.freeLocks(of: session.id, on: socket)
                    known.heldLocks -= 1
                    guard let self else { return }
                    service.settle(socket)
                    finish(known)
                }
            }
        }
    }
}

// MARK: The end of the device

extension XenSessions {
    /// Pages must be unmapped before the backend's state says Closing: what is left of `out` is copied.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        for arena in arenas.values {
            arena.xen?.isClosing = true
            for socket in arena.sockets {
                if let socket { service.abandon(socket) }
            }
        }
        for known in sessions.values {
            known.session.isBroken = true
            service.end(known.session, reason: "the device closed")
        }
        sessions = [:]
        for arena in Array(arenas.values) { service.sever(arena) }
        arenas = [:]
        page.unmap()
    }
}
