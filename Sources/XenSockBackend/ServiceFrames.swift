import CXenSockSystem
import Glibc
import Logging
import XenSockPlatform
import XenSockRing
import XenSockWire

/// The frames of a session socket (docs/PROTOCOL.md, 3.1).
extension Service {
    /// Takes the frames that wait, at most a batch: two for each request that can be under way, since PORT and ATTACH
    /// go before them.
    ///
    /// - Parameter port: take no more when this port's pair is there.
    func receiveFrames(_ session: Session, untilPort port: UInt32? = nil) {
        for _ in 0..<64 {
            guard !session.isClosed, !session.isBroken else { return }
            let user = session.credentials.userID
            // Unread, so that nothing of it is added.
            if StrangeDescriptors.isFull(user) { return violate(session, "descriptors that do not close") }
            if let port {
                if session.arena?.pending[port] != nil { return }
            } else if !hasShare(session) {
                // They wait for the next turn.
                return
            }
            var descriptors = FrameDescriptors()
            let size = kernel.receiveFrame(
                session.descriptor, of: user, into: frame, descriptors: &descriptors)
            if size == Int(0 &- Errno.eagain) || size == Int(0 &- Errno.eintr) { return }
            var taken = 0
            if size >= SessionFrame.payload {
                let bytes = UnsafeRawBufferPointer(rebasing: frame[0..<size])
                taken = handle(bytes, descriptors, from: session)
            } else if size > 0 || size == Int(0 &- EMSGSIZE) {
                violate(session, "a malformed frame")
            } else {
                // Of an empty message, which no hang-up is, some may have come all the same.
                discard(descriptors, from: 0, session)
                return end(session, reason: "hang-up")
            }
            discard(descriptors, from: taken, session)
        }
    }

    /// Closes what came and was not taken over.
    func discard(_ descriptors: FrameDescriptors, from first: Int, _ session: Session) {
        for index in first..<max(first, descriptors.count) {
            StrangeDescriptors.close(descriptors.values[index], of: session.credentials.userID)
        }
    }

    /// - Returns: how many of the descriptors, from the first on, were taken over.
    private func handle(_ bytes: UnsafeRawBufferPointer, _ descriptors: FrameDescriptors, from session: Session) -> Int
    {
        let argument = bytes.load(fromByteOffset: SessionFrame.argument, as: UInt32.self)
        let kind = SessionFrame.Kind(rawValue: bytes.load(fromByteOffset: SessionFrame.type, as: UInt32.self))
        if kind != .hello, session.arena == nil {
            violate(session, "a frame before HELLO")
            return 0
        }
        switch kind {
        // The service is out of descriptors, which is not the frontend's fault: the request that names the port fails,
        // and a door's session hangs up.
        case .port where descriptors.isTruncated, .door where descriptors.isTruncated: break
        case .hello: hello(bytes, version: argument, from: session)
        case .store: store(UnsafeRawBufferPointer(rebasing: bytes[SessionFrame.Store.nodes...]), from: session)
        case .port:
            return session.dialect == .xensock2
                ? bindPort(argument, descriptors, from: session)
                : bindV1Port(argument, bytes, descriptors, from: session)
        case .attach: attach(bytes, wantsArena: argument == 1, descriptors, from: session)
        case .door:
            guard descriptors.count == 1,
                kernel.isUnixSocket(descriptors.values[0], type: UInt32(SOCK_SEQPACKET.rawValue))
            else {
                violate(session, "a DOOR without a session socket")
                return 0
            }
            openSession(descriptors.values[0], parent: session)
            return 1
        case .kick, .ring, nil: violate(session, "an unknown frame")
        }
        return 0
    }

    private func hello(_ bytes: UnsafeRawBufferPointer, version: UInt32, from session: Session) {
        guard session.arena == nil, bytes.count >= SessionFrame.Hello.size else {
            return violate(session, "a HELLO out of place")
        }
        var refusal = version == ArenaHeader.currentLayoutVersion ? 0 : Errno.eproto
        var descriptors = FrameDescriptors()
        var answer = FrameWriter(.hello)
        if refusal == 0 {
            let wanted = bytes.load(fromByteOffset: SessionFrame.Hello.wantedPorts, as: UInt32.self)
            switch makeArena(for: session, wantedPorts: wanted) {
            case .success(let arena):
                session.arena = arena
                descriptors = FrameDescriptors(arena.memory, arena.doorbell)
                answer.append(session.id)
                answer.append(arena.ports)
                answer.append(arena.id)
                answer.append(node: Node.versions, "1")
                answer.append(node: Node.maximumPageOrder, "\(XenSockWire.Arena.maximumOrder)")
                answer.append(node: Node.functionCalls, "1")
                answer.append(node: Node.featureXenSock2, "1")
                answer.append(node: Node.featurePosted, "1")
                if hasOwnNetwork { answer.append(node: Node.featureOptions, "1") }
                answer.append(node: Node.state, "\(XenBusState.initWait.rawValue)")
            case .failure(let error):
                refusal = error.number
            }
        }
        answer.argument = UInt32(refusal)
        send(answer, descriptors, to: session)
        if refusal != 0 { end(session, reason: "refused, errno \(refusal)") }
    }

    /// Nodes that the frontend wrote: with state 3 it wants its ring connected, with 5 or 6 it closes.
    private func store(_ bytes: UnsafeRawBufferPointer, from session: Session) {
        guard let nodes = StoreNodes(bytes) else { return violate(session, "malformed nodes") }
        switch nodes.number(Node.state) {
        case XenBusState.initialised.rawValue:
            guard session.ring == nil else { return violate(session, "connected twice") }
            var answer = FrameWriter(.store)
            if let error = connectRing(session, nodes) {
                answer.append(node: Node.error, error)
                answer.append(node: Node.state, "\(XenBusState.closed.rawValue)")
            } else {
                answer.append(node: Node.state, "\(XenBusState.connected.rawValue)")
            }
            send(answer, FrameDescriptors(), to: session)
        case XenBusState.closing.rawValue, XenBusState.closed.rawValue:
            var answer = FrameWriter(.store)
            answer.append(node: Node.state, "\(XenBusState.closed.rawValue)")
            send(answer, FrameDescriptors(), to: session)
            end(session, reason: "closed by the frontend")
        default:
            // A transaction without a state of that kind asks for nothing.
            break
        }
    }

    /// - Returns: nil, or what to write to the `error` node.
    private func connectRing(_ session: Session, _ nodes: StoreNodes) -> String? {
        guard let arena = session.arena else { return "no arena" }
        guard nodes.number(Node.version) == 1 || !nodes.has(Node.version) else { return "version is not 1" }
        guard nodes.number(Node.port) == XenSockWire.Arena.commandRingPort else { return "port is not 0" }
        guard let reference = nodes.number(Node.ringReference), let page = arena.page(reference) else {
            return "ring-ref is no page of the arena"
        }
        let extended = nodes.number(Node.xensock2) == 1 && nodes.has(Node.argumentsReference)
        guard extended, nodes.has(Node.version) else {
            // What the frontend does not write tells what it speaks: a draft1 frontend knows no versions.
            session.dialect = nodes.has(Node.version) ? .pvcalls1 : .draft1
            arena.setDialect(session.dialect)
            session.ring = CommandRingBack(page: page, layout: session.dialect == .draft1 ? .draft1 : .pvcalls)
            queue(session)
            return nil
        }
        let references = nodes.numbers(Node.argumentsReference)
        guard references.count == ArgumentArea.pages, let base = arena.run(references) else {
            return "arguments-ref is not four successive pages of the arena"
        }
        session.arguments = ArgumentArea(base: base)
        session.ring = CommandRingBack(page: page, layout: .pvcalls)
        queue(session)
        return nil
    }

    /// A bad pair is not answered: the SOCKET or ACCEPT that names the port fails.
    private func bindPort(_ port: UInt32, _ descriptors: FrameDescriptors, from session: Session) -> Int {
        guard let arena = session.arena, arena.isSocketPort(port), descriptors.count == 2,
            arena.sockets[Int(port)] == nil
        else { return 0 }
        let (backend, program) = (descriptors.values[0], descriptors.values[1])
        // The service uses its own end only; what the program's is, is the frontend's affair.
        guard kernel.isUnixSocket(backend, type: SocketType.stream), let cookie = kernel.cookie(program),
            cookies[cookie] == nil
        else { return 0 }
        // The kernel's floor: with it one filler of 256 bytes keeps the program's end from polling writable.
        let minimum: Int32 = 1
        _ = withUnsafeBytes(of: minimum) {
            kernel.setsockopt(program, level: OptionNumber.solSocket, name: OptionNumber.soSendBuffer, value: $0)
        }
        if let old = arena.pending[port] { kernel.closePlaceholder(old.placeholder) }
        arena.pending[port] = PendingPort(placeholder: backend, cookie: cookie)
        discard(descriptors, from: 1, session)
        return 2
    }

    private func attach(
        _ bytes: UnsafeRawBufferPointer, wantsArena: Bool, _ descriptors: FrameDescriptors, from session: Session
    ) {
        guard bytes.count >= SessionFrame.Attach.size, descriptors.count == 1 || descriptors.isTruncated else {
            return violate(session, "a malformed ATTACH")
        }
        let id = bytes.load(fromByteOffset: SessionFrame.Attach.id, as: UInt64.self)
        var answer = FrameWriter(.attach)
        var carried = FrameDescriptors()
        answer.append(id)
        if session.dialect != .xensock2 {
            switch attachV1(id, descriptors.values[0], session) {
            case .success(let local):
                let arena = local.channel.arena
                if wantsArena { carried = FrameDescriptors(arena.memory, arena.doorbell) }
                answer.append(arena.id)
                answer.append(local.channel.port)
                answer.append(arena.generation(local.channel.port))
            case .failure(let error):
                answer.argument = UInt32(error.number)
                answer.append(UInt64(0))
                answer.append(UInt64(0))
            }
            return send(answer, carried, to: session)
        }
        switch attachable(descriptors.values[0], as: id, in: session) {
        case .success(let socket):
            if wantsArena { carried = FrameDescriptors(socket.arena.memory, socket.arena.doorbell) }
            answer.append(socket.arena.id)
            answer.append(socket.port)
            answer.append(socket.arena.generation(socket.port))
            if isQuestion(id) {
                session.mayLock(in: socket.arena)
            } else if session.sockets[id] == nil {
                name(socket, id, in: session)
            }
        case .failure(let error):
            answer.argument = UInt32(error.number)
            answer.append(UInt64(0))
            answer.append(UInt64(0))
        }
        send(answer, carried, to: session)
    }

    /// Whether an ATTACH under `id` only asks: such ids name nothing.
    func isQuestion(_ id: UInt64) -> Bool { id >> 56 == 0xff }

    /// The socket whose program's end `descriptor` is, if the session may know it as `id`.
    private func attachable(_ descriptor: Int32, as id: UInt64, in session: Session) -> Result<Socket, WireError> {
        guard descriptor >= 0 else { return .failure(WireError(Errno.emfile)) }
        guard let cookie = kernel.cookie(descriptor) else { return .failure(WireError(Errno.ebadf)) }
        let isUnknown = cookies[cookie] == nil
        let isDone = !isUnknown || performPosted(visibleTo: session)
        // Its frames may have been looked at meanwhile, and have ended it.
        guard !session.isClosed, !session.isBroken else { return .failure(WireError(Errno.ebadf)) }
        guard let socket = cookies[cookie] else {
            // A frontend asks again then.
            return .failure(WireError(isDone ? Errno.ebadf : Errno.eagain))
        }
        guard session.mayShare(socket.arena) else { return .failure(WireError(Errno.eacces)) }
        if isQuestion(id) { return .success(socket) }
        if let known = session.sockets[id] {
            return known === socket ? .success(socket) : .failure(WireError(Errno.eexist))
        }
        guard session.sockets.count < Int(configuration.maximumPorts) else {
            return .failure(WireError(Errno.enobufs))
        }
        return .success(socket)
    }

    /// Sends a frame; a frontend that does not read its answers loses the session.
    private func send(_ writer: FrameWriter, _ descriptors: FrameDescriptors, to session: Session) {
        guard !session.isClosed else { return }
        let result = writer.withBytes { kernel.sendFrame(session.descriptor, $0, descriptors: descriptors) }
        if result < 0 { end(session, reason: "its socket takes no answer, errno \(0 - result)") }
    }

    /// Answers the HELLO of a session that there will not be, before it is said.
    ///
    /// - Parameter descriptor: taken over. It stays open for a moment, so that the HELLO under way finds the answer and
    ///   not a broken connection.
    func refuse(_ descriptor: Int32, errno: Int32) {
        var answer = FrameWriter(.hello)
        answer.argument = UInt32(errno)
        _ = answer.withBytes { kernel.sendFrame(descriptor, $0, descriptors: FrameDescriptors()) }
        if refused.count >= Self.maximumRefused { StrangeDescriptors.end(refused.removeFirst()) }
        refused.append(descriptor)
        refusedEnd = kernel.now() &+ 1_000_000_000
    }

    /// Tells the frontend that a response is there.
    func kick(_ session: Session) {
        if let arena = session.arena?.xen { return arena.ring(XenSockWire.Arena.commandRingPort) }
        // A full socket is readable: the frontend wakes without this one.
        let frame = FrameWriter(.kick)
        _ = frame.withBytes { kernel.sendFrame(session.descriptor, $0, descriptors: FrameDescriptors()) }
    }
}
