import Glibc
import Testing
@testable import XenSockPVCalls
import XenSockXen

@Suite("bind(2), listen(2), accept(2), against Linux's backend")
struct ListeningTests {
    @Test("connections are accepted in order, ahead of the calls, one ACCEPT at a time")
    func accepts() throws {
        let lab = try Lab()
        let listener = try lab.listening()
        #expect(lab.accept(listener) == -EAGAIN)
        #expect(lab.poll(listener) == 0)
        var peers: [LinuxBackend.Peer] = []
        for number in 0..<10 {
            peers.append(lab.backend.arrive())
            peers[number].toGuest = [UInt8(number)]
            lab.settle()
        }
        #expect(lab.poll(listener) == POLLIN)
        for number in 0..<10 {
            let descriptor = lab.accept(listener)
            try #require(descriptor >= 0)
            lab.settle()
            #expect(lab.receive(descriptor).bytes == [UInt8(number)])
            #expect(lab.send(descriptor, [100 + UInt8(number)]) == 1)
            lab.settle()
            #expect(peers[number].fromGuest == [100 + UInt8(number)])
            lab.network.close(descriptor)
            lab.settle()
        }
        #expect(lab.accept(listener) == -EAGAIN)
        #expect(lab.backend.faults == [])
        #expect(!lab.backend.requests.contains { $0.command == 6 }, "a POLL beside an ACCEPT")
    }

    @Test("an ACCEPT that is one too many for a moment is sent again")
    func retriesBusyAccept() throws {
        let lab = try Lab()
        lab.backend.busyAccepts = 2
        let listener = try lab.listening()
        for _ in 0..<4 {
            lab.time += 3_000_000
            lab.fireTimer()
            lab.settle()
        }
        _ = lab.backend.arrive()
        lab.settle()
        #expect(lab.accept(listener) >= 0)
    }

    @Test("errors of BIND and LISTEN are the calls'")
    func reportsErrors() throws {
        let lab = try Lab()
        lab.backend.refusals[3] = -98
        let descriptor = lab.socket()
        #expect(lab.network.listen(descriptor, backlog: 5) == -EINVAL)
        #expect(lab.bind(descriptor) == -EADDRINUSE)
        lab.backend.refusals = [4: -524]
        #expect(lab.bind(descriptor) == 0)
        #expect(lab.bind(descriptor) == -EINVAL)
        #expect(lab.network.listen(descriptor, backlog: 5) == -EOPNOTSUPP)
        lab.settle()
        #expect(!lab.backend.requests.contains { $0.command == 5 }, "ACCEPT before LISTEN's success")
        lab.network.close(descriptor)
        lab.settle()
        #expect(lab.xen.grants(of: Lab.guest).count == 1)
    }

    @Test("slots of released listeners are counted, and listen(2) fails before the ring wedges")
    func countsLostSlots() throws {
        let lab = try Lab()
        for number in 0..<24 {
            let listener = try lab.listening(UInt16(7000 + number))
            lab.network.close(listener)
            lab.settle()
        }
        let listener = lab.socket()
        #expect(lab.bind(listener) == 0)
        #expect(lab.network.listen(listener, backlog: 5) == -ENOBUFS)
        #expect(lab.log.lines.contains { $0.contains("24 of the command ring's 32 slots") })
        // The rest of the ring serves connections on.
        let (descriptor, peer) = try lab.connected()
        #expect(lab.send(descriptor, [1]) == 1)
        lab.settle()
        #expect(peer.fromGuest == [1])
        var isAsked = false
        lab.network.renew = { isAsked = true }
        lab.network.close(descriptor)
        lab.network.close(listener)
        lab.settle()
        #expect(!isAsked)
        lab.time += 1_100_000_000
        lab.fireTimer()
        #expect(isAsked, "nothing uses the device")
        lab.connection.end()
        lab.backend.close()
        try lab.reconnect()
        _ = try lab.listening()
    }

    @Test("connections that nobody accepted are released with their listener")
    func releasesArrivals() throws {
        let lab = try Lab()
        let listener = try lab.listening()
        for _ in 0..<6 {
            _ = lab.backend.arrive()
            lab.settle()
        }
        lab.network.close(listener)
        lab.settle()
        #expect(lab.xen.mappedGrants(of: Lab.guest) == 1)
        #expect(lab.xen.grants(of: Lab.guest).count == 1)
        #expect(lab.xen.ports(of: Lab.guest).count == 1)
    }
}
