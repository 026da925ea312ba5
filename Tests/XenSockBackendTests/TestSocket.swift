import CXenSockSystem
import Glibc
import XenSockRing
import XenSockWire

@testable import XenSockBackend

/// A session as its sockets use it.
protocol TestSession: AnyObject {
    var kernel: LinuxKernel { get }
    /// Up to the status lines, whatever the rings are.
    var base: UnsafeMutableRawPointer { get }
    func call(_ request: Request, value: [UInt8]) throws -> Response
    func ring(_ port: UInt32)
}

extension TestSession {
    func call(_ request: Request) throws -> Response { try call(request, value: []) }
}

/// A socket as the minimal frontend sees it: its port, its placeholder, its rings.
final class TestSocket {
    let client: any TestSession
    let port: UInt32
    let id: SocketID
    let order: UInt32
    /// The program's end; closed by `close`.
    var placeholder: Int32
    /// The indexes page; the ring's pages follow it, in the test's memory.
    let indexes: UnsafeMutableRawPointer
    let page: GrantReference

    /// A socket whose pages and pair are there.
    init(
        _ client: any TestSession, port: UInt32, id: SocketID, order: UInt32, placeholder: Int32,
        indexes: UnsafeMutableRawPointer, page: GrantReference
    ) {
        self.client = client
        self.port = port
        self.id = id
        self.order = order
        self.placeholder = placeholder
        self.indexes = indexes
        self.page = page
    }

    static func indexes(_ client: TestClient, _ port: UInt32) -> UnsafeMutableRawPointer {
        client.base + XenSockWire.Arena.offset(of: page(client, port))
    }

    static func page(_ client: TestClient, _ port: UInt32) -> GrantReference {
        XenSockWire.Arena.indexesPage(forPort: port, ports: client.ports)
    }

    /// Makes the pair, lists the ring's pages, sends PORT.
    init(_ client: TestClient, port: UInt32, id: SocketID? = nil, order: UInt32 = 3) throws {
        self.client = client
        self.port = port
        self.id = id ?? SocketID(UInt64(port) | 0x7000_0000_0000)
        self.order = order
        var pair: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0, &pair) == 0 else {
            throw ClientError(description: "socketpair")
        }
        placeholder = pair[1]
        indexes = Self.indexes(client, port)
        page = Self.page(client, port)
        SharedWord32(indexes + IndexesPage.ringOrder).store(order)
        let first = page.rawValue + 1
        for page in 0..<(1 << Int(order)) {
            SharedWord32(indexes + DataRingLayout.referenceOffset(page: page)).store(first + UInt32(page))
        }
        var frame = FrameWriter(.port)
        frame.argument = port
        _ = client.send(frame, pair)
        client.kernel.close(pair[0])
    }

    deinit { close() }

    func close() {
        guard placeholder >= 0 else { return }
        client.kernel.close(placeholder)
        placeholder = -1
    }

    private var half: UInt32 { 2048 << order }

    var incoming: InRingFront { InRingFront(indexes: indexes, data: indexes + pageSize, size: half) }
    var outgoing: OutRingFront {
        OutRingFront(indexes: indexes, data: indexes + pageSize + Int(half), size: half)
    }

    var reference: RingReference { .indexesPage(page) }
    var channel: EventChannelPort { EventChannelPort(port) }

    /// A word of the status line.
    func status(_ offset: Int) -> UInt32 {
        SharedWord32(client.base + XenSockWire.Arena.statusOffset(port: port) + offset).load()
    }

    var state: StatusLine.State? { StatusLine.State(rawValue: status(StatusLine.state)) }
    var generation: UInt32 { status(StatusLine.generation) }

    /// Sets a flag in the status line.
    func set(_ flag: UInt32) {
        let offset = XenSockWire.Arena.statusOffset(port: port) + StatusLine.flags
        SharedWord32(client.base + offset).formUnion(flag)
    }

    // MARK: Requests

    func open(domain: UInt32 = 2, type: UInt32 = 1) throws -> Int32 {
        try client.call(
            .socket(
                id: id, domain: domain, type: type, protocol: 0, eventChannel: channel,
                indexesPage: page)
        ).ret
    }

    func connect(to address: SocketAddress) throws -> Int32 {
        try client.call(.connect(id: id, address: address, flags: 0, ring: reference, eventChannel: channel)).ret
    }

    /// Opens and connects; waits where the service does not say at once.
    func connected(to address: SocketAddress) throws {
        guard try open() == 0 else { throw ClientError(description: "SOCKET") }
        let ret = try connect(to: address)
        guard ret == 0 || ret == -115, eventually({ state == .connected }) else {
            throw ClientError(description: "CONNECT \(ret), state \(String(describing: state))")
        }
    }

    func accept(_ listener: TestSocket) throws -> Response {
        try client.call(.accept(id: listener.id, newID: id, ring: reference, eventChannel: channel))
    }

    func shutdown(_ how: UInt32) throws -> Int32 {
        try client.call(.shutdown(id: id, how: how, outProducer: outgoing.produced)).ret
    }

    func release() throws -> Int32 { try client.call(.release(id: id, reuse: false)).ret }

    // MARK: The data path, as docs/PROTOCOL.md 2.2 demands of a frontend

    /// Sends as much as there is room for; returns the count.
    func send(_ bytes: [UInt8]) throws -> Int {
        let view = try outgoing.view()
        let free = outgoing.free(view, limit: UInt32(bytes.count))
        bytes.withUnsafeBytes { source in
            free.first.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[0..<free.first.count]))
            free.second.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: source[free.first.count..<free.count]))
        }
        guard free.count > 0 else { return 0 }
        if case .done(let ring) = try outgoing.publish(view, UInt32(free.count)), ring { client.ring(port) }
        return free.count
    }

    /// Makes the placeholder not writable because `out` is full.
    func block() throws -> Bool {
        // Full by the very word that the filler is announced in: what the service takes away meanwhile has no filler.
        let view = try outgoing.view()
        guard view.used == outgoing.size else { return false }
        switch outgoing.block(view.consumer) {
        case .full: return true
        case .lookAgain: return false
        case .sendFiller:
            let filler = [UInt8](repeating: 0, count: 256)
            guard write(placeholder, filler, 256) == 256 else { throw ClientError(description: "filler") }
            try outgoing.fillerSent()
            return true
        }
    }

    /// Sends until the kernel's buffers and the ring are full; returns the count.
    func fill() throws -> Int {
        let small = Request.setsockopt(id: id, level: 1, name: 7, length: 4, outProducer: 0)
        guard try client.call(small, value: [0, 16, 0, 0]).ret == 0 else { throw ClientError(description: "SO_SNDBUF") }
        var sent = 0
        var idle = 0
        while idle < 10 {
            let count = try send([UInt8](repeating: 3, count: Int(half)))
            sent += count
            idle = count > 0 ? 0 : idle + 1
            // What is answered behind it shows that the service has looked at `out`, and found the network full.
            if count == 0 { _ = try client.call(.getsockname(id: id)) }
        }
        return sent
    }

    /// Sends until the ring is full and stays so, and takes the placeholder's POLLOUT; returns the count. The kernel may
    /// take more after all, when what it has sent has arrived.
    func fillAndBlock() throws -> Int {
        var sent = 0
        for _ in 0..<100 {
            sent += try fill()
            if try block() { return sent }
        }
        throw ClientError(description: "the ring is never full")
    }

    /// Takes what is there, without disarming.
    func take(_ limit: Int = 1 << 20) throws -> [UInt8] {
        let view = try incoming.view()
        let bytes = incoming.bytes(view, limit: UInt32(limit))
        let taken = Array(bytes.first) + Array(bytes.second)
        if case .done(let ring) = try incoming.consume(view, UInt32(taken.count)), ring { client.ring(port) }
        return taken
    }

    /// Clears the tokens of the empty ring and takes exactly as many bytes from the placeholder.
    func disarm() throws -> Bool {
        let view = try incoming.view()
        let tokens = Int(view.producer.tokens)
        guard view.count == 0, tokens > 0, !view.endOfFile, incoming.disarm(view) else { return false }
        var left = tokens
        var buffer = [UInt8](repeating: 0, count: tokens)
        while left > 0 {
            guard waitFor(placeholder, POLLIN, 20_000) else { throw ClientError(description: "a token is missing") }
            left -= max(0, read(placeholder, &buffer, left))
        }
        return true
    }

    /// Waits in poll and receives until `count` bytes came, or the end.
    func receive(_ count: Int) throws -> [UInt8] {
        var taken: [UInt8] = []
        while taken.count < count {
            guard waitFor(placeholder, POLLIN, 20_000) else {
                throw ClientError(description: "poll shows nothing after \(taken.count) of \(count) bytes")
            }
            let more = try take(count - taken.count)
            taken += more
            if more.isEmpty {
                if try incoming.view().endOfFile { return taken }
                _ = try disarm()
            }
        }
        return taken
    }

    /// Bytes that lie in the placeholder.
    /// Receives all tokens; returns their number.
    func takeTokens() -> Int {
        var buffer: (UInt64, UInt64) = (0, 0)
        return withUnsafeMutableBytes(of: &buffer) { recv(placeholder, $0.baseAddress, 16, Int32(MSG_DONTWAIT)) }
    }

    /// Zeroes the index words and takes the tokens, as a frontend does before it connects again.
    func startOver() {
        _ = takeTokens()
        for offset in [InProducer.offset, InConsumer.offset, OutProducer.offset, OutConsumer.offset] {
            IndexWord(indexes + offset).store(.init(rawValue: 0))
        }
    }

    var tokensInPlaceholder: Int32 {
        var count: Int32 = 0
        _ = client.kernel.ioctl(placeholder, request: IoctlRequest.inputQueue, value: &count)
        return count
    }
}
