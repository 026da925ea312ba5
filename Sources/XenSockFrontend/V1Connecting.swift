import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// socket(2), connect(2), bind(2), listen(2) in `draft1` and `pvcalls1`.
extension Frontend {
    /// What process wide calls go by: the dialect that XENSOCK_DIALECT names.
    static var dialect: Dialect { Dialect(number: xs_get_process_state().pointee.dialect) ?? .xensock2 }

    /// Whether names are resolved in the backend domain; `draft1` and `pvcalls1` know addresses only.
    public static var resolvesNames: Bool { dialect == .xensock2 }

    static func v1Socket(domain: Int32, flags: Int32, protocol: Int32) -> Int {
        guard domain == AF_INET else { return -Int(EAFNOSUPPORT) }
        guard `protocol` == 0 || `protocol` == Int32(IPPROTO_TCP) else { return -Int(EPROTONOSUPPORT) }
        return Birth.open(flags: flags) { state, mask, port, id in
            // The first draft's sockets begin with CONNECT or BIND.
            guard Session.dialect(state) == .pvcalls1 else {
                let fence = Request.release(id: SocketID(0), reuse: false)
                return Response(
                    requestID: 0, command: 0, ret: Commands.exchangeBlocked(state, mask, fence).ret, id: id)
            }
            return Commands.exchangeBlocked(
                state, mask,
                .socket(
                    id: id, domain: UInt32(AF_INET), type: UInt32(SOCK_STREAM.rawValue), protocol: 0,
                    eventChannel: EventChannelPort(port), indexesPage: GrantReference(0)))
        }
    }

    /// nil if the dialects carry the address.
    private static func refusal(_ address: SocketAddress) -> Int? {
        if address.length < 16 { return -Int(EINVAL) }
        return address.family == SocketAddress.inet ? nil : -Int(EAFNOSUPPORT)
    }

    static func v1Connect(_ handle: SocketHandle, to address: SocketAddress) -> Int {
        let blocking = !handle.status.isNonBlocking
        _ = Session.opened()
        while true {
            // A handler that connects the same socket does so before this or behind it.
            let mask = Kernel.blockSignals()
            let result = begin(handle, mask, to: address, blocking: blocking)
            Kernel.restoreSignals(mask)
            guard let result else { return reported(handle.status, handle.v1.awaitConnect()) }
            if result != -Int(ENOBUFS) || !blocking { return result }
            // Too many are under way.
            Kernel.sleep(nanoseconds: 1_000_000)
        }
    }

    /// connect(2) as far as the request, with signals blocked.
    ///
    /// - Parameter mask: the program's signal mask.
    /// - Returns: the call's result; nil if the outcome is to be waited for.
    private static func begin(
        _ handle: SocketHandle, _ mask: UInt64, to address: SocketAddress, blocking: Bool
    ) -> Int? {
        let status = handle.status
        let socket = handle.v1
        switch status.state {
        case .connecting: return blocking ? nil : -Int(EALREADY)
        case .connected:
            if !status.has(connectUnreported) { return -Int(EISCONN) }
            status.set(connectUnreported, false)
            return 0
        case .failedConnect where status.has(connectUnreported):
            status.set(connectUnreported, false)
            let error = status.takeError()
            return error != 0 ? -error : -Int(ECONNABORTED)
        case .listening, .reset: return -Int(EISCONN)
        case .open, .failedConnect, .free: break
        }
        if let refusal = refusal(address) { return refusal }
        let known = V1Commands.know(handle)
        if known < 0 { return known }
        guard socket.prepareConnect(mask) else { return -Int(EIO) }
        // Before CONNECT: so it is not writable while that is under way, whatever becomes of this process.
        socket.obstruct(mask)
        V1Names(handle).peer = address
        let posted = postConnect(handle, socket, address, mask)
        if posted < 0 { return posted }
        if V1Commands.fence(mask: mask) != 0 { return -Int(ENETDOWN) }
        if blocking { return nil }
        if case .failedConnect = status.state, !isLate(status.error) {
            let error = status.takeError()
            return error != 0 ? -error : -Int(ECONNABORTED)
        }
        status.set(connectUnreported, true)
        return -Int(EINPROGRESS)
    }

    private static func postConnect(
        _ handle: SocketHandle, _ socket: V1StreamSocket<LocalDomain>, _ address: SocketAddress, _ mask: UInt64
    ) -> Int {
        V1Commands.post(
            .connect(
                id: handle.entry.id, address: address, flags: 0,
                ring: grantRing(handle.arena.base, handle.entry.port, handle.arena.ports, socket.dialect),
                eventChannel: EventChannelPort(handle.entry.port)), kind: V1Commands.Kind.connect, mask: mask)
    }

    /// Errors that a non-blocking connect(2) does not report itself.
    private static func isLate(_ error: Int) -> Bool {
        error == Int(ECONNREFUSED) || error == Int(ECONNRESET) || error == Int(ETIMEDOUT)
    }

    /// Writes the indexes page of a port for a ring that begins, and its order to the status line.
    static func grantRing(_ base: UnsafeMutableRawPointer, _ port: UInt32, _ ports: UInt32, _ dialect: Dialect)
        -> RingReference
    {
        let page = Arena.indexesPage(forPort: port, ports: ports)
        let indexes = base + Arena.offset(of: page)
        let status = SocketStatus(line: base + Arena.statusOffset(port: port))
        if dialect == .draft1 {
            V1Ring(draft1: indexes + pageSize).clear()
            status.setOrder(V1StreamSocket<LocalDomain>.draft1Order)
            return .pages
        }
        V1Ring(indexes: indexes, data: indexes, half: 0).clear()
        IndexesPageWriter(indexes).writeRing(order: ringOrder, indexesPage: page)
        status.setOrder(ringOrder)
        return .indexesPage(page)
    }

    static func v1Bind(_ handle: SocketHandle, _ address: SocketAddress) -> Int {
        if let refusal = refusal(address) { return refusal }
        let known = V1Commands.know(handle)
        if known < 0 { return known }
        let result = Commands.exchange(.bind(id: handle.entry.id, address: address)).ret
        if result == 0 {
            handle.status.set(StatusLine.Flag.bound, true)
            V1Names(handle).local = address
        }
        return Int(result)
    }

    /// A listener has a POLL in flight from here on, for its placeholder to show when a connection waits.
    static func v1Listen(_ handle: SocketHandle, backlog: Int32) -> Int {
        let known = V1Commands.know(handle)
        if known < 0 { return known }
        let result = Commands.exchange(.listen(id: handle.entry.id, backlog: backlog)).ret
        if result != 0 { return Int(result) }
        if handle.status.has(StatusLine.Flag.listening) { return 0 }
        handle.status.set(StatusLine.Flag.listening, true)
        handle.v1.obstruct()
        return V1Commands.post(.poll(id: handle.entry.id), kind: V1Commands.Kind.poll)
    }
}

extension V1StreamSocket {
    /// Makes the socket ready for another connect after one that failed: no token stands.
    ///
    /// - Parameter mask: the program's signal mask; signals are blocked.
    /// - Returns: false if tokens come for ever.
    func prepareConnect(_ mask: UInt64) -> Bool {
        let lock = status.receiveLock
        let held = lock.acquire(plain.tag, mask: mask)
        defer { lock.release(held) }
        _ = status.takeError()
        var tries = 0
        while tries < StreamSocket<Domain>.fruitlessLimit {
            tries &+= 1
            let value = inReadiness.load()
            if value & ReadinessFlag.unsettled != 0 {
                settleTokens()
            } else if value & ReadinessFlag.tokens == 0 || disarm(value, &tries) {
                return true
            }
        }
        return false
    }
}

/// The names of a socket, as the program gave them: no command asks for others. They stand in the port's first page,
/// so that every process that has the socket finds them.
struct V1Names {
    private let page: UnsafeMutableRawPointer
    private static let localOffset = 2048
    private static let peerOffset = 2112

    init(page: UnsafeMutableRawPointer) { self.page = page }

    init(_ handle: SocketHandle) { page = handle.arena.base + Arena.offset(of: handle.indexesPage) }

    var local: SocketAddress {
        get { load(Self.localOffset) }
        nonmutating set { store(newValue, Self.localOffset) }
    }

    var peer: SocketAddress {
        get { load(Self.peerOffset) }
        nonmutating set { store(newValue, Self.peerOffset) }
    }

    /// Unspecified both, for a socket that begins.
    func clear() {
        local = .ipv4(0, port: 0)
        peer = .ipv4(0, port: 0)
    }

    private func load(_ offset: Int) -> SocketAddress {
        let word = SharedWord64(page + offset).load()
        let port = UInt16(truncatingIfNeeded: word)
        return .ipv4(UInt32(truncatingIfNeeded: word >> 32), port: port)
    }

    private func store(_ address: SocketAddress, _ offset: Int) {
        SharedWord64(page + offset).store(UInt64(address.ipv4 ?? 0) << 32 | UInt64(address.port ?? 0))
    }
}
