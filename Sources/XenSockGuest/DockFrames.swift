import CXenSockSystem
import Glibc
import Logging
import XenSockPlatform
import XenSockRing
import XenSockWire
import XenSockXen

/// The frames of session sockets (docs/PROTOCOL.md, 3.1 and 3.7).
extension Dock {
    /// Takes the frames that wait, at most a batch.
    func receive(_ session: DockSession) {
        for _ in 0..<64 {
            guard session.descriptor >= 0, let base = frame.baseAddress else { return }
            // Unread, so that nothing of it is added.
            if !session.isOwn, StrangeDescriptors.isFull(session.user) {
                return violate(session, "descriptors that do not close")
            }
            var (first, second) = (Int32(-1), Int32(-1))
            let size = receive(session, base, &first, &second)
            if size == -Int(EAGAIN) || size == -Int(EINTR) { return }
            defer {
                StrangeDescriptors.close(first, of: session.user)
                StrangeDescriptors.close(second, of: session.user)
            }
            guard size > 0 else { return end(session, reason: "hang-up") }
            guard size >= SessionFrame.payload else { return violate(session, "a malformed frame") }
            take(UnsafeRawBufferPointer(rebasing: frame[0..<size]), &first, &second, from: session)
        }
    }

    /// Receives one frame, and hands on the descriptors beyond two.
    private func receive(
        _ session: DockSession, _ base: UnsafeMutableRawPointer, _ first: inout Int32, _ second: inout Int32
    ) -> Int {
        var vector = iovec(iov_base: base, iov_len: frame.count)
        var (count, flags) = (Int32(0), Int32(0))
        return withUnsafeTemporaryAllocation(of: Int32.self, capacity: XS_MESSAGE_DESCRIPTORS) {
            let size = xs_receive_everything(
                session.descriptor, &vector, 1, Int32(MSG_DONTWAIT), $0.baseAddress, &count, &flags)
            if count > 0 { first = $0[0] }
            if count > 1 { second = $0[1] }
            for index in 2..<max(2, Int(count)) { StrangeDescriptors.close($0[index], of: session.user) }
            return size
        }
    }

    /// - Parameters: the descriptors that came; -1 for one that is taken over.
    private func take(
        _ bytes: UnsafeRawBufferPointer, _ first: inout Int32, _ second: inout Int32, from session: DockSession
    ) {
        let kind = SessionFrame.Kind(rawValue: bytes.load(as: UInt32.self))
        let argument = bytes.load(fromByteOffset: SessionFrame.argument, as: UInt32.self)
        if session.isDoor {
            guard kind == .door else { return }
        } else if kind == .hello {
            guard case .fresh = session.phase, session.memory == nil, bytes.count >= SessionFrame.Hello.size else {
                return violate(session, "a HELLO out of place")
            }
            guard argument == ArenaHeader.currentLayoutVersion else { return refuse(session, EPROTO) }
            let wanted = bytes.load(fromByteOffset: SessionFrame.Hello.wantedPorts, as: UInt32.self)
            return hello(session, wantedPorts: wanted)
        } else {
            guard case .open = session.phase else { return violate(session, "a frame before HELLO") }
        }
        switch kind {
        case .store: store(UnsafeRawBufferPointer(rebasing: bytes[SessionFrame.Store.nodes...]), from: session)
        case .port:
            var answer = FrameBuilder(.port, argument: argument)
            answer.append(UInt32(bind(argument, &first, second, of: session)))
            send(answer, -1, -1, to: session)
        case .ring where bytes.count >= SessionFrame.Ring.size: ring(argument, bytes, for: session)
        case .attach where bytes.count >= SessionFrame.Attach.size && first >= 0:
            attach(
                first, name: bytes.load(fromByteOffset: SessionFrame.Attach.id, as: UInt64.self),
                wantsArena: argument == 1, to: session)
        case .door:
            guard !session.isOwn, first >= 0, FrameSocket.isUnixSocket(first, SOCK_SEQPACKET),
                !FrameSocket.isNamed(first)
            else { return violate(session, "a DOOR without a session socket") }
            begin(first, isOwn: false, parent: session)
            first = -1
        default: violate(session, "an unknown frame")
        }
    }

    func violate(_ session: DockSession, _ reason: String) {
        report("session \(session.id) of process \(session.process): \(reason)")
        end(session, reason: "violation")
    }

    /// Nodes that the program wrote: with state 3 it wants its command ring connected, which the backend has mapped.
    private func store(_ bytes: UnsafeRawBufferPointer, from session: DockSession) {
        guard let nodes = FrameNodes(bytes) else { return violate(session, "malformed nodes") }
        var answer = FrameBuilder(.store, argument: 0)
        switch nodes[Node.state].flatMap({ UInt32($0) }) {
        case XenBusState.initialised.rawValue:
            let isKnown =
                nodes[Node.version] == "1" && nodes[Node.xensock2] == "1"
                && nodes[Node.ringReference] == "\(Arena.commandRingPage)"
                && nodes[Node.port] == "\(Arena.commandRingPort)" && nodes[Node.argumentsReference] == "3,4,5,6"
            if !isKnown { answer.append(node: Node.error, "sessions on Xen speak xensock2, its ring at page 2") }
            let state = isKnown ? XenBusState.connected : .closed
            answer.append(node: Node.state, "\(state.rawValue)")
            send(answer, -1, -1, to: session)
        case XenBusState.closing.rawValue, XenBusState.closed.rawValue:
            answer.append(node: Node.state, "\(XenBusState.closed.rawValue)")
            send(answer, -1, -1, to: session)
            end(session, reason: "closed by the program")
        default: break
        }
    }

    // MARK: Ports

    /// Takes a pair for a port.
    ///
    /// - Parameters:
    ///   - backend: the agent's end; -1 when taken over.
    ///   - program: the other end, to know it by.
    /// - Returns: 0 or an errno.
    private func bind(_ port: UInt32, _ backend: inout Int32, _ program: Int32, of session: DockSession) -> Int32 {
        guard let memory = session.memory, port > Arena.commandRingPort, port < memory.ports else { return EINVAL }
        // What did not come was one too many for this process.
        guard backend >= 0, program >= 0 else { return EMFILE }
        guard FrameSocket.isUnixSocket(backend, SOCK_STREAM), let cookie = FrameSocket.cookie(program),
            cookies[cookie] == nil
        else { return EINVAL }
        if let old = session.placeholders[port] {
            // The program may know sooner than this thread that the backend has given the port back.
            look(at: old, of: session)
            guard old.isClosed else { return EBUSY }
            drop(old, of: session)
        }
        guard hasDescriptors(1, session.account) else { return ENOBUFS }
        descriptorShares.take(1, session.account)
        var minimum: Int32 = 1
        setsockopt(program, SOL_SOCKET, SO_SNDBUF, &minimum, 4)
        let number = reserve(.wakeup)
        let placeholder = DockPlaceholder(
            port: port, cookie: cookie, number: number, descriptor: backend, line: memory.line(port), poller: poller)
        backend = -1
        placeholder.session = session
        name(number, .placeholder(session, placeholder))
        session.placeholders[port] = placeholder
        cookies[cookie] = (session, placeholder)
        return 0
    }

    /// Answers RING: with the pages of a port.
    private func ring(_ port: UInt32, _ bytes: UnsafeRawBufferPointer, for session: DockSession) {
        let order = bytes.load(fromByteOffset: SessionFrame.Ring.order, as: UInt32.self)
        let arena = bytes.load(fromByteOffset: SessionFrame.Ring.arenaID, as: UInt64.self)
        var error = EINVAL
        var found: GrantAllocation?
        if !mayHave(session) {
            error = EACCES
        } else if arena == 0 || arena == session.memory?.arenaID {
            (found, error) = ownRing(port, order, of: session)
        } else if session.attached.contains(arena),
            let owner = sessions.values.first(where: { $0.memory?.arenaID == arena })
        {
            found = owner.rings[port]
            error = found == nil ? EBADF : 0
        }
        var answer = FrameBuilder(.ring, argument: port)
        answer.append(UInt32(found == nil ? error : 0))
        answer.append(found.map { UInt32(($0.pages - 1).trailingZeroBitCount) } ?? 0)
        answer.append(found?.offset ?? 0)
        answer.append(UInt32(found?.pages ?? 0))
        send(answer, found?.descriptor ?? -1, -1, to: session)
    }

    private func ownRing(_ port: UInt32, _ order: UInt32, of session: DockSession) -> (GrantAllocation?, Int32) {
        guard let memory = session.memory, port > Arena.commandRingPort, port < memory.ports, order >= 1,
            order <= Arena.maximumOrder, let connection
        else { return (nil, EINVAL) }
        let isExact = order >= DatagramRecord.minimumOrder
        guard !isExact || order <= connection.maximumPageOrder else { return (nil, ENOBUFS) }
        let order = min(order, connection.maximumPageOrder)
        let known = session.rings[port]
        if let known, known.pages > 1 << Int(order) || !isExact { return (known, 0) }
        if let placeholder = session.placeholders[port] {
            look(at: placeholder, of: session)
            guard placeholder.isClosed else { return (nil, EBUSY) }
            drop(placeholder, of: session)
        }
        session.rings[port] = nil
        freeRing(known, of: session)
        guard hasDescriptors(1, session.account) else { return (nil, ENOBUFS) }
        do throws(XenError) {
            let ring = try budget.allocateRing(order: order, for: connection.backend, account: session.account)
            session.rings[port] = ring
            descriptorShares.take(1, session.account)
            SharedWord32(memory.status(port) + StatusLine.reference).store(ring.references[0])
            return (ring, 0)
        } catch {
            return (nil, error.isShortage ? ENOBUFS : EIO)
        }
    }

    // MARK: Sockets of other sessions

    private func attach(_ descriptor: Int32, name: UInt64, wantsArena: Bool, to session: DockSession) {
        guard let cookie = FrameSocket.cookie(descriptor), let known = cookies[cookie],
            let memory = known.session.memory
        else { return refuseAttach(session, name, EBADF) }
        guard mayShare(session, known.session), mayHave(session) else { return refuseAttach(session, name, EACCES) }
        // They go to the backend by one ring with everybody's.
        guard session.attaching < 16 else { return refuseAttach(session, name, ENOBUFS) }
        session.attaching += 1
        let generation = SharedWord32(memory.status(known.placeholder.port) + StatusLine.generation).load()
        submit(
            .attach(
                session, known.placeholder, of: known.session, name: name, generation: generation,
                wantsArena: wantsArena))
    }

    private func refuseAttach(_ session: DockSession, _ name: UInt64, _ error: Int32) {
        var answer = FrameBuilder(.attach, argument: UInt32(error))
        answer.append(name)
        answer.append(UInt64(0))
        answer.append(UInt64(0))
        send(answer, -1, -1, to: session)
    }

    func attached(
        _ session: DockSession, _ placeholder: DockPlaceholder, of owner: DockSession, name: UInt64, wantsArena: Bool,
        _ ret: Int32, generation: UInt32
    ) {
        session.attaching -= 1
        guard session.descriptor >= 0 else { return }
        guard ret == 0, let memory = owner.memory else {
            return refuseAttach(session, name, ret < 0 && ret > -4096 ? -ret : EBADF)
        }
        session.attached.insert(memory.arenaID)
        if session.user != owner.user, session.user != 0 { owner.holder = session.account }
        var answer = FrameBuilder(.attach, argument: 0)
        answer.append(name)
        answer.append(memory.arenaID)
        answer.append(placeholder.port)
        answer.append(generation)
        answer.append(memory.control.offset)
        send(
            answer, wantsArena ? memory.control.descriptor : -1, wantsArena ? memory.doorbell : -1, to: session)
    }

    // MARK: Sending

    func kick(_ session: DockSession) {
        guard session.descriptor >= 0 else { return }
        // A full socket is readable: the program wakes without this one.
        _ = send(FrameBuilder(.kick, argument: 0), -1, -1, to: session.descriptor)
    }

    /// A program that does not read its answers loses the session.
    func send(_ frame: FrameBuilder, _ first: Int32, _ second: Int32, to session: DockSession) {
        guard session.descriptor >= 0 else { return }
        let result = send(frame, first, second, to: session.descriptor)
        if result < 0, result != -Int(EPIPE) { end(session, reason: "its socket takes no answer, errno \(-result)") }
    }

    func send(_ frame: FrameBuilder, _ first: Int32, _ second: Int32, to descriptor: Int32) -> Int {
        frame.bytes.withUnsafeBytes {
            // Who shares a socket that came through a door chooses whether calls on it wait.
            xs_send_descriptors(descriptor, $0.baseAddress!, $0.count, Int32(MSG_DONTWAIT), first, second)
        }
    }
}
