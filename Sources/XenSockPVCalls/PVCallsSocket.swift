import XenSockWire

/// A socket of the backend domain, from socket(2) or the arrival of its connection until the backend has released it.
final class PVCallsSocket {
    enum Phase: Equatable {
        /// Neither connected nor bound in the backend.
        case open
        /// CONNECT waits for its turn, or for its answer.
        case connecting
        case connected
        /// CONNECT failed; another may be tried.
        case failed
        case bound
        case listening
        /// close(2) was called: what is left in `out` is taken, then the backend releases the socket.
        case closing
    }

    /// All 64 bits count, and none is used for another socket.
    let id: UInt64
    var phase = Phase.open
    /// An eventfd, which is written whenever its owner is to look; -1 before accept(2) and after close(2).
    var descriptor: Int32 = -1
    /// The connection, or the one that is being made.
    var ring: DataRing?

    /// listen(2)'s.
    var backlog: Int32 = 0
    /// The device is gone and the socket waits for another: its program finds nothing there until it is made again.
    var renewal: Renewal?
    var isWaiting: Bool { renewal != nil }

    /// As the program gave them: no command asks for others.
    var local: SocketAddress?
    var peer: SocketAddress?
    /// The receive and send timeouts, `struct timeval` each, as they were set: the frontend observes them.
    var timeouts: [Int32: [UInt8]] = [:]

    /// SO_ERROR: a positive number, or 0.
    var error: Int32 = 0
    /// The device left Connected: nothing more comes but what stands in the ring.
    var isLost = false
    /// The backend wrote an index beyond the ring.
    var isViolated = false
    /// Which ends of the connection were reported.
    var hasReportedInput = false
    var hasReportedOutput = false
    /// out_error, once it was seen; Linux's backend may clear it again.
    var outputError: Int32 = 0
    /// send(2) found no room.
    var wantsRoom = false
    /// In the network's list of those whose backend is told later, if it has not found out.
    var isUnheard = false
    /// The backend may wait for room in `in`.
    var owesNotice = false
    /// close(2) is to reset the connection.
    var isAborted = false

    /// The backend has heard of the id: it is to be released.
    var isKnown = false
    /// Requests without an answer, a held ACCEPT not counted.
    var unanswered = 0
    /// The BIND or LISTEN without an answer.
    var late: LateRequest?
    /// What its answer said: a positive number, or 0.
    var refusal: Int32 = 0
    /// BIND or LISTEN succeeded behind the call's back: the next one of the kind finds it done.
    var hasLateAnswer = false
    var listener: Listener?
    /// The listener whose held ACCEPT makes this one's connection.
    weak var awaitedBy: PVCallsSocket?

    /// While closing: bytes of `out` that were left at the last look, and when they are given up.
    var untaken: UInt32 = 0
    var drainEnd: UInt64 = 0
    var isReleasing = false

    init(id: UInt64) { self.id = id }

    /// A request whose answer a call waited for in vain.
    enum LateRequest: Equatable {
        case bind(SocketAddress)
        case listen
    }

    /// How far the making of a socket is that was lost with its device. Times are those of the network's clock.
    struct Renewal {
        static let longestInterval: UInt64 = 1_000_000_000

        /// BIND or LISTEN: what is asked for, or will be again.
        var step = PVCallsCommands.Pending.Kind.bind
        /// When to ask again; nil while it is asked for, and without a device.
        var resumes: UInt64?
        var interval: UInt64 = 20_000_000
        var refusedSince: UInt64?
        /// Why SOCKET failed, positive: whatever follows it fails for want of the socket. 0 if it did not.
        var creationError: Int32 = 0
    }

    /// What a listener has beside.
    final class Listener {
        /// Connections that wait for accept(2).
        var arrivals: [PVCallsSocket] = []
        /// The connection for which an ACCEPT is held.
        var offered: PVCallsSocket?
        /// When the next ACCEPT may be sent, in nanoseconds of the network's clock; nil: at once.
        var resumes: UInt64?
        /// No connection will ever come any more.
        var failure: Int32 = 0
    }
}
