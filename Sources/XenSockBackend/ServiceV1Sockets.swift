import CXenSockSystem
import Logging
import XenSockPlatform
import XenSockRing
import XenSockWire

/// What the service does for its sockets of `draft1` and `pvcalls1`: how they come with PORT, how they go.
extension Service {
    typealias V1 = LocalSocket<LinuxKernel>

    /// PORT of a session that speaks `draft1` or `pvcalls1`: makes the socket that `id` names, since a listener's
    /// requests name no port. A bad pair is not answered: the first request that names the socket fails.
    ///
    /// - Returns: how many of the descriptors were taken over.
    func bindV1Port(
        _ port: UInt32, _ bytes: UnsafeRawBufferPointer, _ descriptors: FrameDescriptors, from session: Session
    ) -> Int {
        guard let arena = session.arena, arena.isSocketPort(port), arena.v1Sockets[port] == nil else { return 0 }
        guard bytes.count >= SessionFrame.Port.size, descriptors.count == 2,
            let cookie = placeholderCookie(descriptors.values[0], descriptors.values[1])
        else { return refuse(port, in: arena) }
        let id = bytes.load(fromByteOffset: SessionFrame.Port.id, as: UInt64.self)
        guard session.v1Sockets[id] == nil else { return refuse(port, in: arena) }
        let networkSource = sources.add(.none)
        let placeholderSource = sources.add(.none)
        let channel = LocalChannel(
            kernel: kernel, epoll: epoll, arena: arena, port: port, placeholder: descriptors.values[0],
            placeholderData: sources.data(placeholderSource))
        guard channel.open() == 0 else {
            sources.remove(networkSource)
            sources.remove(placeholderSource)
            return refuse(port, in: arena)
        }
        StrangeDescriptors.close(descriptors.values[1], of: session.credentials.userID)
        let socket = V1Socket(
            kernel: kernel, epoll: epoll, dialect: session.dialect, channel: channel,
            networkData: sources.data(networkSource))
        let local = V1(
            socket: socket, channel: channel, cookie: cookie, networkSource: networkSource,
            placeholderSource: placeholderSource)
        sources.set(networkSource, .v1Network(local))
        sources.set(placeholderSource, .v1Placeholder(local))
        arena.v1Sockets[port] = local
        v1Cookies[cookie] = local
        socketCount += 1
        name(local, id, in: session)
        return 2
    }

    /// The port's generation says that it is free again.
    private func refuse(_ port: UInt32, in arena: Arena) -> Int {
        arena.status(port).free(nextGeneration: arena.nextGeneration(port))
        return 0
    }

    /// SO_COOKIE of the program's end of a pair; nil if it is none, or known already.
    private func placeholderCookie(_ backend: Int32, _ program: Int32) -> UInt64? {
        let stream = SocketType.stream
        guard kernel.isUnixSocket(backend, type: stream), kernel.isUnixSocket(program, type: stream),
            let cookie = kernel.cookie(program), cookies[cookie] == nil, v1Cookies[cookie] == nil
        else { return nil }
        // The kernel's floor: with it one filler of 256 bytes keeps the program's end from polling writable.
        let minimum: Int32 = 1
        _ = withUnsafeBytes(of: minimum) {
            kernel.setsockopt(program, level: OptionNumber.solSocket, name: OptionNumber.soSendBuffer, value: $0)
        }
        return cookie
    }

    /// Gives a socket a name in a session.
    func name(_ local: V1, _ id: UInt64, in session: Session) {
        session.v1Sockets[id] = local
        local.references.append(SocketReference(session: session.id, id: id))
        session.mayLock(in: local.channel.arena)
    }

    /// Looks at what a step of `local` left behind. To be called after every one.
    func settle(_ local: V1) {
        if let violation = local.socket.violation {
            local.socket.violation = nil
            report("socket on port \(local.channel.port) of arena \(local.channel.arena.id): \(violation)")
        }
        sendAnswers(of: local)
        if local.channel.placeholder < 0 { detach(local) }
        if local.socket.phase == .gone { return remove(local) }
        if local.socket.phase == .draining, !local.isDraining {
            local.isDraining = true
            drainingV1.append(local)
        }
        if local.socket.wantsTurn, !local.isQueued {
            local.isQueued = true
            readyV1.append(local)
        }
    }

    /// The program is gone: no session can name the socket any more, and its port is free.
    private func detach(_ local: V1) {
        guard !local.isDetached else { return }
        local.isDetached = true
        sources.remove(local.placeholderSource)
        v1Cookies[local.cookie] = nil
        let arena = local.channel.arena
        if arena.v1Sockets[local.channel.port] === local { arena.v1Sockets[local.channel.port] = nil }
        for reference in local.references { sessions[reference.session]?.v1Sockets[reference.id] = nil }
        local.references = []
        collect(arena)
    }

    private func remove(_ local: V1) {
        guard !local.isRemoved else { return }
        local.isRemoved = true
        sources.remove(local.networkSource)
        socketCount -= 1
        collect(local.channel.arena)
    }

    func workV1() {
        let count = readyV1.count
        for index in 0..<count {
            let local = readyV1[index]
            local.isQueued = false
            local.socket.wantsTurn = false
            local.socket.turn()
            settle(local)
        }
        readyV1.removeFirst(count)
    }

    func checkV1Drains(now: UInt64) {
        for local in drainingV1 {
            local.socket.checkDrain(now: now)
            settle(local)
        }
        drainingV1.removeAll { $0.socket.phase == .gone }
    }

    /// A session ended: its names, and the requests of it that are held.
    func forgetV1(_ session: Session) {
        var known: Set<ObjectIdentifier> = []
        // It may have given one socket all its names.
        for local in session.v1Sockets.values where known.insert(ObjectIdentifier(local)).inserted {
            local.references.removeAll { $0.session == session.id }
        }
        session.v1Sockets = [:]
        guard session.dialect != .xensock2 else { return }
        for local in Array(v1Cookies.values) {
            local.socket.forget(session: session.id, knew: known.contains(ObjectIdentifier(local)))
            settle(local)
        }
    }

    /// ATTACH: the socket of a placeholder, for a session of the same dialect.
    func attachV1(_ id: UInt64, _ descriptor: Int32, _ session: Session) -> Result<V1, WireError> {
        guard let cookie = kernel.cookie(descriptor), let local = v1Cookies[cookie],
            local.socket.dialect == session.dialect
        else { return .failure(.EBADF) }
        guard session.mayShare(local.channel.arena) else { return .failure(.EACCES) }
        if isQuestion(id) { return .success(local) }
        if let known = session.v1Sockets[id] { return known === local ? .success(local) : .failure(.EEXIST) }
        guard session.v1Sockets.count < Int(configuration.maximumPorts) else { return .failure(.ENOBUFS) }
        name(local, id, in: session)
        return .success(local)
    }
}
