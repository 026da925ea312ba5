import CXenSockSystem
import Glibc
import Testing
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockGuest

/// A fence that a test puts up and takes down.
final class TestFence: DockFence, @unchecked Sendable {
    var text: String?
    private(set) var tries = 0

    init(_ text: String? = nil) { self.text = text }

    func establish() -> String? { text }
    func fault() -> String? {
        tries += 1
        return text
    }
}

/// Several users at one dock (docs/PROTOCOL.md, 3.7, "Who may have pages directly").
@Suite(.serialized, .enabled(if: geteuid() == 0, "connects as other users")) struct DockSharingTests {
    private func fixture(
        limit: Int = 4096, fence: TestFence? = TestFence(), users: Set<UInt32>? = nil, perUser: Int = 100
    ) throws -> DockFixture {
        try DockFixture(
            limit: limit, fence: fence, admission: DockAdmission(users: users, sessionsPerUser: perUser))
    }

    private func refused(_ fixture: DockFixture, _ user: UInt32) throws -> UInt32? {
        let program = try DockProgram(path: fixture.path + ".direct", user: user)
        return try program.receive(.hello)?.argument
    }

    private func mode(_ fixture: DockFixture) -> mode_t {
        var status = stat()
        return stat(fixture.path + ".direct", &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func `Behind a fence the users are served whom the policy admits`() throws {
        let fixture = try fixture(users: [1000])
        defer { fixture.stop() }
        #expect(mode(fixture) == 0o666)
        let program = try fixture.open(direct: true, user: 1000)
        #expect(try program.bind(1).error == 0)
        #expect(try refused(fixture, 1001) == UInt32(EACCES))
        fixture.dock.admit(DockAdmission(users: [1001], sessionsPerUser: 1))
        #expect(try refused(fixture, 1000) == UInt32(EACCES))
        let other = try fixture.open(direct: true, user: 1001)
        #expect(try refused(fixture, 1001) == UInt32(EAGAIN))
        #expect(try other.bind(1).error == 0)
        fixture.dock.admit(.root)
        #expect(eventually { mode(fixture) == 0o600 })
    }

    @Test func `Without a fence that holds user 0 alone is served`() throws {
        for fence in [nil, TestFence("it does not hold")] {
            let fixture = try fixture(fence: fence)
            defer { fixture.stop() }
            #expect(mode(fixture) == 0o600)
            chmod(fixture.path + ".direct", 0o666)
            #expect(try refused(fixture, 1000) == UInt32(EACCES))
            _ = try fixture.open(direct: true)
        }
    }

    @Test func `A fence that is taken down serves nobody from then on`() throws {
        let fence = TestFence()
        let fixture = try fixture(fence: fence)
        defer { fixture.stop() }
        let program = try fixture.open(direct: true, user: 1000)
        let root = try fixture.open(direct: true, number: 8)
        #expect(try program.ask(1, order: 4).u32(SessionFrame.RingAnswer.error) == 0)
        fence.text = "gone"
        usleep(1_100_000)
        #expect(try program.ask(2, order: 4).u32(SessionFrame.RingAnswer.error) == UInt32(EACCES))
        #expect(try refused(fixture, 1000) == UInt32(EACCES))
        #expect(try root.ask(2, order: 4).u32(SessionFrame.RingAnswer.error) == 0)
        // It is not tried for every program.
        #expect(fence.tries <= 2)
        fence.text = nil
        usleep(1_100_000)
        #expect(try program.ask(2, order: 4).u32(SessionFrame.RingAnswer.error) == 0)
    }

    @Test func `Through a door comes who descends, whoever it is, but not as more than its parent`() throws {
        let fixture = try fixture(users: [1000])
        defer { fixture.stop() }
        let root = try fixture.open(direct: true)
        let worker = try fixture.door(of: root, user: 33)
        #expect(try worker.bind(1).error == 0)
        let user = try fixture.open(direct: true, user: 1000)
        #expect(try fixture.refusedAtDoor(of: user, user: 0) == UInt32(EACCES))
        let other = try fixture.door(of: user, user: 1001)
        #expect(try other.bind(1).error == 0)
    }

    @Test func `A socket is attached by its user, by user 0 and by those who descend from it`() throws {
        let fixture = try fixture()
        defer { fixture.stop() }
        let owner = try fixture.open(direct: true, user: 1000)
        let (end, _) = try owner.bind(3)
        defer { close(end) }
        let stranger = try fixture.open(direct: true, user: 1001)
        #expect(try stranger.attach(end, fixture) == UInt32(EACCES))
        // Nor are the pages got by a guess.
        try stranger.send(.ring, 3, [4, 0, UInt32(truncatingIfNeeded: owner.arena), UInt32(owner.arena >> 32)])
        #expect(try stranger.receive(.ring)?.u32(SessionFrame.RingAnswer.error) == UInt32(EINVAL))
        let same = try fixture.open(direct: true, user: 1000)
        let root = try fixture.open(direct: true, user: 0)
        for program in [same, root] { #expect(try program.attach(end, fixture) == 0) }
        let child = try fixture.door(of: owner, user: 1002)
        #expect(try child.attach(end, fixture) == 0)
        let grandchild = try fixture.door(of: child, user: 1003)
        #expect(try grandchild.attach(end, fixture) == 0)
        // One that attached a socket there hands the right on; one that came before does not get it.
        let guest = try fixture.door(of: stranger, user: 1004)
        #expect(try guest.attach(end, fixture) == UInt32(EACCES))
    }

    @Test func `Nobody has more pages than are left for the others`() throws {
        let fixture = try fixture(limit: 1000)
        defer { fixture.stop() }
        let greedy = try fixture.open(direct: true, user: 1000)
        var orders: [UInt32] = []
        for port in 1..<UInt32(60) {
            let answer = try greedy.ask(port, order: 6)
            if answer.u32(SessionFrame.RingAnswer.error) == UInt32(ENOBUFS) { break }
            orders.append(answer.u32(SessionFrame.RingAnswer.order))
        }
        #expect(orders.last == 4 && orders.first == 6)
        let used = fixture.device.xen.grants(of: DeviceFixture.guest).count
        #expect(used > 400 && used <= 520)
        let other = try fixture.open(direct: true, number: 8, user: 1001)
        #expect(try other.ask(1, order: 6).u32(SessionFrame.RingAnswer.error) == 0)
        let own = try fixture.open(number: 9)
        #expect(try own.ask(1, order: 7).u32(SessionFrame.RingAnswer.error) == 0)
    }

    @Test func `Pages that a program keeps are its user's still`() throws {
        let fixture = try fixture(limit: 600)
        defer { fixture.stop() }
        var kept: [UnsafeMutableRawPointer] = []
        var rounds = 0
        while rounds < 40 {
            let program = try fixture.open(direct: true, user: 1000)
            let ring = try program.ask(1, order: 4)
            guard ring.u32(SessionFrame.RingAnswer.error) == 0 else {
                #expect(ring.u32(SessionFrame.RingAnswer.error) == UInt32(ENOBUFS))
                program.dropMappings()
                program.hangUp()
                _ = try fixture.answer()
                break
            }
            // One page is enough to keep the file.
            let page = mmap(
                nil, 4096, PROT_READ, MAP_SHARED, ring.descriptors[0], off_t(ring.u64(SessionFrame.RingAnswer.offset)))
            kept.append(try #require(page))
            close(ring.descriptors[0])
            program.dropMappings()
            program.hangUp()
            _ = try fixture.answer()
            rounds += 1
        }
        #expect(rounds > 5 && rounds <= 300 / 17)
        for page in kept { munmap(page, 4096) }
        // The agent looks ten times a second.
        let program = try fixture.open(direct: true, user: 1000)
        #expect(eventually { (try? program.ask(1, order: 6).u32(SessionFrame.RingAnswer.order)) == 6 })
    }

    @Test func `A program that reads no answers keeps nobody waiting`() throws {
        let fixture = try fixture()
        defer { fixture.stop() }
        let parent = try fixture.open(direct: true, user: 1000)
        var shared: Int32 = -1
        let program = try fixture.door(of: parent, user: 1000) { shared = $0 }
        defer { close(shared) }
        // The open file is the agent's and this program's.
        #expect(fcntl(shared, F_SETFL, 0) == 0)
        var end: DockFixture.Answered?
        for _ in 0..<200 where end == nil {
            let frame: [UInt32] = [SessionFrame.Kind.ring.rawValue, 1, 99, 0, 0, 0]
            for _ in 0..<64 { _ = program.attempt(frame, Int32(MSG_DONTWAIT)) }
            end = try fixture.take(tries: 1)
        }
        let request = try #require(end)
        #expect(request.command == XenSession.Command.end.rawValue)
        fixture.respond(request, 0)
        let other = try fixture.open(direct: true, number: 9, user: 1001)
        #expect(try other.ask(1, order: 4).u32(SessionFrame.RingAnswer.error) == 0)
    }

    @Test func `Sessions are shared out, too`() throws {
        let fixture = try fixture(limit: 100_000, perUser: .max)
        defer { fixture.stop() }
        let programs = try (0..<132).map { _ in try DockProgram(path: fixture.path + ".direct", user: 1000) }
        // They are let in in this order.
        for program in programs[128...] { #expect(try program.receive(.hello)?.argument == UInt32(EAGAIN)) }
        for program in programs[..<128] {
            var entry = pollfd(fd: program.descriptor, events: Int16(POLLIN), revents: 0)
            #expect(poll(&entry, 1, 0) == 0)
        }
        _ = try fixture.open(direct: true, user: 1001)
    }

    @Test func `Many requests to attach at once do not fill the device's ring`() throws {
        let fixture = try fixture()
        defer { fixture.stop() }
        let program = try fixture.open(direct: true, user: 1000)
        let (end, _) = try program.bind(1)
        for _ in 0..<20 { try program.send(.attach, 0, [1, 0], end) }
        for _ in 0..<4 { #expect(try program.receive(.attach)?.argument == UInt32(ENOBUFS)) }
        for _ in 0..<16 { #expect(try fixture.answer()?.command == XenSession.Command.attach.rawValue) }
        #expect(try program.receive(.attach)?.argument == 0)
    }
}

@Suite struct SharesTests {
    @Test func `One user has half, two that take all they can a third each`() {
        var shares = Shares("things", total: 90)
        while shares.room(for: 1) > 0 { shares.take(1, 1) }
        #expect(shares.used(by: 1) == 45)
        #expect(shares.room(for: 2) == 22)
        shares.give(45, 1)
        while shares.room(for: 1) > 0 || shares.room(for: 2) > 0 {
            for user in [UInt32(1), 2] where shares.room(for: user) > 0 { shares.take(1, user) }
        }
        #expect(shares.used(by: 1) >= 28 && shares.used(by: 1) <= 32)
        #expect(shares.used(by: 2) >= 28 && shares.used(by: 2) <= 32)
        #expect(shares.room(for: nil) == 90 - shares.used)
    }

    @Test func `A shortage is told once in ten seconds, and to each user`() {
        var shares = Shares("things", total: 4)
        shares.take(2, 7)
        let second: UInt64 = 1_000_000_000
        #expect(shares.shortage(of: 7, now: 100 * second)?.contains("user 7 has 2 of 4 things") == true)
        #expect(shares.shortage(of: 7, now: 105 * second) == nil)
        #expect(shares.shortage(of: 8, now: 105 * second) != nil)
        #expect(shares.shortage(of: 7, now: 111 * second) != nil)
    }
}

/// Sessions that are over and do not go (DockTending.swift).
@Suite(.serialized) struct DockTendingTests {
    @Test func `An END without an answer is asked again, and bells are looked at without an event`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try fixture.open()
        let other = try fixture.open(number: 8)
        let (end, _) = try other.bind(4)
        defer { close(end) }
        program.hangUp()
        let first = try #require(try fixture.take())
        #expect(first.command == XenSession.Command.end.rawValue)
        // A look whose event a program has taken: only the bits stand.
        other.line(4, PlaceholderLine.looks).storeOrdered(9)
        other.setPending(4)
        let second = try #require(try fixture.take())
        #expect(second.command == first.command && second.id == first.id)
        #expect(eventually { other.line(4, PlaceholderLine.looked).load() == 9 })
        fixture.respond(second, -EAGAIN)
        fixture.respond(first, 0)
        let before = fixture.device.xen.grants(of: DeviceFixture.guest).count
        program.dropMappings()
        #expect(eventually { fixture.device.xen.grants(of: DeviceFixture.guest).count < before })
    }

    @Test func `A socket that its program calls free is hung up, and kept until the backend has no more of it`() throws
    {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try fixture.open()
        let (end, _) = try program.bind(4)
        defer { close(end) }
        let before = fixture.device.xen.grants(of: DeviceFixture.guest).count
        program.hangUp()
        #expect(try fixture.answer()?.command == XenSession.Command.end.rawValue)
        #expect(eventually { program.line(4, PlaceholderLine.hangup).load() == PlaceholderLine.Hangup.closed })
        #expect(fixture.device.xen.grants(of: DeviceFixture.guest).count == before)
        let again = try #require(try fixture.take())
        #expect(again.command == XenSession.Command.end.rawValue)
        program.dropMappings()
        fixture.respond(again, -ENOENT)
        #expect(eventually { fixture.device.xen.grants(of: DeviceFixture.guest).count < before })
    }

    @Test func `Whatever a backend answers is an errno`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try DockProgram(path: fixture.path)
        try program.send(.hello, 1, [64])
        #expect(try fixture.answer(.min)?.command == XenSession.Command.session.rawValue)
        #expect(try program.receive(.hello)?.argument == UInt32(EIO))
    }

    @Test func `A session that the backend does not know any more is freed with its sockets`() throws {
        let fixture = try DockFixture()
        defer { fixture.stop() }
        let program = try fixture.open()
        let (end, _) = try program.bind(4)
        SharedWord32(program.control!.base + Arena.statusOffset(port: 4) + StatusLine.state).store(3)
        program.hangUp()
        #expect(try fixture.answer()?.command == XenSession.Command.end.rawValue)
        close(end)
        let before = fixture.device.xen.grants(of: DeviceFixture.guest).count
        program.dropMappings()
        let again = try #require(try fixture.take())
        #expect(again.command == XenSession.Command.end.rawValue)
        fixture.respond(again, -ENOENT)
        #expect(eventually { fixture.device.xen.grants(of: DeviceFixture.guest).count < before })
    }
}
