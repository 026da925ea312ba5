import CXenSockSystem
import Glibc
import XenSockWire

/// Sockets without a peer outlive the device: they wait until there is another, and are made again there
/// (docs/PROTOCOL.md, 3.6).
extension PVCallsNetwork {
    /// Whether a socket can be made again. No command tells the port that a backend chose.
    private func isStanding(_ socket: PVCallsSocket) -> Bool {
        if socket.isWaiting { return true }
        guard socket.late == nil, !socket.isLost else { return false }
        switch socket.phase {
        case .open: return true
        case .bound, .listening:
            return socket.listener?.failure ?? 0 == 0 && socket.local.map { Self.port($0) != 0 } == true
        case .connecting, .connected, .failed, .closing: return false
        }
    }

    private static func port(_ address: SocketAddress) -> UInt16 {
        address.withUnsafeBytes { UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
    }

    /// The device is gone. What its socket had there is forgotten.
    ///
    /// - Returns: false if the socket ends with the device.
    func keep(_ socket: PVCallsSocket) -> Bool {
        guard isStanding(socket) else { return false }
        socket.renewal = PVCallsSocket.Renewal()
        socket.isKnown = false
        socket.unanswered = 0
        socket.late = nil
        socket.listener?.resumes = nil
        return true
    }

    /// Asks a device that has become Connected for all sockets that wait, listeners first.
    func makeAgain() {
        let waiting = sockets.values.filter(\.isWaiting).sorted {
            ($0.phase == .listening ? 0 : 1, $0.id) < ($1.phase == .listening ? 0 : 1, $1.id)
        }
        guard let connection, !waiting.isEmpty else { return }
        let listeners = waiting.count { $0.phase == .listening }
        log.notice("\(waiting.count) sockets without a peer are made again, \(listeners) listeners among them")
        for socket in waiting {
            create(socket, connection)
            if socket.phase == .open {
                socket.renewal = nil
            } else {
                ask(socket, .bind, connection)
            }
        }
    }

    private func create(_ socket: PVCallsSocket, _ connection: any PVCallsConnection) {
        commands.post(
            .socket,
            .socket(
                id: SocketID(socket.id), domain: UInt32(AF_INET), type: UInt32(SOCK_STREAM.rawValue), protocol: 0,
                eventChannel: 0, indexesPage: 0), socket, connection)
    }

    private func ask(
        _ socket: PVCallsSocket, _ step: PVCallsCommands.Pending.Kind, _ connection: any PVCallsConnection
    ) {
        guard let local = socket.local else { return }
        if let error = socket.renewal?.creationError, error != 0 {
            socket.renewal?.creationError = 0
            create(socket, connection)
        }
        socket.renewal?.step = step
        socket.renewal?.resumes = nil
        let request =
            step == .bind
            ? Request.bind(id: SocketID(socket.id), address: local)
            : Request.listen(id: SocketID(socket.id), backlog: socket.backlog)
        commands.post(step, request, socket, connection)
    }

    /// BIND or LISTEN of a socket that waits was answered.
    func decideRenewal(_ socket: PVCallsSocket, _ step: PVCallsCommands.Pending.Kind, _ ret: Int32) {
        guard let connection, socket.phase != .closing, var renewal = socket.renewal else { return }
        if ret == 0 {
            if step == .bind, socket.phase == .listening { return ask(socket, .listen, connection) }
            socket.renewal = nil
            return offer(socket)
        }
        let error = renewal.creationError != 0 ? renewal.creationError : 0 &- ret
        let passing: Set<Int32> = [EADDRINUSE, EADDRNOTAVAIL, ENOBUFS, ENOMEM, EAGAIN, EINTR, ETIMEDOUT]
        let now = clock()
        let since = renewal.refusedSince ?? now
        guard passing.contains(error), now &- since < renewalPatience else {
            log.error("\(Self.name(socket)) cannot be made again, and is lost: \(String(cString: strerror(error)))")
            socket.renewal = nil
            socket.isLost = true
            socket.listener?.failure = ENETDOWN
            commands.post(.release, .release(id: SocketID(socket.id), reuse: false), socket, connection)
            return signal(socket)
        }
        if renewal.refusedSince == nil {
            log.warning("\(Self.name(socket)) cannot be made again for now: \(String(cString: strerror(error)))")
        }
        renewal.refusedSince = since
        renewal.resumes = now &+ renewal.interval
        schedule(now &+ renewal.interval)
        renewal.interval = min(renewal.interval &* 2, PVCallsSocket.Renewal.longestInterval)
        socket.renewal = renewal
    }

    /// The timer fired: asks again for what was refused.
    func resumeRenewals() {
        guard let connection else { return }
        for socket in sockets.values {
            guard let renewal = socket.renewal, let resumes = renewal.resumes else { continue }
            if clock() >= resumes { ask(socket, renewal.step, connection) } else { schedule(resumes) }
        }
    }

    private static func name(_ socket: PVCallsSocket) -> String {
        let kind = socket.phase == .listening ? "the listener" : "the socket"
        return socket.local.map { "\(kind) at port \(port($0))" } ?? kind
    }
}
