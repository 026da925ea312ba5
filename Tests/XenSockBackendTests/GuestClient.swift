import CXenSockSystem
import Glibc
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockBackend

/// One session of a guest: the program, and what its agent does for it.
final class GuestClient: TestSession, @unchecked Sendable {
    let kernel = LinuxKernel()
    private unowned let agent: TestAgent
    let id: UInt64
    let ports: UInt32
    /// The backend's number; tags locks.
    private(set) var number: UInt32 = 0
    let control: GrantAllocation
    let dock: GrantAllocation
    /// The agent's and the program's.
    let channel: UInt32
    let programChannel: UInt32
    private let front: DoorbellFront
    private let bell: DoorbellBack
    var ring: CommandRingFront
    private let kicked = LinuxKernel().eventDescriptor()
    private var pairs: [UInt32: Pair] = [:]
    private var allocations: [UInt32: GrantAllocation] = [:]
    /// Answers that came before they were waited for.
    private var early: [UInt32: Response] = [:]
    /// The agent does nothing for this session while it is set.
    var isAsleep = false
    private var hasEvent = false

    /// The agent's end of a placeholder and what it did for it.
    private struct Pair {
        let descriptor: Int32
        var tokens: UInt32 = 0
        var fillers: UInt32 = 0
        var purges: UInt32 = 0
        var ends: UInt32 = 0
        var looks: UInt32 = 0
        var urgent: UInt32 = 0
        var owed: UInt32 = 0
    }

    var base: UnsafeMutableRawPointer { control.base }

    init(_ agent: TestAgent, id: UInt64, ports: UInt32) throws {
        self.agent = agent
        self.id = id
        self.ports = ports
        let (controlPages, dockPages) = (XenSession.controlPages(ports: ports), XenSession.dockPages(ports: ports))
        control = try agent.platform.allocator.allocate(pages: Int(controlPages), for: .control)
        dock = try agent.platform.allocator.allocate(pages: Int(dockPages), for: .control)
        channel = try agent.channels.bindUnbound(for: .control)
        programChannel = try agent.channels.bindUnbound(for: .control)
        front = DoorbellFront(arena: control.base)
        bell = DoorbellBack(arena: dock.base, ports: ports)
        ring = CommandRingFront(
            page: control.base + XenSockWire.Arena.commandRingOffset, layout: .pvcalls)
        control.base.storeBytes(of: ArenaHeader.magicValue, as: UInt64.self)
        control.base.storeBytes(of: ports, toByteOffset: ArenaHeader.ports, as: UInt32.self)
        _ = bell.sleep()
        list(DockRegion.ports, ports)
        list(DockRegion.controlPages, controlPages)
        list(DockRegion.dockPages, dockPages)
        for (index, reference) in (dock.references + control.references).enumerated() {
            list(DockRegion.references + index * 4, reference)
        }
    }

    deinit {
        for pair in pairs.values { kernel.close(pair.descriptor) }
        kernel.close(kicked)
    }

    /// Writes a word of the dock region's first page.
    func list(_ offset: Int, _ value: UInt32) { SharedWord32(dock.base + offset).store(value) }

    /// SESSION.
    ///
    /// - Parameter programChannel: 0: the program signals by the agent's.
    func open(
        reference: UInt32? = nil, channel: UInt32? = nil, programChannel: UInt32? = nil, user: UInt32 = 1000
    ) throws -> TestAgent.Answer {
        let answer = try agent.call(
            XenSession.Command.session.rawValue, id: id,
            [
                (XenSession.Entry.dockReference, reference ?? dock.references[0]),
                (XenSession.Entry.eventChannel, channel ?? self.channel), (XenSession.Entry.user, user),
                (XenSession.Entry.process, 77),
                (XenSession.Entry.programChannel, programChannel ?? self.programChannel),
            ])
        number = answer.value
        return answer
    }

    /// END.
    func end() throws -> Int32 { try agent.call(XenSession.Command.end.rawValue, id: id).ret }

    /// ATTACH of another session's socket, under its own name.
    func attach(_ socket: TestSocket, of owner: GuestClient, generation: UInt32? = nil, as name: UInt64? = nil) throws
        -> Int32
    {
        let name = name ?? socket.id.rawValue
        return try agent.call(
            XenSession.Command.attach.rawValue, id: id,
            [
                (XenSession.Entry.owner, UInt32(truncatingIfNeeded: owner.id)), (XenSession.Entry.port, socket.port),
                (XenSession.Entry.generation, generation ?? socket.generation),
                (XenSession.Entry.socket, UInt32(truncatingIfNeeded: name)),
                (XenSession.Entry.socket + 4, UInt32(truncatingIfNeeded: name >> 32)),
            ]
        ).ret
    }

    // MARK: The program

    func ring(_ port: UInt32) { if front.ring(port) { agent.channels.notify(programChannel) } }

    private func ringAsAgent(_ port: UInt32) { if front.ring(port) { agent.channels.notify(channel) } }

    var arguments: ArgumentArea { ArgumentArea(base: base + XenSockWire.Arena.argumentsOffset) }

    func push(_ request: Request, value: [UInt8] = []) throws -> UInt32 {
        let slot = ring.nextSlot
        if !value.isEmpty { _ = arguments.write(slot, from: value, count: value.count) }
        try RequestCodec(.xensock2).encode(request, requestID: slot, into: ring.nextRequest(), arguments: arguments)
        if ring.push() { ring(0) }
        return slot
    }

    func call(_ request: Request, value: [UInt8]) throws -> Response {
        try awaitResponse(try push(request, value: value))
    }

    /// The answer to the request of a slot; others may come before.
    func awaitResponse(_ slot: UInt32, milliseconds: Int = 20_000) throws -> Response {
        while true {
            if let response = early.removeValue(forKey: slot) { return response }
            if let entry = try ring.nextResponse() {
                let response = RequestCodec(.xensock2).decodeResponse(from: entry, arguments: arguments)
                ring.consumeResponse()
                early[response.requestID] = response
            } else if ring.awaitResponse() {
                guard waitFor(kicked, POLLIN, milliseconds) else { throw ClientError(description: "no KICK came") }
                takeSignal(kicked)
            }
        }
    }

    /// Whether an answer to a slot's request is there.
    func hasResponse(_ slot: UInt32) -> Bool { (try? awaitResponse(slot, milliseconds: 50)) != nil }

    /// RING and PORT: pages and a pair for a port.
    func socket(port: UInt32, order: UInt32 = 3, id: SocketID? = nil) throws -> TestSocket {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0, &ends) == 0 else {
            throw ClientError(description: "socketpair")
        }
        let pages = try agent.locked {
            let allocation: GrantAllocation
            if let kept = allocations[port], kept.pages == 1 + (1 << Int(order)) {
                allocation = kept
            } else {
                allocation = try agent.platform.allocator.allocate(pages: 1 + (1 << Int(order)), for: .control)
                allocations[port] = allocation
            }
            serve(port)
            guard pairs[port] == nil else { throw ClientError(description: "the port has a pair") }
            var minimum: Int32 = 1
            setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &minimum, 4)
            pairs[port] = Pair(descriptor: ends[0])
            let line = line(port)
            line.initializeMemory(as: UInt8.self, repeating: 0, count: PlaceholderLine.size)
            SharedWord32(line + PlaceholderLine.bound).store(1)
            return allocation
        }
        SharedWord32(pages.base + IndexesPage.ringOrder).store(order)
        for page in 0..<(1 << Int(order)) {
            SharedWord32(pages.base + DataRingLayout.referenceOffset(page: page)).store(pages.references[page + 1])
        }
        return TestSocket(
            self, port: port, id: id ?? SocketID(UInt64(port) | 0x7000_0000_0000), order: order, placeholder: ends[1],
            indexes: pages.base, page: GrantReference(pages.references[0]))
    }

    // MARK: The agent

    /// From here on the agent does nothing, and the backend believes that it is at work.
    func dozeAwake() {
        agent.locked {
            isAsleep = true
            bell.wake()
        }
    }

    /// Goes on, as if there had been an event.
    func goOn() {
        agent.locked {
            isAsleep = false
            hasEvent = true
        }
    }

    func line(_ port: UInt32) -> UnsafeMutableRawPointer { dock.base + DockRegion.line(port: port) }

    func word(_ port: UInt32, _ offset: Int) -> SharedWord32 { SharedWord32(line(port) + offset) }

    /// An event came at the session's channel: what rang is looked at, and nothing else. Under the agent's lock.
    func takeEvents() {
        guard !isAsleep else { return hasEvent = true }
        hasEvent = false
        repeat {
            bell.takePending {
                if $0 == 0 {
                    kernel.signal(eventDescriptor: kicked)
                } else {
                    serve($0)
                }
            }
        } while !bell.sleep()
    }

    /// Looks at the ends of the placeholders themselves.
    func lookAround() {
        guard !isAsleep else { return }
        if hasEvent { takeEvents() }
        for port in Array(pairs.keys) { look(port, answering: nil) }
    }

    /// Does what the backend asks for in a port's line.
    private func serve(_ port: UInt32) {
        guard var pair = pairs[port] else { return }
        let looks = word(port, PlaceholderLine.looks).loadOrdered()
        let tokens = word(port, PlaceholderLine.tokens).loadOrdered()
        for _ in 0..<min(tokens &- pair.tokens, PlaceholderLine.maximumTokens) { _ = kernel.sendToken(pair.descriptor) }
        pair.tokens = tokens
        let urgent = word(port, PlaceholderLine.urgent).loadOrdered()
        if urgent != pair.urgent { _ = kernel.sendUrgent(pair.descriptor, byte: 0) }
        pair.urgent = urgent
        let fillers = word(port, PlaceholderLine.fillers).loadOrdered()
        pair.owed += min(fillers &- pair.fillers, PlaceholderLine.maximumFillers)
        pair.fillers = fillers
        receiveOwed(&pair)
        let purges = word(port, PlaceholderLine.purges).loadOrdered()
        if purges != pair.purges {
            while kernel.receiveFiller(pair.descriptor) > 0 {}
            pair.owed = 0
        }
        pair.purges = purges
        let ends = word(port, PlaceholderLine.ends).loadOrdered()
        let added = ends & ~pair.ends
        if ends & PlaceholderLine.End.closed != 0 {
            kernel.close(pair.descriptor)
            pairs[port] = nil
            return
        }
        if added & PlaceholderLine.End.write != 0 { _ = kernel.shutdown(pair.descriptor, how: ShutdownHow.write) }
        if added & PlaceholderLine.End.read != 0 { _ = kernel.shutdown(pair.descriptor, how: ShutdownHow.read) }
        pair.ends = ends
        pairs[port] = pair
        look(port, answering: looks)
    }

    private func receiveOwed(_ pair: inout Pair) {
        while pair.owed > 0, kernel.receiveFiller(pair.descriptor) > 0 { pair.owed -= 1 }
    }

    /// Tells the backend what stands at a placeholder.
    private func look(_ port: UInt32, answering looks: UInt32?) {
        guard var pair = pairs[port] else { return }
        receiveOwed(&pair)
        var changed = false
        let polled = kernel.poll(pair.descriptor, .input)
        let watched = pair.ends & PlaceholderLine.End.watchFillers != 0
        let filler: UInt32 = watched && pair.owed == 0 && polled.contains(.input) ? 1 : 0
        changed = set(port, PlaceholderLine.filler, filler) || changed
        if isHungUp(pair, polled) { changed = set(port, PlaceholderLine.hangup, 1) || changed }
        if let looks { changed = set(port, PlaceholderLine.looked, looks) || changed }
        pairs[port] = pair
        if changed { ringAsAgent(port) }
    }

    private func set(_ port: UInt32, _ offset: Int, _ value: UInt32) -> Bool {
        let word = word(port, offset)
        guard word.load() != value else { return false }
        word.storeOrdered(value)
        return true
    }

    private func isHungUp(_ pair: Pair, _ polled: PollEvents) -> Bool {
        if polled.contains(.error) { return true }
        guard polled.contains(.hangup) else { return false }
        guard pair.ends & PlaceholderLine.End.write != 0 else { return true }
        var unread: Int32 = 0
        return kernel.ioctl(pair.descriptor, request: IoctlRequest.outputQueue, value: &unread) < 0 || unread == 0
    }
}
