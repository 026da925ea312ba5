import Glibc
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockBackend

/// A guest's frontend of `pvcalls1`, in a domain of a simulated Xen: it does what tests say, right or wrong.
final class GuestFrontend {
    let domain: DomainID
    /// The backend's domain.
    let server: DomainID
    let platform: XenPlatform
    let store: any XenStore
    let channels: any EventChannels
    let codec = RequestCodec(.pvcalls1)
    let path: String
    let backend: String
    private(set) var page: GrantAllocation
    var ring: CommandRingFront
    private(set) var port: UInt32 = 0
    private var early: [Response] = []
    private var number: UInt32 = 0
    private var rings: [SocketID: Ring] = [:]

    /// The pages and the channel of one socket.
    struct Ring {
        let memory: GrantAllocation
        let port: UInt32
        let view: V1Ring

        var reference: RingReference { .indexesPage(GrantReference(memory.references[0])) }
    }

    init(_ xen: SimulatedXen, _ domain: DomainID, device: UInt32 = 0, backend server: DomainID = .control) throws {
        self.domain = domain
        self.server = server
        platform = xen.platform(domain: domain)
        store = try platform.store()
        channels = try platform.channels()
        path = "\(domain.path)/device/pvcalls/\(device)"
        backend = "\(server.path)/backend/pvcalls/\(domain)/\(device)"
        page = try platform.allocator.allocate(pages: 1, for: server)
        ring = CommandRingFront(page: page.base, layout: .pvcalls)
    }

    /// Of all sockets.
    var ports: [UInt32] { rings.values.map(\.port) }
    var indexPages: [UnsafeMutableRawPointer] {
        rings.keys.sorted { $0.rawValue < $1.rawValue }.map { rings[$0]!.memory.base }
    }

    // MARK: XenBus

    func state() -> String? { try? store.read("\(backend)/state") }

    func set(_ state: XenBusState) throws { try store.write("\(path)/state", "\(state.rawValue)") }

    func awaitBackend(_ state: XenBusState) -> Bool { eventually { self.state() == "\(state.rawValue)" } }

    /// Writes what a frontend writes before Initialised, and that.
    func offer(_ changes: [String: String] = [:]) throws {
        port = try channels.bindUnbound(for: server)
        var nodes = ["version": "1", "ring-ref": "\(page.references[0])", "port": "\(port)"]
        nodes.merge(changes) { $1 }
        for (name, value) in nodes { try store.write("\(path)/\(name)", value) }
        try set(.initialised)
    }

    func connect() throws {
        guard awaitBackend(.initWait) else { throw ClientError(description: "no InitWait: \(state() ?? "none")") }
        try offer()
        guard awaitBackend(.connected) else { throw ClientError(description: "not connected: \(state() ?? "none")") }
        try set(.connected)
    }

    /// What a frontend does with Closing of the backend: gives everything back. What follows is another life.
    func leave() throws {
        channels.unbind(port)
        for ring in rings.values { channels.unbind(ring.port) }
        rings = [:]
        page = try platform.allocator.allocate(pages: 1, for: server)
        ring = CommandRingFront(page: page.base, layout: .pvcalls)
        early = []
    }

    // MARK: The command ring

    func post(_ request: Request) throws -> UInt32 {
        number &+= 0x0101_0101
        try codec.encode(request, requestID: number, into: ring.nextRequest())
        if ring.push() { channels.notify(port) }
        return number
    }

    func ringBell() { channels.notify(port) }

    func answer(_ number: UInt32) throws -> Response {
        if let index = early.firstIndex(where: { $0.requestID == number }) { return early.remove(at: index) }
        while true {
            let response = try next()
            if response.requestID == number { return response }
            early.append(response)
        }
    }

    /// The next answer, whatever it answers.
    func next() throws -> Response {
        var found: Response?
        let came = try eventually {
            guard let slot = try ring.nextResponse() else { return false }
            found = codec.decodeResponse(from: slot)
            ring.consumeResponse()
            return true
        }
        guard came, let found else { throw ClientError(description: "no answer") }
        return found
    }

    /// Whether an answer is there now.
    func hasAnswer() throws -> Bool { try !early.isEmpty || ring.nextResponse() != nil }

    func call(_ request: Request) throws -> Int32 { try answer(post(request)).ret }

    // MARK: Sockets

    /// Makes the pages and the channel of a socket.
    @discardableResult
    func makeRing(_ id: SocketID, order: UInt32 = 1) throws -> Ring {
        let pages = 1 << Int(order)
        let memory = try platform.allocator.allocate(pages: 1 + pages, for: server)
        SharedWord32(memory.base + IndexesPage.ringOrder).store(order)
        for index in 0..<pages {
            SharedWord32(memory.base + DataRingLayout.referenceOffset(page: index))
                .store(memory.references[1 + index])
        }
        let view = V1Ring(indexes: memory.base, data: memory.base + pageSize, half: UInt32(2048 * pages))
        let ring = Ring(memory: memory, port: try channels.bindUnbound(for: server), view: view)
        rings[id] = ring
        return ring
    }

    func view(_ id: SocketID) -> V1Ring { rings[id]!.view }

    func socket(_ id: SocketID, domain: UInt32 = 2, type: UInt32 = 1) throws -> Int32 {
        try call(
            .socket(id: id, domain: domain, type: type, protocol: 0, eventChannel: EventChannelPort(0), indexesPage: 0))
    }

    func connectRequest(_ id: SocketID, to address: SocketAddress) throws -> Request {
        let ring = try rings[id] ?? makeRing(id)
        return .connect(
            id: id, address: address, flags: 0xffff_ffff, ring: ring.reference,
            eventChannel: EventChannelPort(ring.port))
    }

    func connect(_ id: SocketID, to address: SocketAddress) throws -> Int32 {
        try call(connectRequest(id, to: address))
    }

    func acceptRequest(_ listener: SocketID, into id: SocketID) throws -> Request {
        let ring = try rings[id] ?? makeRing(id)
        return .accept(
            id: listener, newID: id, ring: ring.reference, eventChannel: EventChannelPort(ring.port))
    }

    func release(_ id: SocketID) throws -> Int32 {
        let ret = try call(.release(id: id, reuse: false))
        if let ring = rings.removeValue(forKey: id) { channels.unbind(ring.port) }
        return ret
    }

    func ringBell(of id: SocketID) { channels.notify(rings[id]!.port) }

    // MARK: Bytes

    func send(_ id: SocketID, _ bytes: [UInt8]) throws {
        let output = view(id).output
        var sent = 0
        let done = try eventually {
            let produced = output.producer.load()
            let queued = try output.queued(produced: produced, consumed: output.consumer.load())
            let count = min(bytes.count - sent, Int(output.size - queued))
            if count > 0 {
                let room = output.bytes(at: produced, count: UInt32(count))
                let piece = Array(bytes[sent..<sent + count])
                room.first.copyBytes(from: piece[0..<room.first.count])
                if room.second.count > 0 { room.second.copyBytes(from: piece[room.first.count...]) }
                output.producer.store(produced &+ UInt32(count))
                ringBell(of: id)
                sent += count
            }
            return sent == bytes.count
        }
        guard done else { throw ClientError(description: "sent \(sent) of \(bytes.count)") }
    }

    /// Receives `count` bytes, or all up to an error.
    func receive(_ id: SocketID, _ count: Int) throws -> [UInt8] {
        let input = view(id).input
        var taken: [UInt8] = []
        _ = try eventually {
            let ended = input.error.load() != 0
            let consumed = input.consumer.load()
            let queued = try input.queued(produced: input.producer.load(), consumed: consumed)
            let size = min(count - taken.count, Int(queued))
            if size > 0 {
                let bytes = input.bytes(at: consumed, count: UInt32(size))
                taken += Array(bytes.first) + Array(bytes.second)
                input.consumer.store(consumed &+ UInt32(size))
                ringBell(of: id)
            }
            return taken.count == count || (ended && size == 0)
        }
        return taken
    }
}
