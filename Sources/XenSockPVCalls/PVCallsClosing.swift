import Glibc
import XenSockRing
import XenSockWire

/// close(2) and RELEASE.
extension PVCallsNetwork {
    public func prepareAbort(_ descriptor: Int32) { sockets[descriptor]?.isAborted = true }

    /// The descriptor is gone at once. Bytes that the backend has not taken are waited for before it is told, since
    /// Linux's drops them at RELEASE.
    public func close(_ descriptor: Int32) {
        guard let socket = sockets.removeValue(forKey: descriptor) else { return }
        Glibc.close(descriptor)
        socket.descriptor = -1
        guard connection != nil, !socket.isLost else {
            socket.ring?.close(nil)
            return
        }
        release(socket)
    }

    /// Gives up a socket that the program has no more.
    func release(_ socket: PVCallsSocket) {
        let wasConnected = socket.phase == .connected
        if socket.phase == .connecting { connects.removeAll { $0 === socket } }
        socket.phase = .closing
        closing.append(socket)
        socket.untaken = wasConnected ? (try? socket.ring?.untaken()) ?? 0 : 0
        socket.drainEnd = clock() &+ (socket.isAborted ? Self.abortLimit : Self.drainLimit)
        for arrival in socket.listener?.arrivals ?? [] { release(arrival) }
        socket.listener?.arrivals = []
        proceed(socket)
    }

    /// Goes on with a socket that is closing, as far as it can.
    func proceed(_ socket: PVCallsSocket) {
        guard let connection, socket.phase == .closing, !socket.isReleasing, socket.unanswered == 0 else { return }
        guard !isDraining(socket) else { return schedule(socket.drainEnd) }
        guard socket.isKnown else { return finish(socket) }
        socket.isReleasing = true
        socket.ring?.publishAll()
        commands.post(.release, .release(id: SocketID(socket.id), reuse: false), socket, connection)
    }

    private func isDraining(_ socket: PVCallsSocket) -> Bool {
        guard socket.untaken > 0, let ring = socket.ring, ring.outputError == 0, let untaken = try? ring.untaken(),
            untaken > 0
        else { return false }
        if untaken != socket.untaken, !socket.isAborted {
            socket.untaken = untaken
            socket.drainEnd = clock() &+ Self.drainLimit
        }
        return clock() < socket.drainEnd
    }

    /// RELEASE was answered, or the backend never heard of the socket: nothing of it is left there.
    func finish(_ socket: PVCallsSocket) {
        closing.removeAll { $0 === socket }
        socket.ring?.close(connection)
        socket.ring = nil
        if let listener = socket.listener { takeBackOffer(listener) }
        if isRenewalDue {
            idleSince = clock()
            schedule(clock() &+ Self.idleLimit)
        }
    }

    /// Nothing uses the device, and half of the command ring is lost.
    private var isRenewalDue: Bool {
        sockets.isEmpty && closing.isEmpty && commands.count(.lost) >= PVCallsCommands.slots / 2
    }

    /// Has the device connected again, when nothing has used it for a while: sockets that are made meanwhile fail.
    func renewIfIdle() {
        guard let start = idleSince else { return }
        guard connection != nil, isRenewalDue else {
            idleSince = nil
            return
        }
        let end = start &+ Self.idleLimit
        guard clock() >= end else { return schedule(end) }
        idleSince = nil
        renew?()
    }

    private func takeBackOffer(_ listener: PVCallsSocket.Listener) {
        guard let offered = listener.offered else { return }
        listener.offered = nil
        offered.ring?.close(connection)
        offered.ring = nil
        guard offered.awaitedBy != nil else { return }
        // The ACCEPT was not answered before, so it will not be: its slot is lost until the device is connected again.
        commands.loseAccept(for: offered)
        let lost = commands.count(.lost)
        if lost == PVCallsCommands.slots / 2 {
            log.warning("the backend left \(lost) requests of closed listeners without an answer, of 32 at most")
        }
    }
}
