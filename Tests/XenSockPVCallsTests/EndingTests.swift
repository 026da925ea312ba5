import Glibc
import Testing
@testable import XenSockPVCalls
import XenSockXen

@Suite("the ends of sockets and of the device")
struct EndingTests {
    @Test("RELEASE waits until the backend has taken `out`, and then everything is given back")
    func drains() throws {
        let lab = try Lab()
        let (descriptor, peer) = try lab.connected()
        peer.room = 0
        #expect(lab.send(descriptor, [UInt8](repeating: 3, count: 1000)) == 1000)
        lab.network.close(descriptor)
        lab.settle()
        #expect(!lab.backend.requests.contains { $0.command == 2 })
        peer.room = 400
        lab.backend.takeMore()
        lab.settle()
        #expect(!lab.backend.requests.contains { $0.command == 2 })
        peer.room = Int.max
        lab.backend.takeMore()
        lab.settle()
        #expect(peer.fromGuest.count == 1000)
        #expect(lab.backend.requests.contains { $0.command == 2 })
        #expect(lab.xen.grants(of: Lab.guest).count == 1)
        #expect(lab.xen.ports(of: Lab.guest).count == 1)
    }

    @Test("a peer that takes nothing is given up after a minute")
    func givesUp() throws {
        let lab = try Lab()
        let (descriptor, peer) = try lab.connected()
        peer.room = 0
        #expect(lab.send(descriptor, [1]) == 1)
        lab.network.close(descriptor)
        lab.settle()
        lab.time += 59_000_000_000
        lab.fireTimer()
        lab.settle()
        #expect(!lab.backend.requests.contains { $0.command == 2 })
        lab.time += 2_000_000_000
        lab.fireTimer()
        lab.settle()
        #expect(lab.backend.requests.contains { $0.command == 2 })
    }

    @Test("a socket that is to be reset is released within a second")
    func aborts() throws {
        let lab = try Lab()
        let (descriptor, peer) = try lab.connected()
        peer.room = 0
        #expect(lab.send(descriptor, [1]) == 1)
        lab.network.prepareAbort(descriptor)
        lab.network.close(descriptor)
        lab.settle()
        lab.time += 1_100_000_000
        lab.fireTimer()
        lab.settle()
        #expect(lab.backend.requests.contains { $0.command == 2 })
    }

    @Test("a socket closed while it connects is released when that is decided", arguments: [0, -111] as [Int32])
    func releasesLateConnects(answer: Int32) throws {
        let lab = try Lab()
        lab.backend.connectAnswer = -1000
        let descriptor = lab.socket()
        #expect(lab.connect(descriptor) == -EINPROGRESS)
        lab.settle()
        lab.network.close(descriptor)
        lab.settle()
        #expect(lab.xen.grants(of: Lab.guest).count > 1, "the backend may still map them")
        lab.backend.connectAnswer = answer
        lab.backend.connectHangs = false
        lab.settle()
        #expect(lab.backend.requests.last?.command == 2)
        #expect(lab.xen.grants(of: Lab.guest).count == 1)
    }

    @Test("the device's end is every connection's, as the protocol says, and a new one serves new sockets")
    func losesTheDevice() throws {
        let lab = try Lab()
        let (descriptor, peer) = try lab.connected()
        let listener = try lab.listening()
        let fresh = lab.socket()
        lab.settle()
        lab.backend.connectAnswer = -1000
        let connecting = lab.socket()
        #expect(lab.connect(connecting) == -EINPROGRESS)
        peer.toGuest = [5]
        lab.settle()
        lab.connection.end()
        lab.backend.close()
        #expect(lab.receive(descriptor).bytes == [5])
        #expect(lab.receive(descriptor).result == -Int(ECONNRESET))
        #expect(lab.receive(descriptor).result == 0)
        #expect(lab.send(descriptor, [1]) == -Int(ECONNRESET))
        #expect(lab.send(descriptor, [1]) == -Int(EPIPE))
        #expect(lab.error(connecting) == ENETDOWN)
        #expect(lab.accept(listener) == -EAGAIN, "it waits for another device")
        #expect(lab.connect(fresh) == -ENETDOWN)
        for lost in [descriptor, connecting] {
            #expect(lab.network.completed(lost, events: 0) & UInt32(POLLHUP) != 0)
        }
        #expect(lab.socket() == -ENETDOWN)
        for lost in [descriptor, listener, connecting, fresh] { lab.network.close(lost) }
        try lab.reconnect()
        let (again, other) = try lab.connected()
        #expect(lab.send(again, [6]) == 1)
        lab.settle()
        #expect(other.fromGuest == [6])
    }

    @Test("a backend that answers what it was not asked loses the device")
    func closesOnViolation() throws {
        let lab = try Lab()
        let (descriptor, _) = try lab.connected()
        lab.backend.answer([77, 1, 0, 0], 0)
        lab.settle()
        #expect(lab.connection.violations.count == 1)
        #expect(lab.receive(descriptor).result == -Int(ECONNRESET))
        #expect(!lab.network.isConnected)
    }

    @Test("and so does one that claims more answers than there were requests")
    func boundsAnswers() throws {
        let lab = try Lab()
        _ = try lab.connected()
        lab.backend.corruptResponses(0x8000_0000)
        lab.settle()
        #expect(lab.connection.violations.count == 1)
    }

    @Test("an index beyond the ring ends that socket only", arguments: [4, 64])
    func boundsIndexes(offset: Int) throws {
        let lab = try Lab()
        let (healthy, peer) = try lab.connected()
        let (descriptor, _) = try lab.connected()
        lab.backend.corrupt(offset, 0x7fff_0000)
        lab.connection.handle()
        #expect(lab.poll(descriptor) & POLLERR != 0)
        #expect((offset == 4 ? lab.receive(descriptor).result : lab.send(descriptor, [1])) == -Int(EIO))
        #expect(lab.receive(descriptor).result == -Int(EIO))
        #expect(lab.send(healthy, [1]) == 1)
        lab.backend.run()
        #expect(peer.fromGuest == [1])
    }

    @Test("short of pages, smaller rings are made; then the limit is named once")
    func livesWithFewPages() throws {
        let lab = try Lab { xen in
            xen.setLimits(of: Lab.guest) {
                $0.grantAllocations = 30
                $0.mayRaiseGrantAllocations = false
            }
        }
        let (first, _) = try lab.connected()
        let (second, peer) = try lab.connected()
        #expect(lab.send(second, [UInt8](repeating: 0, count: 40_000)) == 16_384)
        lab.settle()
        #expect(peer.fromGuest.count == 16_384)
        // 1 + 17 + 9 pages are granted; the smallest ring has 3.
        _ = try lab.connected()
        let fourth = lab.socket()
        #expect(lab.connect(fourth) == -ENOBUFS)
        #expect(lab.connect(fourth) == -ENOBUFS)
        let lines = lab.log.lines.filter { $0.contains("xen_gntalloc") }
        #expect(lines.count == 1)
        lab.network.close(first)
        lab.settle()
        #expect(lab.connect(fourth) == -EINPROGRESS)
    }

    @Test("the limit is raised where that is allowed")
    func raisesTheLimit() throws {
        let lab = try Lab { xen in xen.setLimits(of: Lab.guest) { $0.grantAllocations = 30 } }
        for _ in 0..<10 { _ = try lab.connected() }
        #expect(lab.xen.grants(of: Lab.guest).count == 171)
    }
}
