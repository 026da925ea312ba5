import XenSockRing
import XenSockWire

/// Requests about datagram and raw sockets (docs/PROTOCOL.md, 2.5).
extension Service {
    /// Whether SOCKET can make a socket of this type.
    func isServed(domain: UInt32, type: UInt32) -> Bool {
        switch type {
        case SocketType.stream: true
        case SocketType.dgram, SocketType.raw: domain != SocketDomain.unix
        default: false
        }
    }

    /// Gives a new socket its ring.
    ///
    /// - Returns: 0 or a negative errno; then the socket is gone.
    func openDatagrams(_ socket: Socket, _ session: Session) -> Int32 {
        let judge = DatagramJudge(
            policy: policy, credentials: session.credentials, domain: socket.domain, type: socket.type)
        let result = socket.openDatagrams(judge)
        if result != 0 { socket.finish(abort: true) }
        settle(socket)
        return result
    }

    /// Other sockets of the one who asks that LOOK gives a turn, at most: their own comes soon.
    static var lookedAt: Int { 64 }

    /// LOOK: the steps that the reactor would take next for the datagram sockets of the one who asks.
    func look(_ socket: Socket, _ session: Session) -> Int32 {
        guard socket.datagrams != nil else { return 0 &- Errno.eopnotsupp }
        for arena in [socket.arena, session.arena] {
            if let arena { arena.back.takePending { ring(arena, $0) } }
        }
        var turns = 0
        for other in readySockets
        where other.phase == .datagram && (other.arena === socket.arena || other.arena === session.arena) {
            if turns == Self.lookedAt { break }
            turns += 1
            other.turn()
            settle(other)
        }
        return socket.lookForDatagrams()
    }

    /// RECVERR.
    func receiveError(
        _ incoming: IncomingRequest, _ socket: Socket, offset: UInt32, _ session: Session
    ) -> Response {
        withUnsafeTemporaryAllocation(byteCount: ArgumentArea.slotSize, alignment: 8) { value in
            guard let base = value.baseAddress, let arguments = session.arguments else {
                return incoming.response(0 &- Errno.enomem)
            }
            let count = socket.receiveErrorMessage(offset: offset, into: value)
            guard count >= 0 else { return incoming.response(count) }
            guard arguments.write(incoming.requestID, from: base, count: Int(count)) else {
                return incoming.response(0 &- Errno.einval)
            }
            return incoming.response(0, .length(UInt32(count)))
        }
    }
}
