import Glibc
import Logging
import Testing
import XenSockBackend
@testable import XenSockPVCalls
import XenSockRing
import XenSockWire
import XenSockXen

/// A connected device of a simulated guest, without XenBus.
final class TestConnection: PVCallsConnection {
    let backend = DomainID.control
    let maximumPageOrder: UInt32
    let performsCalls = true
    let allocator: any GrantAllocator
    var ring: CommandRingFront
    var notified: () -> Void = {}
    var ended: () -> Void = {}
    var violations: [String] = []
    let channels: any EventChannels
    let page: GrantAllocation
    let port: UInt32
    private var handlers: [UInt32: () -> Void] = [:]

    init(_ platform: XenPlatform, order: UInt32) throws {
        maximumPageOrder = order
        allocator = platform.allocator
        channels = try platform.channels()
        page = try allocator.allocate(pages: 1, for: .control)
        ring = CommandRingFront(page: page.base, layout: .pvcalls)
        port = try channels.bindUnbound(for: .control)
    }

    func notify() { channels.notify(port) }
    func notify(_ port: UInt32) { channels.notify(port) }

    func bind(_ handler: @escaping () -> Void) throws(XenError) -> UInt32 {
        let port = try channels.bindUnbound(for: backend)
        handlers[port] = handler
        return port
    }

    func unbind(_ port: UInt32) {
        handlers[port] = nil
        channels.unbind(port)
    }

    func violated(_ reason: String) {
        violations.append(reason)
        end()
    }

    func end() {
        let ended = ended
        self.ended = {}
        ended()
    }

    /// Handles the events that are pending.
    func handle() {
        while let port = channels.nextPending() {
            channels.unmask(port)
            if port == self.port { notified() } else { handlers[port]?() }
        }
    }
}

/// A guest with a network, and Linux's backend in domain 0. The network's clock runs the backend, so that what waits for
/// it in a call is answered; `time` goes on by a millisecond at each look.
final class Lab {
    static let guest = DomainID(1)

    let xen = SimulatedXen()
    var connection: TestConnection
    var backend: LinuxBackend
    let network: PVCallsNetwork
    let log = TestLog()
    private let clock = Clock()

    final class Clock {
        var time: UInt64 = 1_000_000_000
        var tick: () -> Void = {}
    }

    var time: UInt64 {
        get { clock.time }
        set { clock.time = newValue }
    }

    init(order: UInt32 = 4, _ prepare: (SimulatedXen) -> Void = { _ in }) throws {
        xen.createDomain(Self.guest)
        prepare(xen)
        connection = try TestConnection(xen.platform(domain: Self.guest), order: order)
        backend = try LinuxBackend(
            xen.platform(domain: .control), ring: connection.page.references[0], port: connection.port, of: Self.guest)
        let log = log
        network = try PVCallsNetwork(
            log: Logger(label: "test", factory: { _ in log.handler() }),
            clock: { [clock] in
                clock.time += 1_000_000
                clock.tick()
                return clock.time
            })
        clock.tick = { [unowned self] in backend.run() }
        network.attach(connection)
    }

    /// Lets both sides go on until nothing happens, more or less.
    func settle() {
        for _ in 0..<8 {
            backend.run()
            connection.handle()
        }
    }

    /// As the reactor does when the timer has fired.
    func fireTimer() { network.timeout() }

    /// Connects the device anew.
    func reconnect() throws {
        connection = try TestConnection(xen.platform(domain: Self.guest), order: 4)
        backend = try LinuxBackend(
            xen.platform(domain: .control), ring: connection.page.references[0], port: connection.port, of: Self.guest)
        network.attach(connection)
    }

    // MARK: Calls

    func socket() -> Int32 { network.socket(domain: AF_INET, type: 1, protocolNumber: 0) }

    static func address(_ port: UInt16, host: UInt32 = 0x7f00_0001) -> [UInt8] {
        let address = SocketAddress.ipv4(host, port: port)
        return address.withUnsafeBytes { Array($0) }
    }

    func connect(_ descriptor: Int32, _ address: [UInt8] = Lab.address(80)) -> Int32 {
        address.withUnsafeBytes { network.connect(descriptor, $0) }
    }

    func bind(_ descriptor: Int32, _ address: [UInt8] = Lab.address(7000, host: 0)) -> Int32 {
        address.withUnsafeBytes { network.bind(descriptor, $0) }
    }

    func accept(_ descriptor: Int32) -> Int32 {
        var (address, length) = ([UInt8](repeating: 0xff, count: 128), UInt32(128))
        return address.withUnsafeMutableBytes { network.accept(descriptor, address: $0.baseAddress!, length: &length) }
    }

    func receive(_ descriptor: Int32, _ count: Int = 65536) -> (result: Int, bytes: [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: count)
        let result = bytes.withUnsafeMutableBytes { network.receive(descriptor, into: Segments($0)) }
        return (result, Array(bytes.prefix(max(0, result))))
    }

    func send(_ descriptor: Int32, _ bytes: [UInt8]) -> Int {
        var bytes = bytes
        return bytes.withUnsafeMutableBytes { network.send(descriptor, from: Segments($0)) }
    }

    func error(_ descriptor: Int32) -> Int32 {
        var (value, length) = (Int32(-1), UInt32(4))
        _ = network.getsockopt(descriptor, level: SOL_SOCKET, name: SO_ERROR, value: &value, length: &length)
        return value
    }

    func poll(_ descriptor: Int32) -> Int32 {
        Int32(network.poll(descriptor, events: Int16(POLLIN | POLLOUT | 0x2000)))
    }

    /// A connected socket and its peer.
    func connected() throws -> (Int32, LinuxBackend.Peer) {
        let descriptor = socket()
        #expect(connect(descriptor) == -EINPROGRESS)
        settle()
        try #require(error(descriptor) == 0)
        try #require(poll(descriptor) == POLLOUT)
        return (descriptor, backend.peers.last!)
    }

    func listening(_ port: UInt16 = 7000) throws -> Int32 {
        let descriptor = socket()
        try #require(bind(descriptor, Self.address(port, host: 0)) == 0)
        try #require(network.listen(descriptor, backlog: 5) == 0)
        settle()
        return descriptor
    }
}

/// The lines that were logged.
final class TestLog: @unchecked Sendable {
    var lines: [String] = []

    func handler() -> some LogHandler { Handler(log: self) }

    private struct Handler: LogHandler {
        let log: TestLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        init(log: TestLog) { self.log = log }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            log.lines.append("\(event.message)")
        }
    }
}
