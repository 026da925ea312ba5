import Logging
import XenSockRing
import XenSockWire
import XenSockXen

/// `pvcalls1` on a device: the command ring of any PV Calls frontend, Linux's own among them (docs/PROTOCOL.md, chapter
/// 5). Every request is answered, at once or when its socket has what it waits for.
final class XenV1Connection: XenConnection {
    /// Of the frontend's command ring.
    private var ring: CommandRingBack
    private let memory: GrantMapping
    private let port: UInt32
    unowned let device: any XenDeviceServices
    let domain: XenDomain
    let number: UInt32
    let service: Service
    let credentials: PeerCredentials
    private let codec = RequestCodec(.pvcalls1)
    var sockets: [UInt64: XenV1Socket] = [:]
    private var isScheduled = false
    private var isClosed = false

    /// - Parameters:
    ///   - ring: the command ring's page.
    ///   - port: this domain's port of its event channel; stays the device's.
    init(
        service: Service, device: any XenDeviceServices, ring: GrantMapping, port: UInt32, domain: XenDomain,
        number: UInt32
    ) {
        self.service = service
        self.device = device
        self.domain = domain
        self.number = number
        self.port = port
        memory = ring
        self.ring = CommandRingBack(page: ring.base, layout: .pvcalls)
        credentials = PeerCredentials(
            processID: 0, userID: PeerCredentials.noUser, groupID: PeerCredentials.noUser,
            domainID: domain.id.rawValue)
    }

    func notified() {
        guard !isScheduled, !isClosed else { return }
        isScheduled = true
        service.afterTurn { [weak self] in self?.runCommands() }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        // A listener's end answers nobody any more, and is the end of what its held ACCEPT would have made.
        for socket in Array(sockets.values) {
            socket.connection = nil
            socket.accepting = nil
        }
        for socket in Array(sockets.values) { socket.release() }
        sockets = [:]
        memory.unmap()
    }

    // MARK: The command ring

    private func runCommands() {
        isScheduled = false
        do {
            for _ in 0..<Service.commandBudget {
                guard !isClosed else { return }
                guard let slot = try ring.nextRequest() else {
                    if !ring.awaitRequest() { notified() }
                    return
                }
                let incoming = codec.decode(from: slot)
                ring.consumeRequest()
                let ret = execute(incoming)
                device.log.debug(
                    "request",
                    metadata: [
                        "command": "\(incoming.command)", "id": "\(incoming.id.rawValue)",
                        "ret": "\(ret.map { "\($0)" } ?? "held")",
                    ])
                if let ret { send([incoming.response(ret)]) }
            }
            notified()
        } catch {
            device.violated("more requests than the command ring has entries")
        }
    }

    /// Writes answers to the command ring.
    func send(_ responses: [Response]) {
        guard !isClosed else { return }
        for response in responses {
            // Only an address could be refused, and there is none.
            try? codec.encode(response, into: ring.nextResponse())
            ring.pushResponse()
        }
        if ring.publishResponses() { device.notify(port) }
    }

    // MARK: Sockets

    /// The socket of a name, which is made if there is none.
    ///
    /// - Returns: the socket, and whether it is new; or a positive errno: beyond the domain's limit.
    func socket(_ id: SocketID) -> Result<(socket: XenV1Socket, isNew: Bool), WireError> {
        if let known = sockets[id.rawValue] { return .success((known, false)) }
        let limit = domain.configuration.socketsPerDomain
        guard domain.sockets < limit else {
            domain.report(.notice, device: number, "refused a socket: --max-domain-sockets is \(limit)")
            return .failure(.EMFILE)
        }
        let channel = XenV1Channel(device: device, maximumOrder: domain.configuration.maximumPageOrder)
        let socket = XenV1Socket(id: id.rawValue, domain: domain, device: number, channel: channel, connection: self)
        sockets[id.rawValue] = socket
        return .success((socket, true))
    }

    /// Takes a socket that came to nothing out of the table.
    func forget(_ socket: XenV1Socket) {
        if sockets[socket.id] === socket { sockets[socket.id] = nil }
        socket.connection = nil
        socket.discard()
    }
}
