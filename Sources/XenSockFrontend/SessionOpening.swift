import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// How a session opens, and how the threads that wait for it learn of its end.
extension Session {
    /// The open session, opened now if there is none; nil if the service cannot be reached.
    ///
    /// - Parameter quietly: says nothing on stderr.
    static func opened(quietly: Bool = false) -> UnsafeMutablePointer<SessionState>? {
        guard let state = mappedState() else { return nil }
        if life(state) != nil { return state }
        #if !hasFeature(Embedded)
            if AgentFrontend.isResting { return nil }
        #endif
        let mask = Kernel.blockSignals()
        defer { Kernel.restoreSignals(mask) }
        let failures = SharedWord32(&state.pointee.failures).load()
        lock(state, mask: mask)
        defer { unlock(state) }
        if life(state) != nil { return state }
        // Another thread tried while this one waited for the lock: once is enough for both.
        if state.pointee.failures != failures { return nil }
        let error = open(state, mask)
        if error == 0 { return state }
        SharedWord32(&state.pointee.failures).store(failures &+ 1)
        if !quietly { Report.unreachable(-error) }
        return nil
    }

    /// Marks the session that `life` names dead and wakes every thread that waits for an answer.
    ///
    /// - Parameter silent: the service lives, but patience with it ran out.
    static func markDead(_ state: UnsafeMutablePointer<SessionState>, _ life: UInt32, silent: Bool = false) {
        if silent { SharedWord32(&state.pointee.silent).store(life) }
        _ = SharedWord32(&state.pointee.phase).compareExchange(life, life & ~3 | Phase.dead)
        advance(state)
    }

    /// Whether a descriptor is what sessions are: a program may have closed the library's own by a raw system call.
    static func isSessionSocket(_ fd: Int32) -> Bool {
        Kernel.integerOption(fd, Int32(SOL_SOCKET), Int32(SO_DOMAIN)) == Int(AF_UNIX)
            && Kernel.integerOption(fd, Int32(SOL_SOCKET), Int32(SO_TYPE)) == Int(SOCK_SEQPACKET.rawValue)
    }

    /// Wakes the threads that wait for progress.
    static func advance(_ state: UnsafeMutablePointer<SessionState>) {
        let progress = SharedWord32(&state.pointee.progress)
        progress.storeOrdered(progress.load() &+ 1)
        if SharedWord32(&state.pointee.sleepers).loadOrdered() > 0 {
            Kernel.futexWake(&state.pointee.progress, Int(Int32.max))
        }
    }

    /// Sleeps until there is progress beyond what was `seen`.
    static func sleep(_ state: UnsafeMutablePointer<SessionState>, seen: UInt32, nanoseconds: Int) {
        let sleepers = SharedWord32(&state.pointee.sleepers)
        sleepers.add(1)
        Kernel.futexWait(&state.pointee.progress, seen, nanoseconds: nanoseconds)
        sleepers.add(UInt32.max)
    }

    /// - Returns: 0 or a negative errno.
    private static func open(_ state: UnsafeMutablePointer<SessionState>, _ mask: UInt64) -> Int {
        guard Dialect(number: xs_get_process_state().pointee.dialect) != nil else { return -Int(EINVAL) }
        guard let region = ProcessState.mappedRegion() else { return -Int(ENOMEM) }
        let phase = SharedWord32(&state.pointee.phase)
        if phase.load() & 3 == Phase.dead {
            // Its arena stays mapped and its doorbell open: sockets of it may still be in use.
            // Closed where this library could not see it, the number is something else's.
            if isSessionSocket(state.pointee.socket) { _ = Kernel.close(state.pointee.socket) }
            Door.last = -1
            state.pointee.socket = -1
            phase.store(phase.load() & ~3)
            for slot in 0..<UInt32(32) { SharedWord32(exchange(state, slot)).store(Commands.Progress.free) }
        }
        var patience = Patience(mask)
        let connected = Door.connect(&patience)
        if connected < 0 { return connected }
        let socket = Descriptors.movedHigh(Int32(connected))
        let result = handshake(state, region, socket, &patience)
        if result < 0 {
            _ = Kernel.close(socket)
            return result
        }
        state.pointee.socket = socket
        Door.last = socket
        state.pointee.processID = Kernel.processID()
        phase.storeOrdered((phase.load() & ~3) &+ 4 | Phase.open)
        DescriptorLimit.keepSpare()
        return 0
    }

    private static func handshake(
        _ state: UnsafeMutablePointer<SessionState>, _ region: UnsafeMutableRawPointer, _ socket: Int32,
        _ patience: inout Patience
    ) -> Int {
        StackRoom.withFrame { buffer -> Int in
            let frame = buffer.baseAddress!
            frame.storeBytes(of: SessionFrame.Kind.hello.rawValue, as: UInt32.self)
            frame.storeBytes(of: ArenaHeader.currentLayoutVersion, toByteOffset: 4, as: UInt32.self)
            frame.storeBytes(of: Limits.wantedPorts(), toByteOffset: SessionFrame.Hello.wantedPorts, as: UInt32.self)
            let sent = patience.repeated {
                Kernel.send(socket, frame, SessionFrame.Hello.size, Int32(MSG_NOSIGNAL))
            }
            if sent < 0 { return sent }
            var memory: Int32 = -1
            var doorbell: Int32 = -1
            let length = Frames.receive(socket, frame, buffer.count, &memory, &doorbell, &patience)
            defer { if memory >= 0 { _ = Kernel.close(memory) } }
            let accepted = accept(state, region, UnsafeRawPointer(frame), length, memory, doorbell)
            if accepted < 0 {
                if doorbell >= 0 { _ = Kernel.close(doorbell) }
                return accepted
            }
            let result = connect(state, socket, frame, buffer.count, &patience)
            if result < 0 {
                state.pointee.base = nil
                ProcessState.removeArena(region, Int(state.pointee.arena))
            }
            return result
        }
    }

    /// Takes the service's HELLO: maps the arena and begins with the command ring.
    private static func accept(
        _ state: UnsafeMutablePointer<SessionState>, _ region: UnsafeMutableRawPointer, _ frame: UnsafeRawPointer,
        _ length: Int, _ memory: Int32, _ doorbell: Int32
    ) -> Int {
        if length < 0 { return length }
        guard length >= SessionFrame.payload, frame.load(as: UInt32.self) == SessionFrame.Kind.hello.rawValue
        else { return -Int(EPROTO) }
        // A refusal says no more than its errno.
        let error = frame.load(fromByteOffset: 4, as: UInt32.self)
        if error != 0 { return error < 4096 ? -Int(error) : -Int(EPROTO) }
        guard length >= SessionFrame.HelloAnswer.nodes else { return -Int(EPROTO) }
        let ports = frame.load(fromByteOffset: SessionFrame.HelloAnswer.ports, as: UInt32.self)
        guard memory >= 0, doorbell >= 0, Arena.isValid(ports: ports) else { return -Int(EPROTO) }
        let nodes = SessionFrame.HelloAnswer.nodes
        let dialect = Frontend.dialect
        guard dialect != .xensock2 || Nodes.has(frame + nodes, length &- nodes, "feature-xensock2\u{0}1\u{0}") else {
            return -Int(EPROTO)
        }
        let control = Nodes.number(frame + nodes, length &- nodes, "control-offset\u{0}")
        guard ArenaMemory.isDoorbell(doorbell) || control != nil && DeviceFile.isChannel(doorbell) else {
            return -Int(EPROTO)
        }
        let mapped =
            if let control {
                GrantedRings.mapControl(memory, ports: ports, offset: control)
            } else {
                ArenaMemory.map(memory, ports: ports)
            }
        guard let base = mapped else { return -Int(EPROTO) }
        let record = ProcessState.ArenaRecord(
            base: base, id: frame.loadUnaligned(fromByteOffset: SessionFrame.HelloAnswer.arenaID, as: UInt64.self),
            ports: ports, doorbell: Descriptors.movedHigh(doorbell), dialect: dialect.number,
            isGranted: control == nil ? 0 : 1)
        guard let index = ProcessState.addArena(region, record) else {
            Kernel.unmap(base, Int(Arena.pageCount(ports: ports)) &* pageSize)
            return -Int(ENFILE)
        }
        state.pointee.sessionID = frame.load(fromByteOffset: SessionFrame.HelloAnswer.session, as: UInt32.self)
        state.pointee.arena = Int32(index)
        state.pointee.base = base
        state.pointee.ports = ports
        state.pointee.nextPort = 1
        state.pointee.closedPorts = 0
        state.pointee.looks = Kernel.processors() > 1 ? 400 : 0
        state.pointee.dialect = dialect.number
        state.pointee.isGranted = record.isGranted
        let ordered = Nodes.has(frame + nodes, length &- nodes, "feature-posted\u{0}1\u{0}")
        let options = Nodes.has(frame + nodes, length &- nodes, "feature-options\u{0}1\u{0}")
        state.pointee.posting = (ordered ? Posting.Promise.order : 0) | (options ? Posting.Promise.options : 0)
        state.pointee.knownSockets = Posting.knownAtFirst
        state.pointee.unansweredSockets = 0
        state.pointee.knownOptions = KnownOptions()
        memset(mappedOrder(state, 0), 0, Int(XenSession.maximumPorts) &* 4)
        state.pointee.ring = CommandRingFront(
            page: base + Arena.commandRingOffset, layout: dialect == .draft1 ? .draft1 : .pvcalls)
        return 0
    }

    /// What the frontend writes says what it speaks.
    private static func ownNodes(_ dialect: Dialect) -> StaticString {
        switch dialect {
        case .xensock2:
            "version\u{0}1\u{0}xensock2\u{0}1\u{0}ring-ref\u{0}2\u{0}port\u{0}0\u{0}arguments-ref\u{0}3,4,5,6\u{0}state\u{0}3\u{0}"
        case .pvcalls1: "version\u{0}1\u{0}ring-ref\u{0}2\u{0}port\u{0}0\u{0}state\u{0}3\u{0}"
        case .draft1: "ring-ref\u{0}2\u{0}port\u{0}0\u{0}state\u{0}3\u{0}"
        }
    }

    /// Writes the frontend's nodes and waits for the backend's Connected.
    private static func connect(
        _ state: UnsafeMutablePointer<SessionState>, _ socket: Int32, _ frame: UnsafeMutableRawPointer,
        _ capacity: Int, _ patience: inout Patience
    ) -> Int {
        let nodes = ownNodes(dialect(state))
        frame.storeBytes(of: SessionFrame.Kind.store.rawValue, as: UInt32.self)
        frame.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
        memcpy(frame + SessionFrame.Store.nodes, nodes.utf8Start, nodes.utf8CodeUnitCount)
        let size = SessionFrame.Store.nodes &+ nodes.utf8CodeUnitCount
        let sent = patience.repeated { Kernel.send(socket, frame, size, Int32(MSG_NOSIGNAL)) }
        if sent < 0 { return sent }
        var first: Int32 = -1
        var second: Int32 = -1
        while true {
            let length = Frames.receive(socket, frame, capacity, &first, &second, &patience)
            Frames.drop(first, second)
            if length < 0 { return length }
            guard length >= SessionFrame.Store.nodes else { return -Int(EPROTO) }
            if frame.load(as: UInt32.self) != SessionFrame.Kind.store.rawValue { continue }
            let nodes = SessionFrame.Store.nodes
            if Nodes.has(frame + nodes, length &- nodes, "state\u{0}4\u{0}") { return 0 }
            if Nodes.has(frame + nodes, length &- nodes, "state\u{0}6\u{0}") { return -Int(ECONNREFUSED) }
        }
    }
}
