#if !hasFeature(Embedded)
    import CXenSockSystem
    import XenSockPlatform
    import XenSockRing
    import XenSockWire

    /// What a process needs beyond the socket API that relays for others: the agent. It never waits for the network, must
    /// not be kept by a service that is silent, and outlives services.
    ///
    /// Used by one thread only, which closes every socket by ``close(_:)``.
    public enum AgentFrontend {
        /// No session is opened: every socket(2) fails with -ENETDOWN at once. Set while the service is silent, which
        /// would else be waited for again and again (`Patience`).
        nonisolated(unsafe) public static var isResting = false
        /// This process relays: its sockets are known to one thread and to no other process, so a lock that is held is
        /// the service's doing.
        nonisolated(unsafe) private(set) static var isAlone = false

        /// Where the service is and what it is spoken to in; the environment is not looked at.
        ///
        /// - Parameters:
        ///   - path: the session socket, at most 107 bytes.
        ///   - dialect: `xensock2`, `pvcalls1` or `draft1`.
        /// - Returns: false if one of both is none.
        public static func start(path: String, dialect: String) -> Bool {
            guard
                let number = [Dialect.xensock2: "xensock2", .pvcalls1: "pvcalls1", .draft1: "draft1"]
                    .first(where: { $0.value == dialect })?.key.number, !path.isEmpty, path.utf8.count < 108
            else { return false }
            let process = xs_get_process_state()
            isAlone = true
            process.pointee.lifeline = -1
            process.pointee.dialect = number
            process.pointee.quiet = 1
            // Its reactor watches the placeholders, without `Frontend.epollControl`.
            process.pointee.wants_ends = 1
            withUnsafeMutableBytes(of: &process.pointee.socket_path) {
                $0.copyBytes(from: path.utf8)
                $0[path.utf8.count] = 0
            }
            process.pointee.user_socket_path.0 = 0
            return true
        }

        /// Names the session among all of this process, open or dead; 0 before the first.
        public static var session: UInt32 {
            guard let state = Session.state else { return 0 }
            return SharedWord32(&state.pointee.phase).load() & ~3
        }

        /// Whether a session is open, as far as is known.
        public static var isOpen: Bool { Session.state.map { Session.life($0) != nil } ?? false }

        /// The open session's socket, to be watched for its hang-up only: what comes there is the library's to receive.
        public static var sessionSocket: Int32? {
            guard let state = Session.state, Session.life(state) != nil else { return nil }
            return state.pointee.socket
        }

        /// Notices that the service has hung up, if it has, before a request would.
        public static func lookForEnd() {
            guard let state = Session.state, let life = Session.life(state) else { return }
            let shown = xs_poll(state.pointee.socket, 0, 0)
            if shown > 0, Int16(truncatingIfNeeded: shown) & Int16(POLLHUP) != 0 { Session.markDead(state, life) }
        }

        /// The socket behind a descriptor that this process made; the service is not asked.
        @inline(__always)
        public static func find(_ fd: Int32) -> SocketHandle? {
            guard UInt32(bitPattern: fd) < ProcessState.descriptorLimit, let region = ProcessState.region,
                TableEntry(rawValue: ProcessState.entry(region, fd).load()).isSocket
            else { return nil }
            return Descriptors.find(fd)
        }

        /// Whether the table has a socket at a descriptor, even one that the service has given up.
        @inline(__always)
        public static func owns(_ fd: Int32) -> Bool {
            guard UInt32(bitPattern: fd) < ProcessState.descriptorLimit, let region = ProcessState.region else {
                return false
            }
            return TableEntry(rawValue: ProcessState.entry(region, fd).load()).isSocket
        }

        /// Whether the session that a socket was made in is over. What stands in its ring can still be received.
        public static func isOver(_ handle: SocketHandle) -> Bool {
            guard let state = Session.state, Session.life(state) != nil else { return true }
            return handle.entry.arena != Int(state.pointee.arena)
        }

        /// Has the placeholder of a new socket show its end, as waits do that the library does not see.
        public static func watch(_ handle: SocketHandle) {
            if handle.isV1 { return }
            handle.status.set(StatusLine.Flag.endWanted, true)
            // The service looks at the flag after it has set EOF, so one of both sees the other.
            if hasEnded(handle) { handle.domain.notify(handle.entry.port) }
        }

        /// Whether the service has said how a socket ends, or that it has ended.
        public static func hasEnded(_ handle: SocketHandle) -> Bool {
            if handle.isDatagram { return handle.socket.input.producerValue().has(InProducer.endOfFile) }
            switch handle.status.state {
            case .failedConnect, .reset, .free: return true
            case .connected where handle.isV1: return handle.v1.ring.input.error.loadOrdered() != 0
            case .connected, .listening: return handle.socket.input.producerValue().has(InProducer.endOfFile)
            case .open, .connecting: return false
            }
        }

        /// Whether the error queue of a datagram socket holds something.
        public static func holdsErrors(_ handle: SocketHandle) -> Bool {
            handle.isDatagram && handle.socket.input.producerValue().has(InProducer.errorQueue)
        }

        /// Has every arrival send a token from now on.
        ///
        /// - Returns: whether that is new, so that something may have come without one.
        public static func wantEveryArrival(_ handle: SocketHandle) -> Bool {
            if handle.status.has(StatusLine.Flag.edgeTriggered) { return false }
            handle.status.set(StatusLine.Flag.edgeTriggered, true)
            return true
        }

        /// Bytes that can be received without waiting.
        public static func readable(_ handle: SocketHandle) -> Int {
            handle.isV1 ? handle.v1.readable : Int(Frontend.readable(handle))
        }

        /// Whether a connection, or a datagram socket's peer, is set.
        public static func isConnected(_ handle: SocketHandle) -> Bool {
            if case .connected = handle.status.state { return true }
            return false
        }

        /// Whether a connect is under way.
        public static func isConnecting(_ handle: SocketHandle) -> Bool {
            if case .connecting = handle.status.state { return true }
            return false
        }

        /// The events of poll.h that a descriptor cannot show, of those asked for and of those always reported.
        public static func missingEvents(_ handle: SocketHandle, asked: Int16) -> Int16 {
            Frontend.missing(handle, asked)
        }

        /// poll(2) without waiting, as the kernel sees it.
        public static func poll(_ fd: Int32, events: Int16) -> Int16 {
            let result = xs_poll(fd, events, 0)
            return result > 0 ? Int16(truncatingIfNeeded: result) : 0
        }

        /// SO_LINGER of no time, ahead of the bytes that still stand in `out`: they are for nobody any more.
        public static func prepareAbort(_ handle: SocketHandle) {
            if handle.isV1 { return }
            let taken = handle.socket.output.consumerValue().index
            if Posting.abort(handle, at: taken) { return }
            var linger: (Int32, Int32) = (1, 0)
            _ = withUnsafeBytes(of: &linger) {
                Frontend.command(
                    handle,
                    .setsockopt(
                        id: handle.entry.id, level: Int32(SOL_SOCKET), name: Int32(SO_LINGER), length: 8,
                        outProducer: taken),
                    input: $0)
            }
        }

        /// close(2). Of a socket whose session is over nobody is told.
        public static func close(_ fd: Int32) {
            if let handle = find(fd), !isOver(handle) {
                _ = Frontend.close(fd)
            } else {
                Descriptors.set(fd, .foreign)
                _ = Kernel.close(fd)
            }
        }

        /// Lets go of a socket whose session is over, so that a service that is still there ends it. The descriptor stays
        /// taken, until ``replace(_:by:)`` or ``close(_:)``, and is no socket meanwhile.
        public static func abandon(_ fd: Int32) {
            guard owns(fd) else { return }
            let flags = Int(O_CLOEXEC | O_NONBLOCK)
            let none = Kernel.call(Int(SYS_eventfd2), 0, flags)
            guard none >= 0 else { return }
            Descriptors.set(fd, .foreign)
            _ = Kernel.call(Int(SYS_dup3), none, Int(fd), Int(O_CLOEXEC))
            _ = Kernel.close(Int32(none))
        }

        /// Puts a socket in the place of another, whose session is over: it has that one's descriptor from now on.
        ///
        /// - Returns: false if `new` is none, or cannot be there; then both are as they were.
        public static func replace(_ fd: Int32, by new: Int32) -> Bool {
            guard let handle = find(new), Kernel.call(Int(SYS_dup3), Int(new), Int(fd), Int(O_CLOEXEC)) >= 0 else {
                return false
            }
            Descriptors.set(fd, handle.entry)
            Descriptors.set(new, .foreign)
            _ = Kernel.close(new)
            return true
        }

        /// Gives back the memory of earlier sessions in which no socket is left.
        public static func collectArenas() {
            guard let state = Session.state, let region = ProcessState.region else { return }
            var used = Set<Int>()
            if Session.life(state) != nil { used.insert(Int(state.pointee.arena)) }
            for fd in 0...ProcessState.highest(region) {
                let entry = TableEntry(rawValue: ProcessState.entry(region, Int32(fd)).load())
                if entry.isSocket { used.insert(entry.arena) }
            }
            Session.lock(state)
            for index in 0..<ProcessState.arenaCount(region) where !used.contains(index) {
                ProcessState.removeArena(region, index)
            }
            Session.unlock(state)
        }

        /// Puts a query to the service's resolver (docs/PROTOCOL.md, 2.4). The answer record comes as data.
        ///
        /// - Returns: the resolver socket, non-blocking; or a negative errno.
        public static func openResolver(query: UnsafeRawBufferPointer) -> Int {
            let flags = Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
            let fd = Birth.open(flags: flags) { state, mask, port, id in
                Posting.socket(
                    state, mask, port, id, domain: Resolver.domain, type: UInt32(SOCK_STREAM.rawValue), protocol: 0)
            }
            guard fd >= 0, let handle = find(Int32(fd)) else { return fd >= 0 ? -Int(ENETDOWN) : fd }
            let connected = Frontend.connect(handle, to: SocketAddress())
            var vector = iovec(
                iov_base: UnsafeMutableRawPointer(mutating: query.baseAddress), iov_len: query.count)
            let sent =
                connected == 0 || connected == -Int(EINPROGRESS)
                ? Frontend.send(handle, &vector, 1, flags: Int32(MSG_NOSIGNAL), address: nil, length: 0) : connected
            // A fresh ring takes any query whole.
            if sent == query.count { return fd }
            close(Int32(fd))
            return sent < 0 ? sent : -Int(EIO)
        }
    }
#endif
