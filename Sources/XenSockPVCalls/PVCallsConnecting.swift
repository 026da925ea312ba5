import Glibc
import XenSockRing
import XenSockWire
import XenSockXen

/// connect(2), and the pages and channels that connections need.
extension PVCallsNetwork {
    /// The socket of a descriptor, if it can still be used for requests; else the errno.
    func usable(_ descriptor: Int32) -> Result<(PVCallsSocket, any PVCallsConnection), WireError> {
        guard let socket = sockets[descriptor] else { return .failure(.EBADF) }
        guard let connection, !socket.isLost, !socket.isWaiting else { return .failure(.ENETDOWN) }
        return .success((socket, connection))
    }

    /// An address of AF_INET, or a negative errno.
    func inet(_ bytes: UnsafeRawBufferPointer) -> Result<SocketAddress, WireError> {
        guard bytes.count >= 16, let address = SocketAddress(bytes: bytes.baseAddress!, length: 16) else {
            return .failure(.EINVAL)
        }
        return address.family == SocketAddress.inet ? .success(address) : .failure(.EAFNOSUPPORT)
    }

    public func connect(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
        let socket: PVCallsSocket
        let connection: any PVCallsConnection
        switch usable(descriptor) {
        case .success(let found): (socket, connection) = found
        case .failure(let error): return error.ret
        }
        switch socket.phase {
        case .open, .failed: break
        case .connecting: return -EALREADY
        case .connected, .listening: return -EISCONN
        // Linux's backend connects another socket than the one that it has bound.
        case .bound: return -EOPNOTSUPP
        case .closing: return -EBADF
        }
        // A BIND is under way whose answer was not waited for.
        guard socket.late == nil else { return -EOPNOTSUPP }
        let address: SocketAddress
        switch inet(bytes) {
        case .success(let found): address = found
        case .failure(let error): return error.ret
        }
        // A bound port would be dropped; without one any will do.
        if let local = socket.local, local != Self.anywhere { return -EOPNOTSUPP }
        socket.peer = address
        socket.error = 0
        socket.phase = .connecting
        guard mayConnect else {
            connects.append(socket)
            return -EINPROGRESS
        }
        let result = sendConnect(socket, connection)
        guard result == 0 else {
            socket.phase = .open
            return result
        }
        return -EINPROGRESS
    }

    /// 0.0.0.0:0.
    static let anywhere = SocketAddress.ipv4(0, port: 0)

    /// Linux's backend connects within its command handler: a CONNECT that nobody answers holds up all requests. So it
    /// gets one at a time, and those whose program gives up meanwhile are never sent.
    private var mayConnect: Bool {
        commands.count(.connect) + commands.waiting.count { $0.0 == .connect } < (connectsAside ? 8 : 1)
    }

    private func sendConnect(_ socket: PVCallsSocket, _ connection: any PVCallsConnection) -> Int32 {
        let result = makeRing(socket, connection)
        guard result == 0, let ring = socket.ring, let peer = socket.peer else { return result }
        commands.post(
            .connect,
            .connect(
                id: SocketID(socket.id), address: peer, flags: 0, ring: .indexesPage(GrantReference(ring.reference)),
                eventChannel: EventChannelPort(ring.port)), socket, connection)
        return 0
    }

    func decideConnect(_ socket: PVCallsSocket, _ ret: Int32) {
        defer { continueConnects() }
        if ret != 0 {
            // Nothing stays mapped, and another connect(2) makes another ring.
            socket.ring?.close(connection)
            socket.ring = nil
        }
        guard socket.phase == .connecting else { return }
        if ret == 0 {
            socket.phase = .connected
        } else {
            socket.phase = .failed
            socket.error = 0 &- ret
        }
        signal(socket)
    }

    private func continueConnects() {
        while let connection, mayConnect, let socket = connects.first {
            connects.removeFirst()
            let result = sendConnect(socket, connection)
            guard result != 0 else { continue }
            socket.phase = .failed
            socket.error = 0 &- result
            signal(socket)
        }
    }

    // MARK: Pages and channels

    /// Makes the data ring of a connection: of the largest order that Linux's backend maps and the guest has pages for.
    ///
    /// - Returns: 0 or a negative errno; what was short is in the log.
    func makeRing(_ socket: PVCallsSocket, _ connection: any PVCallsConnection) -> Int32 {
        var order = min(DataRing.orders.upperBound, max(connection.maximumPageOrder, DataRing.orders.lowerBound))
        var mayRaise = true
        while true {
            do {
                let ring = try DataRing(order: order, allocator: connection.allocator, backend: connection.backend)
                do {
                    try ring.open(connection)
                } catch {
                    ring.close(nil)
                    reportShortage("\(error)")
                    return -ENOBUFS
                }
                give(ring, to: socket)
                return 0
            } catch {
                if mayRaise, raiseLimit(connection.allocator) {
                    mayRaise = false
                } else if order > DataRing.orders.lowerBound {
                    order -= 1
                } else {
                    reportShortage("\(error)")
                    return -ENOBUFS
                }
            }
        }
    }

    func give(_ ring: DataRing?, to socket: PVCallsSocket) {
        socket.ring = ring
        ring?.handler = { [unowned self, unowned socket] in event(socket) }
    }

    private func raiseLimit(_ allocator: any GrantAllocator) -> Bool {
        guard let limit = allocator.limit, limit < Self.grantedPages else { return false }
        do {
            let wanted = min(Self.grantedPages, limit * 2)
            try allocator.raiseLimit(to: wanted)
            log.info("gntalloc's limit is \(wanted) pages now")
            return true
        } catch {
            return false
        }
    }

    /// One line, not one for each call that fails.
    func reportShortage(_ text: String) {
        let now = clock()
        if let shortageReported, now < shortageReported &+ 10_000_000_000 { return }
        shortageReported = now
        log.error("no socket can be made: \(text)")
    }

    /// The event channel of a socket rang.
    private func event(_ socket: PVCallsSocket) {
        guard let ring = socket.ring else { return }
        if socket.phase == .closing { return proceed(socket) }
        noteOutputError(socket, ring)
        if socket.wantsRoom, (try? ring.room()) != 0 || socket.outputError != 0 {
            socket.wantsRoom = false
            return signal(socket)
        }
        if (try? ring.unread()) != 0 || ring.inputError != 0 || socket.outputError != 0 { signal(socket) }
    }

    func noteOutputError(_ socket: PVCallsSocket, _ ring: DataRing) {
        guard socket.outputError == 0 else { return }
        let error = ring.outputError
        guard error != 0 else { return }
        socket.outputError = WireError.fromWire(error)
        ring.withdraw()
    }
}
