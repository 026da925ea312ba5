import CXenSockSystem
import Glibc
import XenSockRing
import XenSockTestSupport
import XenSockWire

@testable import XenSockBackend

/// A failure of the test's own machinery, with what went wrong.
struct ClientError: Error, CustomStringConvertible {
    var description: String
}

/// A minimal frontend: raw session frames, and the front ends of the rings.
final class TestClient: TestSession {
    let kernel = LinuxKernel()
    let session: Int32
    var sessionID: UInt32 = 0
    var ports: UInt32 = 0
    var arenaID: UInt64 = 0
    var nodes: [String: String] = [:]
    var memory: Int32 = -1
    var doorbell: Int32 = -1
    private(set) var base = UnsafeMutableRawPointer(bitPattern: 8)!
    private(set) var front: DoorbellFront!
    var ring: CommandRingFront!
    private var size = 0

    /// Connects; no frame is sent.
    init(path: String) throws {
        session = kernel.socket(domain: AF_UNIX, type: Int32(SOCK_SEQPACKET.rawValue), protocolNumber: 0)
        var address = sockaddr_un()
        address.sun_family = UInt16(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafeBytes(of: address) { kernel.connect(session, $0) }
        guard result == 0 else { throw ClientError(description: "connect to the service: \(result)") }
    }

    /// Serves over a socket that is connected already (a door).
    init(session: Int32) { self.session = session }

    deinit {
        if size > 0 { kernel.unmap(base, size: size) }
        for descriptor in [memory, doorbell, session] where descriptor >= 0 { kernel.close(descriptor) }
    }

    func hangUp() { _ = kernel.shutdown(session, how: 2) }

    func send(frame bytes: [UInt8], _ descriptors: [Int32] = []) -> Int {
        var carried = FrameDescriptors()
        for (index, descriptor) in descriptors.enumerated() { carried.values[index] = descriptor }
        carried.count = descriptors.count
        return bytes.withUnsafeBytes { kernel.sendFrame(session, $0, descriptors: carried) }
    }

    /// Sends a frame with the same descriptor `count` times.
    func sendMany(_ bytes: [UInt8], _ descriptor: Int32, count: Int) -> Int {
        sendAll(bytes, [Int32](repeating: descriptor, count: count))
    }

    /// Sends a frame with any number of descriptors.
    func sendAll(_ bytes: [UInt8], _ descriptors: [Int32]) -> Int { sendMessage(session, bytes, descriptors) }

    func send(_ writer: FrameWriter, _ descriptors: [Int32] = []) -> Int {
        send(frame: writer.withBytes { Array($0) }, descriptors)
    }

    /// The next frame; nil at the hang-up. A KICK may come late, for a response that was found without it: only with
    /// `kicks` it is one that counts.
    func receive(milliseconds: Int = 20_000, kicks: Bool = false) throws -> (bytes: [UInt8], descriptors: [Int32])? {
        while true {
            guard waitFor(session, POLLIN, milliseconds) else { throw ClientError(description: "no frame came") }
            var buffer = [UInt8](repeating: 0, count: SessionFrame.maximumSize)
            var carried = FrameDescriptors()
            let count = buffer.withUnsafeMutableBytes {
                kernel.receiveFrame(session, of: getuid(), into: $0, descriptors: &carried)
            }
            guard count > 0 else { return nil }
            if !kicks, count >= 4, buffer.u32(0) == SessionFrame.Kind.kick.rawValue { continue }
            return (Array(buffer[0..<count]), (0..<carried.count).map { carried.values[$0] })
        }
    }

    /// HELLO; returns the errno of the answer.
    func hello(ports wanted: UInt32 = 64, version: UInt32 = 1) throws -> UInt32 {
        var hello = FrameWriter(.hello)
        hello.argument = version
        hello.append(wanted)
        _ = send(hello)
        guard let (bytes, descriptors) = try receive() else { throw ClientError(description: "hung up at HELLO") }
        let error = bytes.u32(4)
        guard error == 0 else { return error }
        sessionID = bytes.u32(8)
        ports = bytes.u32(12)
        arenaID = UInt64(bytes.u32(16)) | UInt64(bytes.u32(20)) << 32
        memory = descriptors[0]
        doorbell = descriptors[1]
        let words = bytes[24...].split(separator: 0, omittingEmptySubsequences: false)
        for index in stride(from: 0, to: words.count - 1, by: 2) {
            nodes[String(decoding: words[index], as: UTF8.self)] = String(decoding: words[index + 1], as: UTF8.self)
        }
        size = Int(XenSockWire.Arena.pageCount(ports: ports)) * pageSize
        base = kernel.map(memory, offset: 0, size: size)!
        front = DoorbellFront(arena: base)
        return 0
    }

    /// Connects the command ring; returns the backend's state.
    func connectRing(_ changes: [String: String?] = [:]) throws -> String? {
        ring = CommandRingFront(page: base + XenSockWire.Arena.commandRingOffset, layout: .pvcalls)
        var nodes: [String: String?] = [
            "version": "1", "ring-ref": "2", "port": "0", "xensock2": "1", "arguments-ref": "3,4,5,6", "state": "3",
        ]
        for (name, value) in changes { nodes[name] = value }
        var frame = FrameWriter(.store).withBytes { Array($0) }
        for (name, value) in nodes {
            guard let value else { continue }
            frame += Array(name.utf8) + [0] + Array(value.utf8) + [0]
        }
        _ = send(frame: frame)
        guard let (bytes, _) = try receive() else { return nil }
        let words = bytes[8...].split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        return words.firstIndex(of: "state").map { words[$0 + 1] }
    }

    /// ATTACH without the arena's descriptors; returns the frame of the answer.
    func attach(_ descriptor: Int32, id: UInt64) throws -> [UInt8] {
        var attach = FrameWriter(.attach)
        attach.append(id)
        _ = send(attach, [descriptor])
        guard let (frame, _) = try receive() else { throw ClientError(description: "hung up at ATTACH") }
        return frame
    }

    /// A session that is ready for requests.
    static func connected(path: String, ports: UInt32 = 64) throws -> TestClient {
        let client = try TestClient(path: path)
        guard try client.hello(ports: ports) == 0, try client.connectRing() == "4" else {
            throw ClientError(description: "the session did not connect")
        }
        return client
    }

    func ring(_ port: UInt32) {
        if front.ring(port) { kernel.signal(eventDescriptor: doorbell) }
    }

    var arguments: ArgumentArea { ArgumentArea(base: base + XenSockWire.Arena.argumentsOffset) }

    /// Sends one request and waits for its answer.
    func call(_ request: Request, value: [UInt8]) throws -> Response {
        let slot = ring.nextSlot
        if !value.isEmpty { _ = arguments.write(slot, from: value, count: value.count) }
        try RequestCodec(.xensock2).encode(request, requestID: slot, into: ring.nextRequest(), arguments: arguments)
        return try finishCall()
    }

    /// Sends one request and does not wait.
    func push(_ request: Request) throws {
        let slot = ring.nextSlot
        try RequestCodec(.xensock2).encode(request, requestID: slot, into: ring.nextRequest(), arguments: arguments)
        if ring.push() { ring(0) }
    }

    /// Publishes whatever stands in the next slot.
    func finishCall() throws -> Response {
        if ring.push() { ring(0) }
        return try awaitResponse()
    }

    func awaitResponse() throws -> Response {
        while true {
            if let slot = try ring.nextResponse() {
                let response = RequestCodec(.xensock2).decodeResponse(from: slot, arguments: arguments)
                ring.consumeResponse()
                return response
            }
            if ring.awaitResponse() {
                guard let (frame, _) = try receive(kicks: true) else {
                    throw ClientError(description: "the session ended")
                }
                guard frame.u32(0) == SessionFrame.Kind.kick.rawValue else {
                    throw ClientError(description: "a frame of type \(frame.u32(0)) instead of KICK")
                }
            }
        }
    }
}

/// Runs `body` with another effective user id, which takes root.
func asUser<T>(_ user: UInt32?, _ body: () throws -> T) rethrows -> T {
    // The system call itself changes this thread alone.
    func become(_ user: UInt32) { _ = xs_syscall(Int(SYS_setresuid), -1, Int(user), -1, 0, 0, 0) }
    if let user { become(user) }
    defer { if user != nil { become(0) } }
    return try body()
}

/// Waits until poll shows one of `events`.
@discardableResult
func waitFor(_ descriptor: Int32, _ events: Int32, _ milliseconds: Int) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    return poll(&entry, 1, Int32(milliseconds)) > 0
}

/// What poll shows now.
func polled(_ descriptor: Int32) -> Int32 {
    let events = Int16(POLLIN | POLLOUT) | 0x2000
    var entry = pollfd(fd: descriptor, events: events, revents: 0)
    return poll(&entry, 1, 0) > 0 ? Int32(entry.revents) : 0
}

/// Waits until `condition` holds, at most `seconds`.
func eventually(within seconds: Double = 20, _ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<Int(seconds * 1000) {
        if try condition() { return true }
        usleep(1000)
    }
    return false
}

extension [UInt8] {
    func u32(_ offset: Int) -> UInt32 {
        withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
    }
}
