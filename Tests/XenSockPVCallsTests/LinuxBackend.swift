@testable import XenSockPVCalls
import XenSockRing
import XenSockWire
import XenSockXen

/// Linux's pvcalls-back in its odd ways, step by step and without a network: who connects is joined to a `Peer`, and who
/// listens gets the peers of `arrive`.
final class LinuxBackend {
    /// The other end of a connection.
    final class Peer {
        /// Bytes on their way to the guest, and whether the stream ends behind them.
        var toGuest: [UInt8] = []
        var hasFinished = false
        var isReset = false
        /// Bytes that the guest sent; how many more are taken.
        var fromGuest: [UInt8] = []
        var room = Int.max
        var sendError: Int32 = 0
    }

    private final class Connection {
        let mapping: GrantMapping
        let data: GrantMapping
        let half: UInt32
        let port: UInt32
        let peer: Peer
        var write = false
        var ownsEOI = false

        init(_ mapping: GrantMapping, _ data: GrantMapping, half: UInt32, port: UInt32, peer: Peer) {
            self.mapping = mapping
            self.data = data
            self.half = half
            self.port = port
            self.peer = peer
        }
    }

    private final class Listener {
        var isListening = false
        var held: Words?
        var queue: [Peer] = []
    }

    /// A request, by 32-bit words.
    typealias Words = [UInt32]

    let mapper: any GrantMapper
    let channels: any EventChannels
    var ring: CommandRingBack
    let command: UInt32
    private var connections: [UInt64: Connection] = [:]
    private var listeners: [UInt64: Listener] = [:]
    private let page: GrantMapping

    /// Every request that came: the command and the id.
    var requests: [(command: UInt32, id: UInt64)] = []
    /// What became of what the kernel would not survive.
    var faults: [String] = []
    /// The peers of connections that were made, in order.
    var peers: [Peer] = []
    /// A CONNECT waits for a peer that does not answer, and everything behind it waits too.
    var connectHangs = false
    var connectAnswer: Int32 = 0
    /// Says for so many ACCEPTs that one is held already.
    var busyAccepts = 0
    /// Answers to be given, by command, before anything is done.
    var refusals: [UInt32: Int32] = [:]
    /// Whether an event that finds nothing in `out` leaves the channel masked for ever, as up to Linux 6.1.
    var losesMaskedChannels = true
    /// Events of connections that found nothing to do.
    var vainEvents = 0
    private var deaf: Set<UInt32> = []
    private var fresh: Set<UInt32> = []

    init(_ platform: XenPlatform, ring reference: UInt32, port: UInt32, of guest: DomainID) throws {
        mapper = platform.mapper
        channels = try platform.channels()
        page = try mapper.map([reference], of: guest)
        ring = CommandRingBack(page: page.base, layout: .pvcalls)
        command = try channels.bindInterdomain(guest, port: port)
        self.guest = guest
    }

    private let guest: DomainID

    /// Does everything that can be done.
    func run() {
        while let port = channels.nextPending() {
            channels.unmask(port)
            guard port != command, !deaf.contains(port) else { continue }
            guard let connection = connections.values.first(where: { $0.port == port }) else { continue }
            let hasRead = moveIn(connection)
            let hasWritten = moveOut(connection)
            // The event of binding is no event of a frontend's.
            if fresh.remove(port) != nil { continue }
            if !hasRead, !hasWritten { vainEvents += 1 }
            if !hasWritten, losesMaskedChannels { deaf.insert(port) }
        }
        takeRequests()
        for connection in connections.values { _ = moveIn(connection) }
    }

    private func takeRequests() {
        while true {
            while !connectHangs, let slot = try? ring.nextRequest() {
                let words = (0..<16).map { slot.load(fromByteOffset: 4 * $0, as: UInt32.self) }
                if words[1] == 1, connectAnswer == -1000 {
                    connectHangs = true
                    return
                }
                ring.consumeRequest()
                perform(words)
            }
            if connectHangs || ring.awaitRequest() { return }
        }
    }

    func answer(_ words: Words, _ ret: Int32) {
        let slot = ring.nextResponse()
        for (index, word) in [words[0], words[1], UInt32(bitPattern: ret), 0, words[2], words[3]].enumerated() {
            slot.storeBytes(of: word, toByteOffset: 4 * index, as: UInt32.self)
        }
        ring.pushResponse()
        if ring.publishResponses() { channels.notify(command) }
    }

    private func id(_ words: Words, at index: Int = 2) -> UInt64 {
        UInt64(words[index]) | UInt64(words[index + 1]) << 32
    }

    private func perform(_ words: Words) {
        let id = id(words)
        requests.append((words[1], id))
        if let refusal = refusals[words[1]] { return answer(words, refusal) }
        switch words[1] {
        case 0: answer(words, words[4] == 2 && words[5] == 1 && words[6] == 0 ? 0 : -97)
        case 1:
            guard connectAnswer == 0 else { return answer(words, connectAnswer) }
            connect(id, Peer(), reference: words[13], port: words[14])
            answer(words, 0)
        case 2:
            if let connection = connections.removeValue(forKey: id) {
                connection.data.unmap()
                connection.mapping.unmap()
                channels.unbind(connection.port)
                deaf.remove(connection.port)
            } else {
                // What is held is dropped without an answer.
                listeners[id] = nil
            }
            answer(words, 0)
        case 3:
            if listeners[id] != nil { return answer(words, -17) }
            listeners[id] = Listener()
            answer(words, 0)
        case 4:
            guard let listener = listeners[id] else { return answer(words, -22) }
            listener.isListening = true
            answer(words, 0)
        case 5:
            guard let listener = listeners[id] else { return answer(words, -22) }
            if !listener.isListening { faults.append("ACCEPT before LISTEN") }
            if listener.held != nil || busyAccepts > 0 {
                busyAccepts -= 1
                return answer(words, -4)
            }
            listener.held = words
            serve(listener)
        default: faults.append("command \(words[1])")
        }
    }

    private func connect(_ id: UInt64, _ peer: Peer, reference: UInt32, port: UInt32) {
        do {
            let mapping = try mapper.map([reference], of: guest)
            let order = mapping.base.load(fromByteOffset: 128, as: UInt32.self)
            guard order <= 4 else { return faults.append("order \(order)") }
            let references = (0..<(1 << Int(order))).map {
                mapping.base.load(fromByteOffset: 132 + 4 * $0, as: UInt32.self)
            }
            let data = try mapper.map(references, of: guest)
            let local = try channels.bindInterdomain(guest, port: port)
            fresh.insert(local)
            connections[id] = Connection(mapping, data, half: 2048 << order, port: local, peer: peer)
            peers.append(peer)
        } catch {
            faults.append("a reference that cannot be mapped: \(error)")
        }
    }

    /// A connection comes in at the listener that was bound last.
    func arrive() -> Peer {
        let peer = Peer()
        let listener = listeners.max { $0.key < $1.key }!.value
        listener.queue.append(peer)
        serve(listener)
        return peer
    }

    private func serve(_ listener: Listener) {
        guard let held = listener.held, let peer = listener.queue.first else { return }
        listener.queue.removeFirst()
        listener.held = nil
        connect(id(held, at: 4), peer, reference: held[6], port: held[7])
        answer(held, 0)
    }

    private func word(_ connection: Connection, _ offset: Int) -> SharedWord32 {
        SharedWord32(connection.mapping.base + offset)
    }

    private func moveIn(_ connection: Connection) -> Bool {
        let (cons, prod) = (word(connection, 0).load(), word(connection, 4).load())
        guard word(connection, 8).load() == 0 else { return false }
        guard prod &- cons < connection.half else { return false }
        let room = Int(connection.half - (prod &- cons))
        let peer = connection.peer
        let count = min(room, peer.toGuest.count)
        guard count > 0 || peer.hasFinished || peer.isReset else { return false }
        for index in 0..<count {
            let position = Int((prod &+ UInt32(index)) & (connection.half - 1))
            connection.data.base.storeBytes(of: peer.toGuest[index], toByteOffset: position, as: UInt8.self)
        }
        peer.toGuest.removeFirst(count)
        if count > 0 {
            word(connection, 4).store(prod &+ UInt32(count))
        } else {
            word(connection, 8).store(UInt32(bitPattern: peer.isReset ? -104 : -107))
        }
        channels.notify(connection.port)
        return true
    }

    private func moveOut(_ connection: Connection) -> Bool {
        let (cons, prod) = (word(connection, 64).load(), word(connection, 68).load())
        guard prod != cons, prod &- cons <= connection.half else { return false }
        let peer = connection.peer
        if peer.sendError != 0 {
            word(connection, 72).store(UInt32(bitPattern: peer.sendError))
            channels.notify(connection.port)
            return true
        }
        let count = min(Int(prod &- cons), peer.room)
        for index in 0..<count {
            let position = Int(connection.half + (cons &+ UInt32(index)) & (connection.half - 1))
            peer.fromGuest.append(connection.data.base.load(fromByteOffset: position, as: UInt8.self))
        }
        if peer.room != Int.max { peer.room -= count }
        word(connection, 64).store(cons &+ UInt32(count))
        channels.notify(connection.port)
        return true
    }

    /// A peer has room again: the kernel's worker tries all the time.
    func takeMore() { for connection in connections.values { _ = moveOut(connection) } }

    /// Writes a word of the indexes page of the connection made last.
    func corrupt(_ offset: Int, _ value: UInt32) {
        guard let connection = connections.max(by: { $0.key < $1.key })?.value else { return }
        word(connection, offset).store(value)
        channels.notify(connection.port)
    }

    /// Writes rsp_prod.
    func corruptResponses(_ value: UInt32) {
        SharedWord32(page.base + 8).store(value)
        channels.notify(command)
    }

    /// Unmaps everything, as at Closing.
    func close() {
        for connection in connections.values {
            connection.data.unmap()
            connection.mapping.unmap()
            channels.unbind(connection.port)
        }
        connections = [:]
        listeners = [:]
        page.unmap()
        channels.unbind(command)
    }
}
