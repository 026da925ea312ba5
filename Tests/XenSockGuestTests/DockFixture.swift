import CXenSockSystem
import Glibc
import Logging
import Testing
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockGuest

/// A dock on a connected device, the backend's end of which is a test's to write, and a program that is one too.
final class DockFixture {
    let device: DeviceFixture
    let dock: Dock
    let path: String
    private var ring: CommandRingBack
    private let channels: any EventChannels
    private let mapping: GrantMapping
    private let port: UInt32

    /// - Parameter limit: pages that the guest may grant.
    init(limit: Int = 4096, fence: TestFence? = nil, admission: DockAdmission = .root) throws {
        device = try DeviceFixture()
        device.xen.setLimits(of: DeviceFixture.guest) {
            $0.grantAllocations = limit
            $0.mayRaiseGrantAllocations = false
        }
        try device.publish()
        (mapping, channels, port) = try device.accept()
        ring = CommandRingBack(page: mapping.base, layout: .pvcalls)
        try device.write(.connected)
        path = "/tmp/xensock-dock-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        var log = Logger(label: "test")
        log.logLevel = .critical
        var configuration = Dock.Configuration(ownPath: path, directPath: path + ".direct")
        configuration.admission = admission
        dock = try Dock(
            device: device.device, platform: device.platform, configuration: configuration, fence: fence, log: log)
        dock.start()
    }

    func stop() { dock.stop() }

    struct Answered {
        var command: UInt32
        var id: UInt64
        var words: [UInt32]
    }

    /// Takes the agent's next request and answers it; nil if none comes within a second.
    func answer(_ ret: Int32 = 0, number: UInt32 = 0, as requestID: UInt32? = nil) throws -> Answered? {
        guard let request = try take() else { return nil }
        respond(request, ret, number: number, as: requestID)
        return request
    }

    /// Takes the agent's next request; nil if none comes within so many times 5 ms.
    func take(tries: Int = 4000) throws -> Answered? {
        for _ in 0..<tries {
            while let event = channels.nextPending() { channels.unmask(event) }
            if let entry = try ring.nextRequest() {
                let words = (0..<16).map { entry.load(fromByteOffset: 4 * $0, as: UInt32.self) }
                ring.consumeRequest()
                return Answered(command: words[1], id: UInt64(words[2]) | UInt64(words[3]) << 32, words: words)
            }
            _ = ring.awaitRequest()
            usleep(5000)
        }
        return nil
    }

    func respond(_ request: Answered, _ ret: Int32, number: UInt32 = 0, as requestID: UInt32? = nil) {
        let response = ring.nextResponse()
        memset(response, 0, 64)
        response.storeBytes(of: requestID ?? request.words[0], as: UInt32.self)
        response.storeBytes(of: request.command, toByteOffset: 4, as: UInt32.self)
        response.storeBytes(of: ret, toByteOffset: 8, as: Int32.self)
        response.storeBytes(of: number, toByteOffset: XenSession.Entry.number, as: UInt32.self)
        ring.pushResponse()
        if ring.publishResponses() { channels.notify(port) }
    }

    /// Opens a session as the agent's own frontend does, or as a program of a user.
    func open(ports: UInt32 = 64, direct: Bool = false, number: UInt32 = 7, user: UInt32 = 0) throws -> DockProgram {
        let program = try DockProgram(path: direct ? path + ".direct" : path, user: user)
        try begin(program, ports: ports, number: number)
        return program
    }

    /// Opens a session through another's door.
    func door(of parent: DockProgram, user: UInt32, keep: ((Int32) -> Void)? = nil) throws -> DockProgram {
        let program = try DockProgram(doorOf: parent, user: user, keep: keep)
        try begin(program, ports: 64, number: 7)
        return program
    }

    func refusedAtDoor(of parent: DockProgram, user: UInt32) throws -> UInt32? {
        try DockProgram(doorOf: parent, user: user).receive(.hello)?.argument
    }

    private func begin(_ program: DockProgram, ports: UInt32, number: UInt32) throws {
        try program.send(.hello, 1, [ports])
        let request = try #require(try answer(number: number))
        #expect(request.command == XenSession.Command.session.rawValue)
        let answer = try #require(try program.receive(.hello))
        #expect(answer.argument == 0)
        #expect(answer.u32(SessionFrame.HelloAnswer.session) == number)
        program.arena = answer.u64(SessionFrame.HelloAnswer.arenaID)
        for descriptor in answer.descriptors where descriptor >= 0 { close(descriptor) }
        program.map(
            ports: answer.u32(SessionFrame.HelloAnswer.ports), self, dock: request.words[4], event: request.words[5])
    }

    func map(_ references: [UInt32]) throws -> GrantMapping {
        try device.control.mapper.map(references, of: DeviceFixture.guest)
    }

    func bind(_ port: UInt32) throws -> (any EventChannels, UInt32) {
        let channels = try device.control.channels()
        return (channels, try channels.bindInterdomain(DeviceFixture.guest, port: port))
    }
}

/// A program's end of a session, and the memory that the backend has of it.
final class DockProgram {
    let descriptor: Int32
    var arena: UInt64 = 0
    private(set) var dock: GrantMapping?
    private(set) var control: GrantMapping?
    private var channels: (any EventChannels)?
    private var event: UInt32 = 0

    struct Frame {
        var bytes: [UInt8]
        var descriptors: [Int32]
        var argument: UInt32 { u32(4) }
        func u32(_ offset: Int) -> UInt32 {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        }
        func u64(_ offset: Int) -> UInt64 {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
        }
    }

    /// A session socket of a user's, which a process of user 0 makes.
    private static func made<Result>(by user: UInt32, _ body: () throws -> Result) rethrows -> Result {
        // Of this thread alone; SO_PEERCRED is the effective user.
        _ = xs_syscall(Int(SYS_setresuid), -1, Int(user), -1, 0, 0, 0)
        defer { _ = xs_syscall(Int(SYS_setresuid), -1, 0, -1, 0, 0, 0) }
        return try body()
    }

    /// - Parameter keep: gets a copy of the end that the agent has.
    init(doorOf parent: DockProgram, user: UInt32, keep: ((Int32) -> Void)? = nil) throws {
        var pair: [Int32] = [-1, -1]
        try #require(Self.made(by: user) { socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &pair) } == 0)
        descriptor = pair[0]
        try parent.send(.door, 0, [], pair[1])
        if let keep { keep(pair[1]) } else { close(pair[1]) }
    }

    init(path: String, user: UInt32 = 0) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                Self.made(by: user) { connect(descriptor, address, size) }
            }
        }
        try #require(result == 0)
    }

    deinit { close(descriptor) }

    /// As a program that ends.
    func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    func send(
        _ kind: SessionFrame.Kind, _ argument: UInt32, _ words: [UInt32] = [], _ first: Int32 = -1, _ second: Int32 = -1
    ) throws {
        let frame = [kind.rawValue, argument] + words
        try #require(attempt(frame, 0, first, second) == frame.count * 4)
    }

    /// Sends a frame of nothing but words.
    func attempt(_ frame: [UInt32], _ flags: Int32, _ first: Int32 = -1, _ second: Int32 = -1) -> Int {
        frame.withUnsafeBytes {
            xs_send_descriptors(descriptor, $0.baseAddress!, $0.count, flags, first, second)
        }
    }

    /// The next frame of a kind; nil at the hang-up, or after two seconds.
    func receive(_ kind: SessionFrame.Kind) throws -> Frame? {
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 20_000) > 0 else { return nil }
            var bytes = [UInt8](repeating: 0, count: 4104)
            var (first, second) = (Int32(-1), Int32(-1))
            let size = bytes.withUnsafeMutableBytes {
                xs_receive_descriptors(descriptor, $0.baseAddress!, $0.count, 0, &first, &second)
            }
            guard size > 0 else { return nil }
            let frame = Frame(bytes: Array(bytes[..<size]), descriptors: [first, second])
            if frame.u32(0) == kind.rawValue { return frame }
        }
    }

    /// Asks for the socket whose end `end` is, and has the backend agree if it is asked.
    ///
    /// - Returns: the agent's errno.
    func attach(_ end: Int32, _ fixture: DockFixture) throws -> UInt32 {
        try send(.attach, 1, [5, 0], end)
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        if poll(&entry, 1, 50) == 0 {
            #expect(try fixture.answer()?.command == XenSession.Command.attach.rawValue)
        }
        let answer = try #require(try receive(.attach))
        #expect((answer.descriptors[0] >= 0) == (answer.argument == 0))
        for descriptor in answer.descriptors where descriptor >= 0 { close(descriptor) }
        return answer.argument
    }

    /// The backend's, as it does at END.
    func dropMappings() {
        control?.unmap()
        dock?.unmap()
    }

    /// As the backend does at SESSION.
    func map(ports: UInt32, _ fixture: DockFixture, dock reference: UInt32, event channel: UInt32) {
        do {
            let first = try fixture.map([reference])
            let lists = (0..<Int(XenSession.dockPages(ports: ports) + XenSession.controlPages(ports: ports))).map {
                first.base.load(fromByteOffset: DockRegion.references + 4 * $0, as: UInt32.self)
            }
            let pages = Int(XenSession.dockPages(ports: ports))
            dock = try fixture.map(Array(lists[..<pages]))
            control = try fixture.map(Array(lists[pages...]))
            (channels, event) = try fixture.bind(channel)
        } catch {
            Issue.record(error)
        }
    }

    // MARK: As the backend

    func line(_ port: UInt32, _ offset: Int) -> SharedWord32 {
        SharedWord32(dock!.base + DockRegion.line(port: port) + offset)
    }

    /// As ``ring(_:)``, but the event does not come.
    func setPending(_ port: UInt32) { _ = DoorbellFront(arena: dock!.base).ring(port) }

    func ring(_ port: UInt32) { if DoorbellFront(arena: dock!.base).ring(port) { channels?.notify(event) } }

    /// Writes a word and has the agent look.
    func set(_ port: UInt32, _ offset: Int, _ value: UInt32) {
        line(port, offset).storeOrdered(value)
        ring(port)
    }

    // MARK: As the program

    /// Gives the agent a pair for a port.
    ///
    /// - Returns: the program's end, and the agent's errno.
    func bind(_ port: UInt32) throws -> (descriptor: Int32, error: UInt32) {
        var pair: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &pair) == 0)
        try send(.port, port, [], pair[1], pair[0])
        close(pair[1])
        let answer = try #require(try receive(.port))
        #expect(answer.argument == port)
        return (pair[0], answer.u32(SessionFrame.PortAnswer.error))
    }

    func ask(_ port: UInt32, order: UInt32) throws -> Frame {
        try send(.ring, port, [order, 0, 0, 0])
        return try #require(try receive(.ring))
    }
}

/// Waits until something holds, two seconds at most.
func eventually(within seconds: Int = 20, _ holds: () -> Bool) -> Bool {
    for _ in 0..<seconds * 200 {
        if holds() { return true }
        usleep(5000)
    }
    return holds()
}

/// Bytes that stand in a placeholder.
func unread(_ descriptor: Int32) -> Int32 {
    var count: Int32 = 0
    return ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? count : -1
}

func events(_ descriptor: Int32) -> Int16 {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN | POLLOUT | Int32(XS_POLLRDHUP)), revents: 0)
    return poll(&entry, 1, 0) >= 0 ? entry.revents : 0
}
