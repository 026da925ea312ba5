import Glibc
import Testing
@testable import XenSockPVCalls
import XenSockXen

@Suite("sockets without a peer, when the device is gone and another is there")
struct ReturningTests {
    private func lose(_ lab: Lab) {
        lab.connection.end()
        lab.backend.close()
    }

    private func wait(_ lab: Lab, _ nanoseconds: UInt64) {
        lab.time += nanoseconds
        lab.fireTimer()
        lab.settle()
    }

    @Test("a listener is made again at its port, and shows nothing meanwhile")
    func makesListenersAgain() throws {
        let lab = try Lab()
        let listener = try lab.listening()
        let arrived = lab.backend.arrive()
        _ = arrived
        lab.settle()
        #expect(lab.poll(listener) == POLLIN)
        lose(lab)
        #expect(lab.poll(listener) == 0)
        #expect(lab.network.completed(listener, events: 0) == 0)
        #expect(lab.accept(listener) == -EAGAIN)
        #expect(lab.network.listen(listener, backlog: 7) == 0)
        try lab.reconnect()
        lab.settle()
        #expect(lab.backend.requests.map(\.command) == [0, 3, 4, 5])
        #expect(lab.accept(listener) == -EAGAIN, "what had come to the device before is lost")
        let peer = lab.backend.arrive()
        peer.toGuest = [9]
        lab.settle()
        let descriptor = lab.accept(listener)
        try #require(descriptor >= 0)
        lab.settle()
        #expect(lab.receive(descriptor).bytes == [9])
        #expect(lab.backend.faults == [])
        #expect(lab.network.listen(listener, backlog: 7) == 0)
    }

    @Test("a socket that is bound, and one that is nothing yet, can be used again; the listeners come first")
    func makesOthersAgain() throws {
        let lab = try Lab()
        let (fresh, bound) = (lab.socket(), lab.socket())
        #expect(lab.bind(bound, Lab.address(7001, host: 0)) == 0)
        _ = try lab.listening()
        lab.settle()
        lose(lab)
        #expect(lab.connect(fresh) == -ENETDOWN)
        try lab.reconnect()
        lab.settle()
        #expect(lab.backend.requests.map(\.id).prefix(2) == [3, 3])
        #expect(lab.network.listen(bound, backlog: 5) == 0)
        #expect(lab.connect(fresh) == -EINPROGRESS)
        lab.settle()
        #expect(lab.error(fresh) == 0)
    }

    @Test("a device that is gone again meanwhile makes no difference")
    func survivesTwoLosses() throws {
        let lab = try Lab()
        let listener = try lab.listening()
        lose(lab)
        try lab.reconnect()
        lose(lab)
        try lab.reconnect()
        lab.settle()
        _ = lab.backend.arrive()
        lab.settle()
        #expect(lab.accept(listener) >= 0)
    }

    @Test("an address that is in use is asked for at growing intervals, and had when it is free")
    func asksAgain() throws {
        let lab = try Lab()
        let listener = try lab.listening()
        lose(lab)
        try lab.reconnect()
        lab.backend.refusals[3] = -EADDRINUSE
        lab.settle()
        for _ in 0..<100 { wait(lab, 100_000_000) }
        let asked = lab.backend.requests.count { $0.command == 3 }
        #expect((10...20).contains(asked), "\(asked) times in ten seconds")
        #expect(lab.accept(listener) == -EAGAIN)
        lab.backend.refusals = [:]
        wait(lab, 1_000_000_000)
        _ = lab.backend.arrive()
        lab.settle()
        #expect(lab.accept(listener) >= 0)
        #expect(lab.log.lines.count { $0.contains("port 7000 cannot be made again for now") } == 1)
    }

    @Test("an address that stays in use, or is forbidden, ends the listener", arguments: [3, 4] as [UInt32])
    func givesUp(command: UInt32) throws {
        for error in [EADDRINUSE, EACCES] {
            let lab = try Lab()
            let listener = try lab.listening()
            lose(lab)
            try lab.reconnect()
            lab.backend.refusals[command] = -error
            lab.settle()
            if error == EADDRINUSE {
                #expect(lab.accept(listener) == -EAGAIN)
                for _ in 0..<72 { wait(lab, 1_000_000_000) }
            }
            #expect(lab.accept(listener) == -ENETDOWN)
            #expect(lab.poll(listener) & POLLHUP != 0)
            #expect(lab.backend.requests.last?.command == 2, "the backend keeps nothing of it")
            #expect(lab.log.lines.contains { $0.contains("port 7000 cannot be made again, and is lost") })
            lab.network.close(listener)
        }
    }

    @Test("a listener that is closed meanwhile is not made again, and one that is being made is released")
    func forgetsClosed() throws {
        let lab = try Lab()
        let (listener, other) = (try lab.listening(), try lab.listening(7001))
        lose(lab)
        lab.network.close(listener)
        try lab.reconnect()
        lab.network.close(other)
        lab.settle()
        #expect(lab.backend.requests.map(\.command) == [0, 3, 2])
        #expect(lab.xen.grants(of: Lab.guest).count == 1, "only the command ring's page is left")
    }

    @Test("a port that only the backend knows cannot be had again")
    func endsUnknownPorts() throws {
        let lab = try Lab()
        let listener = try lab.listening(0)
        lose(lab)
        #expect(lab.accept(listener) == -ENETDOWN)
    }
}
