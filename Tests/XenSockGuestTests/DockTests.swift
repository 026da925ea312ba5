import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockGuest

/// The agent's side of a session (docs/PROTOCOL.md, 3.7).
@Suite(.serialized) struct DockTests {
    @Test func `A session begins, gives pages and ends, and nothing is left`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let xen = fixture.device.xen
        let before = xen.grants(of: DeviceFixture.guest).count
        let program = try fixture.open(ports: 100)
        let header = try #require(program.control?.base)
        #expect(header.load(as: UInt64.self) == ArenaHeader.magicValue)
        #expect(header.load(fromByteOffset: ArenaHeader.ports, as: UInt32.self) == 128)
        let ring = try program.ask(3, order: 6)
        #expect(ring.u32(SessionFrame.RingAnswer.error) == 0)
        #expect(ring.u32(SessionFrame.RingAnswer.pages) == 65)
        let reference = SharedWord32(header + Arena.statusOffset(port: 3) + StatusLine.reference).load()
        let indexes = try fixture.map([reference])
        #expect(indexes.base.load(fromByteOffset: IndexesPage.ringOrder, as: UInt32.self) == 6)
        let references = (0..<64).map {
            indexes.base.load(fromByteOffset: DataRingLayout.referenceOffset(page: $0), as: UInt32.self)
        }
        _ = try fixture.map(references)
        let ended = UInt64(1)
        program.hangUp()
        let request = try #require(try fixture.answer())
        #expect(request.command == XenSession.Command.end.rawValue)
        #expect(request.id == ended)
        indexes.unmap()
        program.control?.unmap()
        program.dock?.unmap()
        #expect(eventually { xen.grants(of: DeviceFixture.guest).count == before })
    }

    @Test func `Tokens, fillers, purges, urgent bytes and ends do what they say`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try fixture.open()
        let (end, error) = try program.bind(5)
        defer { close(end) }
        #expect(error == 0)
        #expect(program.line(5, PlaceholderLine.bound).load() == 1)
        program.set(5, PlaceholderLine.tokens, 3)
        #expect(eventually { unread(end) == 3 })
        let filler = [UInt8](repeating: 0, count: 256)
        // A filler that was asked for before it came.
        program.set(5, PlaceholderLine.fillers, 1)
        usleep(20_000)
        #expect(send(end, filler, 256, 0) == 256)
        #expect(eventually { events(end) & Int16(POLLOUT) != 0 })
        // One that nobody asked for stays, and is told of when it is watched.
        #expect(send(end, filler, 256, 0) == 256)
        usleep(20_000)
        #expect(events(end) & Int16(POLLOUT) == 0)
        program.set(5, PlaceholderLine.ends, PlaceholderLine.End.watchFillers)
        #expect(eventually { program.line(5, PlaceholderLine.filler).load() == 1 })
        program.set(5, PlaceholderLine.purges, 1)
        #expect(eventually { events(end) & Int16(POLLOUT) != 0 })
        #expect(eventually { program.line(5, PlaceholderLine.filler).load() == 0 })
        program.set(5, PlaceholderLine.urgent, 1)
        var byte: UInt8 = 0
        #expect(eventually { recv(end, &byte, 1, Int32(MSG_OOB)) == 1 })
        program.set(5, PlaceholderLine.ends, PlaceholderLine.End.write)
        #expect(eventually { events(end) & Int16(XS_POLLRDHUP) != 0 })
        #expect(unread(end) == 3)
    }

    @Test func `A look is answered after everything that was asked before it`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try fixture.open()
        let (end, _) = try program.bind(1)
        program.line(1, PlaceholderLine.tokens).store(2)
        program.set(1, PlaceholderLine.looks, 41)
        #expect(eventually { program.line(1, PlaceholderLine.looked).load() == 41 })
        #expect(unread(end) == 2)
        #expect(program.line(1, PlaceholderLine.hangup).load() == 0)
        close(end)
        program.set(1, PlaceholderLine.looks, 42)
        #expect(eventually { program.line(1, PlaceholderLine.looked).load() == 42 })
        #expect(program.line(1, PlaceholderLine.hangup).load() == 1)
    }

    @Test(arguments: [UInt32(0), PlaceholderLine.End.write, PlaceholderLine.End.write | PlaceholderLine.End.read])
    func `The hang-up of the last copy is told, whatever end is shut`(_ ends: UInt32) throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try fixture.open()
        let (end, _) = try program.bind(2)
        let copy = dup(end)
        program.line(2, PlaceholderLine.tokens).store(1)
        program.set(2, PlaceholderLine.ends, ends)
        #expect(eventually { unread(end) == 1 })
        shutdown(end, Int32(SHUT_WR))
        close(end)
        usleep(50_000)
        #expect(program.line(2, PlaceholderLine.hangup).load() == 0)
        close(copy)
        #expect(eventually { program.line(2, PlaceholderLine.hangup).load() == 1 })
    }

    @Test func `A port is bound again as soon as the backend has given it up, rung or not`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try fixture.open()
        let (first, _) = try program.bind(9)
        #expect(try program.bind(9).error == UInt32(EBUSY))
        program.line(9, PlaceholderLine.tokens).store(77)
        program.line(9, PlaceholderLine.ends).storeOrdered(PlaceholderLine.End.closed)
        let (second, error) = try program.bind(9)
        #expect(error == 0)
        #expect(program.line(9, PlaceholderLine.ends).load() == 0)
        #expect(program.line(9, PlaceholderLine.tokens).load() == 0)
        program.ring(9)
        #expect(eventually { events(first) & Int16(POLLHUP) != 0 })
        #expect(events(second) == Int16(POLLOUT))
        close(first)
        close(second)
    }

    @Test func `A session whose sockets end after it is freed with the last of them`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let xen = fixture.device.xen
        let before = xen.grants(of: DeviceFixture.guest).count
        for _ in 0..<20 {
            let program = try fixture.open()
            var ends: [Int32] = []
            for port in 1..<UInt32(4) {
                ends.append(try program.bind(port).descriptor)
                // As the backend says of a socket that there is.
                SharedWord32(program.control!.base + Arena.statusOffset(port: port) + StatusLine.state).store(3)
            }
            program.hangUp()
            _ = try fixture.answer()
            usleep(2000)
            for port in 1..<UInt32(4) {
                program.line(port, PlaceholderLine.ends).storeOrdered(PlaceholderLine.End.closed)
            }
            for port in 1..<UInt32(4) { program.ring(port) }
            #expect(eventually { ends.allSatisfy { events($0) & Int16(POLLHUP) != 0 } })
            for end in ends { close(end) }
            program.control?.unmap()
            program.dock?.unmap()
            #expect(eventually { xen.grants(of: DeviceFixture.guest).count == before })
        }
    }

    @Test func `KICK comes by port 0`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try fixture.open()
        program.ring(Arena.commandRingPort)
        #expect(try program.receive(.kick) != nil)
    }

    @Test func `A shortage of grants makes rings smaller, then none, and takes nothing from the others`() throws {
        let fixture = try DockFixture(limit: 400)
        defer { fixture.stop() }
        let program = try fixture.open()
        var orders: [UInt32] = []
        var port: UInt32 = 1
        while true {
            let answer = try program.ask(port, order: 6)
            if answer.u32(SessionFrame.RingAnswer.error) != 0 {
                #expect(answer.u32(SessionFrame.RingAnswer.error) == UInt32(ENOBUFS))
                break
            }
            orders.append(answer.u32(SessionFrame.RingAnswer.order))
            port += 1
        }
        #expect(orders == orders.sorted(by: >))
        #expect(orders.first == 6 && orders.last == 4)
        #expect(try program.ask(port, order: 7).u32(SessionFrame.RingAnswer.error) == UInt32(ENOBUFS))
        // What was given stays.
        #expect(try program.ask(1, order: 6).u32(SessionFrame.RingAnswer.order) == 6)
        // A larger one in its place is more than there is: the old one has gone for it.
        #expect(fixture.device.xen.grants(of: DeviceFixture.guest).count <= 400)
    }

    @Test func `A backend that refuses a session is told of by its errno`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try DockProgram(path: fixture.path)
        try program.send(.hello, 1, [64])
        _ = try fixture.answer(-EAGAIN)
        #expect(try program.receive(.hello)?.argument == UInt32(EAGAIN))
        #expect(try program.receive(.hello) == nil)
    }

    @Test func `A backend that leaves Connected takes every session and placeholder with it`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try fixture.open()
        let (end, _) = try program.bind(4)
        try fixture.device.store.write("\(fixture.device.backend)/state", "5")
        #expect(try program.receive(.kick) == nil)
        #expect(eventually { events(end) & Int16(POLLHUP) != 0 })
        close(end)
        let late = try DockProgram(path: fixture.path)
        try late.send(.hello, 1, [64])
        #expect(try late.receive(.hello)?.argument == UInt32(ENETDOWN))
    }

    @Test func `A response to no request closes the device`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try DockProgram(path: fixture.path)
        try program.send(.hello, 1, [64])
        _ = try fixture.answer(as: 31)
        #expect(eventually { fixture.device.frontendNode(Node.error) == "responses to no request" })
    }

    @Test func `A backend that writes garbage into lines and bells harms its own sockets only`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let hostile = try fixture.open()
        let other = try fixture.open(number: 8)
        var ends: [Int32] = []
        for port in 1..<UInt32(20) { ends.append(try hostile.bind(port).descriptor) }
        let (end, _) = try other.bind(1)
        var random = SystemRandomNumberGenerator()
        let base = try #require(hostile.dock?.base)
        for _ in 0..<20_000 {
            let offset = Int.random(in: 0..<(8192 + 20 * 64) / 4, using: &random) * 4
            SharedWord32(base + offset).store(UInt32.random(in: 0...UInt32.max, using: &random))
            hostile.ring(UInt32.random(in: 0..<64, using: &random))
        }
        other.set(1, PlaceholderLine.tokens, 1)
        #expect(eventually { unread(end) == 1 })
        let third = try fixture.open(number: 9)
        #expect(try third.bind(1).error == 0)
        for end in ends { close(end) }
    }

    @Test func `Only user 0's programs, and the agent's own process, are served`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let direct = try fixture.open(direct: true)
        #expect(try direct.bind(1).error == 0)
        var status = stat()
        #expect(stat(fixture.path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(stat(fixture.path + ".direct", &status) == 0 && status.st_mode & 0o777 == 0o600)
    }
}
