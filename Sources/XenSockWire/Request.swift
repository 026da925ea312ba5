/// Where the pages of a data ring are named.
public enum RingReference: Equatable, Sendable {
    /// `pvcalls1`, `xensock2`: the grant reference of the indexes page, which lists the ring's pages.
    case indexesPage(GrantReference)
    /// `draft1`: the entry lists the 64 pages itself; they travel beside the request as `Draft1Pages`.
    case pages
}

/// The 64 grant references of a `draft1` data ring, in the order in which the pages are mapped.
public struct Draft1Pages: Sendable {
    public var references: InlineArray<64, GrantReference>

    public init() {
        references = InlineArray(repeating: GrantReference(0))
    }
}

/// A request of the frontend, in the terms that all dialects share. Numbers (domain, type, level, name and so on) are
/// Linux's and go through unchanged; what a dialect does not carry is zero after decoding.
public enum Request: Equatable, Sendable {
    /// `eventChannel` and `indexesPage` are carried by `xensock2` only. `draft1` has no such command.
    case socket(
        id: SocketID, domain: UInt32, type: UInt32, protocol: UInt32, eventChannel: EventChannelPort,
        indexesPage: GrantReference)
    case connect(
        id: SocketID, address: SocketAddress, flags: UInt32, ring: RingReference, eventChannel: EventChannelPort)
    /// `reuse`: the same pages come back with a later ring; `pvcalls1` only, a hint.
    case release(id: SocketID, reuse: Bool)
    case bind(id: SocketID, address: SocketAddress)
    /// `draft1` carries no backlog: decoding gives `Draft1.backlog`.
    case listen(id: SocketID, backlog: Int32)
    /// `newID`, `ring` and `eventChannel` are for the connection that is taken.
    case accept(id: SocketID, newID: SocketID, ring: RingReference, eventChannel: EventChannelPort)
    case poll(id: SocketID)
    /// `how` is 0, 1 or 2 (`SHUT_RD`, `SHUT_WR`, `SHUT_RDWR`); the write side ends behind byte `outProducer`.
    case shutdown(id: SocketID, how: UInt32, outProducer: UInt32)
    case getsockname(id: SocketID)
    case getpeername(id: SocketID)
    /// `length`: the room for the value, at most `ArgumentArea.slotSize`.
    case getsockopt(id: SocketID, level: Int32, name: Int32, length: UInt32)
    /// The value is the first `length` bytes of the argument slot; applied when byte `outProducer` was taken.
    case setsockopt(id: SocketID, level: Int32, name: Int32, length: UInt32, outProducer: UInt32)
    case ioctl(id: SocketID, request: UInt32)
    case sendOOB(id: SocketID, outProducer: UInt32, byte: UInt8)
    case relay(id: SocketID)
    /// Sends the datagrams before `outProducer`; the answer is the error of the one that ends there.
    case flush(id: SocketID, outProducer: UInt32)
    /// The bytes from `offset` on of the first message of the error queue; offset 0 takes the next message.
    case recverr(id: SocketID, offset: UInt32)
    /// Answered once datagrams that this arena's sockets published before were sent, and have come in if they could.
    case look(id: SocketID)
    /// A command that the dialect does not have. `id` is what stands where most commands have theirs.
    case unknown(command: UInt32, id: SocketID)

    /// The command, or nil for `unknown`.
    public var command: Command? {
        switch self {
        case .socket: .socket
        case .connect: .connect
        case .release: .release
        case .bind: .bind
        case .listen: .listen
        case .accept: .accept
        case .poll: .poll
        case .shutdown: .shutdown
        case .getsockname: .getsockname
        case .getpeername: .getpeername
        case .getsockopt: .getsockopt
        case .setsockopt: .setsockopt
        case .ioctl: .ioctl
        case .sendOOB: .sendOOB
        case .relay: .relay
        case .flush: .flush
        case .recverr: .recverr
        case .look: .look
        case .unknown: nil
        }
    }

    /// The socket that the request is about; for ACCEPT the listening one, which its response names too.
    public var id: SocketID {
        switch self {
        case .socket(let id, _, _, _, _, _), .connect(let id, _, _, _, _), .release(let id, _), .bind(let id, _),
            .listen(let id, _), .accept(let id, _, _, _), .poll(let id), .shutdown(let id, _, _),
            .getsockname(let id), .getpeername(let id), .getsockopt(let id, _, _, _),
            .setsockopt(let id, _, _, _, _), .ioctl(let id, _), .sendOOB(let id, _, _), .relay(let id),
            .flush(let id, _), .recverr(let id, _), .look(let id), .unknown(_, let id):
            id
        }
    }
}

/// A request as a backend finds it: what it must echo, and what it is asked, or why that cannot be said.
public struct IncomingRequest: Sendable {
    /// Echoed as it came. Not a key: a peer may have two requests of one number in flight.
    public var requestID: UInt32
    /// The number on the wire, echoed as it came.
    public var command: UInt32
    public var id: SocketID
    /// A failure is the error to answer: EINVAL for a length out of bounds.
    public var content: Result<Request, WireError>

    /// The response that echoes this request, with `ret` 0 or a negative error.
    public func response(_ ret: Int32, _ payload: Response.Payload = .none) -> Response {
        Response(requestID: requestID, command: command, ret: ret, id: id, payload: payload)
    }
}
