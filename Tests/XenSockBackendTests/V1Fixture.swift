import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

/// What lies below a `V1Socket` in tests: private memory for the ring, and a record of what the frontend was told.
final class FakeChannel: V1Channel {
    let dialect: Dialect
    let pages = UnsafeMutableRawBufferPointer.allocate(byteCount: 65 * pageSize, alignment: pageSize)
    var refuses = false
    var isMapped = false
    /// Since the last `take`.
    private var events: [String] = []

    init(_ dialect: Dialect) {
        self.dialect = dialect
        pages.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { pages.deallocate() }

    /// The frontend's view of the ring: of order 1, or the one of `draft1`.
    var ring: V1Ring {
        let base = pages.baseAddress!
        return dialect == .draft1 ? V1Ring(draft1: base) : V1Ring(indexes: base, data: base + pageSize, half: 4096)
    }

    func take() -> [String] {
        defer { events = [] }
        return events
    }

    func map(_ reference: RingReference, _ pages: Draft1Pages, _ eventChannel: EventChannelPort) -> V1Mapping? {
        guard !refuses else { return nil }
        isMapped = true
        return V1Mapping(ring: ring) { [unowned self] in isMapped = false }
    }

    func published(isEmpty: () -> Bool) throws(RingViolation) { events.append("published") }
    func consumed(hasRoom: Bool) throws(RingViolation) { events.append(hasRoom ? "room" : "consumed") }
    func look(isEmpty: () -> Bool, hasRoom: Bool) throws(RingViolation) {}
    func show(_ state: StatusLine.State, error: Int32) { events.append("\(state) \(error)") }
    func announceArrival() throws(RingViolation) { events.append("arrival") }
    func losePoll() throws(RingViolation) { events.append("poll lost") }
    func endInput() { events.append("end") }
    func close() { events.append("close") }
}

/// A `V1Socket` over a scripted kernel: real socket 10.
final class ScriptedV1Socket {
    typealias Socket = V1Socket<ScriptedKernel>

    let kernel = ScriptedKernel()
    let channel: FakeChannel
    let socket: Socket
    let reference: RingReference
    private var number: UInt32 = 0x1_0000

    init(_ dialect: Dialect) {
        channel = FakeChannel(dialect)
        reference = dialect == .draft1 ? .pages : .indexesPage(7)
        socket = Socket(kernel: kernel, epoll: 3, dialect: dialect, channel: channel, networkData: 100)
    }

    /// A request to be held; each has a number of its own.
    func held(session: UInt32 = 1) -> Socket.Held {
        number += 1
        let codec = RequestCodec(.pvcalls1)
        let request = withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { slot in
            try? codec.encode(
                .poll(id: SocketID(0xffff_8800_1234_5678)), requestID: number, into: slot.baseAddress!)
            return codec.decode(from: slot.baseAddress!)
        }
        return Socket.Held(request: request, session: session)
    }

    func connect() -> Int32? {
        let address = SocketAddress.loopback(port: 80)
        return address.withUnsafeBytes { socket.connect($0, reference, Draft1Pages(), 1, held()) }
    }

    func bind() -> Int32 {
        let address = SocketAddress.loopback(port: 80)
        return address.withUnsafeBytes { socket.bind($0) }
    }

    /// Connected, its first turn done: nothing to read. Both indexes of each direction begin at `index`.
    static func connected(_ dialect: Dialect, at index: UInt32 = 0) -> ScriptedV1Socket {
        let scripted = ScriptedV1Socket(dialect)
        scripted.kernel.expect("socket 2 1 0", returns: 10)
        scripted.kernel.expect("connect 10 family 2")
        scripted.kernel.expect("watch 10 100")
        scripted.kernel.expect("setsockopt 10 6 1 [1, 0, 0, 0]")
        #expect(scripted.connect() == 0)
        scripted.socket.produced = index
        scripted.socket.consumed = index
        for direction in [scripted.channel.ring.input, scripted.channel.ring.output] {
            direction.producer.store(index)
            direction.consumer.store(index)
        }
        scripted.socket.readable = false
        scripted.turn()
        scripted.kernel.finish()
        _ = scripted.channel.take()
        return scripted
    }

    static func listening(_ dialect: Dialect) -> ScriptedV1Socket {
        let scripted = ScriptedV1Socket(dialect)
        scripted.kernel.expect("socket 2 1 0", returns: 10)
        scripted.kernel.expect("setsockopt 10 1 2 [1, 0, 0, 0]")
        scripted.kernel.expect("bind 10")
        scripted.kernel.expect("listen 10 5")
        scripted.kernel.expect("watch 10 100")
        #expect(scripted.bind() == 0)
        #expect(scripted.socket.listen(backlog: 5) == 0)
        scripted.kernel.finish()
        _ = scripted.channel.take()
        return scripted
    }

    /// What the reactor does with a socket that has work.
    func turn() {
        socket.wantsTurn = false
        socket.turn()
    }

    /// What was answered to held requests since the last call.
    func answers() -> [Int32] {
        defer { socket.answers = [] }
        return socket.answers.map(\.response.ret)
    }

    func publish(_ count: UInt32) {
        let producer = channel.ring.output.producer
        producer.store(producer.load() &+ count)
    }
}
