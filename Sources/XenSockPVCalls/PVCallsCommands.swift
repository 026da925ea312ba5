import XenSockRing
import XenSockWire

/// The command ring: requests that wait, requests under way, answers (docs/PROTOCOL.md, 5.3 to 5.5).
struct PVCallsCommands {
    static let slots = 32
    /// Slots that held ACCEPTs never take, nor ACCEPTs that were held when their listener was released: Linux's backend
    /// leaves those unanswered for ever.
    static let reservedSlots = 8

    /// A request without an answer.
    struct Pending {
        enum Kind: Equatable {
            case socket, connect, bind, listen, accept, release
            /// An ACCEPT whose listener was released: hardly any backend answers it now.
            case lost
        }

        var kind: Kind
        let socket: PVCallsSocket
        /// Counts requests in the order of sending.
        let serial: UInt64
    }

    /// By `req_id`, which is below 32 and that of no other request under way.
    private(set) var pending = [Pending?](repeating: nil, count: slots)
    private(set) var waiting: [(Pending.Kind, Request, PVCallsSocket)] = []
    private var nextSerial: UInt64 = 1
    private let codec = RequestCodec(.pvcalls1)

    var isIdle: Bool { waiting.isEmpty && !pending.contains { $0 != nil && $0?.kind != .lost } }

    func count(_ kind: Pending.Kind) -> Int { pending.count { $0?.kind == kind } }

    /// Whether requests of later sending were answered before a CONNECT: then a backend connects without holding up
    /// others.
    func overtakesConnect(_ answered: Pending) -> Bool {
        guard answered.kind != .accept, answered.kind != .lost, answered.kind != .connect else { return false }
        return pending.contains { $0?.kind == .connect && $0!.serial < answered.serial }
    }

    /// Sends a request, or lets it wait for a slot behind those that wait.
    mutating func post(
        _ kind: Pending.Kind, _ request: Request, _ socket: PVCallsSocket, _ connection: any PVCallsConnection
    ) {
        socket.isKnown = true
        if kind != .accept { socket.unanswered += 1 }
        waiting.append((kind, request, socket))
        send(connection)
    }

    /// Sends what waits, as long as there are slots.
    mutating func send(_ connection: any PVCallsConnection) {
        var mustNotify = false
        while let (kind, request, socket) = waiting.first, !connection.ring.isFull,
            let number = pending.firstIndex(where: { $0 == nil })
        {
            waiting.removeFirst()
            do {
                try codec.encode(request, requestID: UInt32(number), into: connection.ring.nextRequest())
            } catch {
                preconditionFailure("pvcalls1 carries every request of this network: \(error)")
            }
            pending[number] = Pending(kind: kind, socket: socket, serial: nextSerial)
            nextSerial += 1
            if connection.ring.push() { mustNotify = true }
        }
        if mustNotify { connection.notify() }
    }

    enum Answer {
        case none
        case answered(Pending, ret: Int32)
        case violation(String)
    }

    /// The next answer. Which request it is for is believed only as far as one is under way.
    mutating func next(_ connection: any PVCallsConnection) -> Answer {
        do {
            guard let slot = try connection.ring.nextResponse() else { return .none }
            let response = codec.decodeResponse(from: slot)
            connection.ring.consumeResponse()
            guard response.requestID < Self.slots, let answered = pending[Int(response.requestID)] else {
                return .violation("an answer to no request (req_id \(response.requestID))")
            }
            pending[Int(response.requestID)] = nil
            return .answered(answered, ret: response.ret)
        } catch {
            return .violation("more answers than requests")
        }
    }

    /// The ACCEPT for a connection will hardly be answered: its listener was released.
    mutating func loseAccept(for offered: PVCallsSocket) {
        for number in pending.indices where pending[number]?.socket === offered && pending[number]?.kind == .accept {
            pending[number]?.kind = .lost
        }
        waiting.removeAll { $0.0 == .accept && $0.2 === offered }
    }
}
