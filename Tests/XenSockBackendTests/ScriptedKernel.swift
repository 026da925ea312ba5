import Glibc
import Testing
import XenSockRing
import XenSockWire

@testable import XenSockBackend

/// A kernel that follows a script: every call must be the next one of the script, and gets the result written there.
final class ScriptedKernel: SocketKernel {
    private struct Step {
        let call: String
        let result: Int
        let data: [UInt8]
        let location: SourceLocation
        let meanwhile: () -> Void
    }

    private var script: [Step] = []
    var time: UInt64 = 0

    /// - Parameters:
    ///   - data: what the call writes to its buffer.
    ///   - meanwhile: what somebody else does during the call.
    func expect(
        _ call: String, returns result: Int32 = 0, data: [UInt8] = [], location: SourceLocation = #_sourceLocation,
        meanwhile: @escaping () -> Void = {}
    ) {
        script.append(Step(call: call, result: Int(result), data: data, location: location, meanwhile: meanwhile))
    }

    /// All of the script must have happened.
    func finish(location: SourceLocation = #_sourceLocation) {
        #expect(script.map(\.call) == [], "calls that did not come", sourceLocation: location)
        script = []
    }

    private func take(_ call: String) -> (result: Int, data: [UInt8]) {
        guard !script.isEmpty else {
            Issue.record("a call beyond the script: \(call)")
            return (Int(-EBADF), [])
        }
        let step = script.removeFirst()
        #expect(step.call == call, sourceLocation: step.location)
        step.meanwhile()
        return (step.result, step.data)
    }

    private func take32(_ call: String) -> Int32 { Int32(truncatingIfNeeded: take(call).result) }

    func socket(domain: Int32, type: Int32, protocolNumber: Int32) -> Int32 {
        take32("socket \(domain) \(type) \(protocolNumber)")
    }

    func connect(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32 {
        take32("connect \(descriptor) family \(address[0])")
    }

    func bind(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32 { take32("bind \(descriptor)") }
    func listen(_ descriptor: Int32, backlog: Int32) -> Int32 { take32("listen \(descriptor) \(backlog)") }

    func accept(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        length = 0
        return take32("accept \(descriptor)")
    }

    func receive(_ descriptor: Int32, into segments: Segments) -> Int {
        let (result, data) = take("receive \(descriptor) \(segments.first.count)+\(segments.second.count)")
        for (index, byte) in data.enumerated() where index < segments.first.count { segments.first[index] = byte }
        return result
    }

    func send(_ descriptor: Int32, from segments: Segments) -> Int {
        take("send \(descriptor) \(segments.first.count)+\(segments.second.count)").result
    }

    func sendHeld(_ descriptor: Int32, from segments: Segments) -> Int {
        take("send held \(descriptor) \(segments.first.count)+\(segments.second.count)").result
    }

    /// The data is the payload; the sender's address is that of port 7 of loopback.
    func receiveMessage(
        _ descriptor: Int32, into segments: Segments, _ buffers: inout MessageBuffers, flags: inout Int32
    ) -> Int {
        let (result, data) = take("receive message \(descriptor) \(flags)")
        guard result >= 0 else { return result }
        segments.copyPrefix(of: data)
        flags = 0
        let address = SocketAddress.loopback(port: 7)
        address.copy(to: buffers.address.baseAddress!, capacity: buffers.address.count)
        buffers.address = UnsafeMutableRawBufferPointer(rebasing: buffers.address[0..<address.length])
        buffers.control = UnsafeMutableRawBufferPointer(rebasing: buffers.control[0..<0])
        return result
    }

    func sendMessage(_ descriptor: Int32, from segments: Segments, _ buffers: MessageBuffers, flags: Int32) -> Int {
        let port = buffers.address.count >= 4 ? Int(buffers.address[2]) << 8 | Int(buffers.address[3]) : 0
        let payload = String(decoding: Array(segments.first) + Array(segments.second), as: UTF8.self)
        return take("send message \(descriptor) '\(payload)' to \(port)").result
    }

    func sendUrgent(_ descriptor: Int32, byte: UInt8) -> Int { take("urgent \(descriptor) \(byte)").result }
    func shutdown(_ descriptor: Int32, how: Int32) -> Int32 { take32("shutdown \(descriptor) \(how)") }
    func close(_ descriptor: Int32) { _ = take("close \(descriptor)") }

    func getsockopt(
        _ descriptor: Int32, level: Int32, name: Int32, value: UnsafeMutableRawPointer, length: inout UInt32
    ) -> Int32 {
        let (result, data) = take("getsockopt \(descriptor) \(level) \(name)")
        value.copyMemory(from: data, byteCount: data.count)
        return Int32(truncatingIfNeeded: result)
    }

    func setsockopt(_ descriptor: Int32, level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Int32 {
        take32("setsockopt \(descriptor) \(level) \(name) \(Array(value))")
    }

    func getsockname(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        take32("getsockname \(descriptor)")
    }

    func getpeername(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        take32("getpeername \(descriptor)")
    }

    func ioctl(_ descriptor: Int32, request: UInt32, value: inout Int32) -> Int32 {
        let (result, data) = take("ioctl \(descriptor) \(request)")
        if let byte = data.first { value = Int32(byte) }
        return Int32(truncatingIfNeeded: result)
    }

    func poll(_ descriptor: Int32, _ events: PollEvents) -> PollEvents {
        PollEvents(rawValue: Int16(truncatingIfNeeded: take("poll \(descriptor) \(events.rawValue)").result))
    }

    func sendToken(_ placeholder: Int32) -> Int { take("token \(placeholder)").result }
    func receiveFiller(_ placeholder: Int32) -> Int { take("filler \(placeholder)").result }

    func sendRelayed(_ placeholder: Int32, from segments: Segments) -> Int { send(placeholder, from: segments) }

    func receiveRelayed(_ placeholder: Int32, into segments: Segments) -> Int {
        let (result, data) = take("relayed \(placeholder) \(segments.first.count)+\(segments.second.count)")
        for (index, byte) in data.enumerated() where index < segments.first.count { segments.first[index] = byte }
        return result
    }

    func epollAdd(_ epoll: Int32, _ descriptor: Int32, events: UInt32, data: UInt64) -> Int32 {
        take32("watch \(descriptor) \(data)")
    }

    func epollModify(_ epoll: Int32, _ descriptor: Int32, events: UInt32, data: UInt64) -> Int32 {
        take32("rewatch \(descriptor) \(events & 1)")
    }

    func epollDelete(_ epoll: Int32, _ descriptor: Int32) { _ = take("unwatch \(descriptor)") }
    func unmap(_ address: UnsafeMutableRawPointer, size: Int) {}
    func now() -> UInt64 { time }
}

extension Segments {
    func copyPrefix(of bytes: [UInt8]) {
        for (index, byte) in bytes.enumerated() {
            if index < first.count { first[index] = byte } else { second[index - first.count] = byte }
        }
    }
}

/// A socket over a scripted kernel: real socket 10, placeholder 20, a ring of two pages (4096 bytes a direction).
final class ScriptedSocket {
    let kernel = ScriptedKernel()
    let socket: BackendSocket<ScriptedKernel>
    private let base: UnsafeMutableRawPointer
    private let size: Int

    init(domain: UInt32 = 2) throws {
        size = Int(XenSockWire.Arena.pageCount(ports: 64)) * pageSize
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        base = try #require(memory)
        let arena = SessionArena(kernel: kernel, id: 1, ports: 64, base: base, memory: -1, doorbell: -1)
        let page = XenSockWire.Arena.indexesPage(forPort: 1, ports: 64)
        let indexes = base + XenSockWire.Arena.offset(of: page)
        SharedWord32(indexes + IndexesPage.ringOrder).store(1)
        SharedWord32(indexes + IndexesPage.references).store(page.rawValue + 1)
        SharedWord32(indexes + IndexesPage.references + 4).store(page.rawValue + 2)
        socket = BackendSocket(
            kernel: kernel, epoll: 3, arena: arena, port: 1, pair: PendingPort(placeholder: 20, cookie: 5),
            network: 10, domain: domain, type: 1, indexes: indexes, networkData: 100, placeholderData: 200)
        kernel.expect("watch 20 200")
        #expect(socket.open() == 0)
    }

    deinit { munmap(base, size) }

    var incoming: InRingFront {
        InRingFront(indexes: socket.indexes, data: socket.indexes + pageSize, size: 4096)
    }

    var outgoing: OutRingFront {
        OutRingFront(indexes: socket.indexes, data: socket.indexes + 2 * pageSize, size: 4096)
    }

    func status(_ offset: Int) -> UInt32 { SharedWord32(socket.status.base + offset).load() }
    var state: StatusLine.State? { StatusLine.State(rawValue: status(StatusLine.state)) }

    func connect() -> Int32 {
        let address = SocketAddress.loopback(port: 80)
        return address.withUnsafeBytes { socket.connect($0) }
    }

    /// A connected socket with nothing to do and IDLE set.
    static func connected() throws -> ScriptedSocket {
        let scripted = try ScriptedSocket()
        scripted.kernel.expect("connect 10 family 2")
        scripted.kernel.expect("watch 10 100")
        #expect(scripted.connect() == 0)
        scripted.turn()
        scripted.kernel.finish()
        return scripted
    }

    func setFlags(_ flags: UInt32) { SharedWord32(socket.status.base + StatusLine.flags).store(flags) }

    /// What the reactor does with a socket that has work.
    func turn() {
        socket.wantsTurn = false
        socket.turn()
    }

    func publish(_ count: UInt32, more: Bool = false) throws {
        _ = try outgoing.publish(outgoing.view(), count, more: more)
    }

    /// A filler was sent: FULL stands.
    func obstruct() throws {
        guard case .sendFiller = outgoing.block(outgoing.consumerValue()) else { throw RingViolation() }
        try outgoing.fillerSent()
    }

    func consume(_ count: UInt32) throws { _ = try incoming.consume(incoming.view(), count) }
}
