import Glibc
import Testing
@testable import XenSockPVCalls
import XenSockXen

@Suite("connect(2) and the stream, against Linux's backend")
struct ConnectingTests {
    @Test("bytes go both ways, and the end comes behind them")
    func carriesBytes() throws {
        let lab = try Lab()
        let (descriptor, peer) = try lab.connected()
        #expect(lab.send(descriptor, Array("hello".utf8)) == 5)
        peer.toGuest = Array("welcome".utf8)
        peer.hasFinished = true
        lab.settle()
        #expect(peer.fromGuest == Array("hello".utf8))
        #expect(lab.receive(descriptor).bytes == Array("welcome".utf8))
        #expect(lab.receive(descriptor).result == 0)
        #expect(lab.receive(descriptor).result == 0, "and again")
        #expect(lab.poll(descriptor) & (POLLIN | 0x2000 | POLLERR) == POLLIN | 0x2000)
    }

    @Test("ten times the ring in both directions arrive whole", arguments: [1, 2, 4] as [UInt32])
    func wrapsAround(order: UInt32) throws {
        let lab = try Lab(order: order)
        lab.backend.losesMaskedChannels = false
        let (descriptor, peer) = try lab.connected()
        let total = 10 * (2048 << Int(order)) + 12_345
        let row = (0..<total).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        peer.toGuest = row
        var (sent, got): (Int, [UInt8]) = (0, [])
        for step in 0..<4000 where sent < total || got.count < total {
            let count = lab.send(descriptor, Array(row[sent..<min(total, sent + 5000)]))
            if count > 0 { sent += count }
            if sent < total, count < 5000 { #expect(count >= 0 || count == -Int(EAGAIN)) }
            got += lab.receive(descriptor, 1000 + step * 37 % 9000).bytes
            lab.settle()
        }
        #expect(got == row)
        #expect(peer.fromGuest == row)
        #expect(lab.backend.vainEvents == 0, "an event that finds nothing slows the channel down")
    }

    @Test("the backend is told of room when it waits for it, and at no other time")
    func tellsOfRoomSparingly() throws {
        let lab = try Lab()
        let (descriptor, peer) = try lab.connected()
        for _ in 0..<100 {
            peer.toGuest = [UInt8](repeating: 7, count: 3000)
            lab.settle()
            #expect(lab.receive(descriptor).result == 3000)
            lab.settle()
        }
        #expect(lab.backend.vainEvents == 0)
        // Had an event come with nothing in `out`, this would not be seen any more, up to Linux 6.1.
        #expect(lab.send(descriptor, [1, 2, 3]) == 3)
        lab.settle()
        #expect(peer.fromGuest == [1, 2, 3])
    }

    @Test("messages that are a part of the ring's size do not look like a ring that was filled")
    func knowsRoundMessages() throws {
        let lab = try Lab()
        let (descriptor, peer) = try lab.connected()
        for _ in 0..<20 {
            peer.toGuest = [UInt8](repeating: 7, count: 16_384)
            lab.settle()
            #expect(lab.receive(descriptor).result == 16_384)
            lab.settle()
        }
        #expect(lab.backend.vainEvents == 0)
    }

    @Test("bytes published behind others have no event of their own, but are told of if they stay")
    func tellsOfBytesSparingly() throws {
        let lab = try Lab()
        let (descriptor, peer) = try lab.connected()
        for byte in 0..<10 { #expect(lab.send(descriptor, [UInt8(byte)]) == 1) }
        lab.settle()
        #expect(peer.fromGuest.count == 10)
        #expect(lab.backend.vainEvents == 0)
        peer.room = 1
        #expect(lab.send(descriptor, [1, 2]) == 2)
        lab.settle()
        peer.room = Int.max
        #expect(lab.send(descriptor, [3]) == 1)
        lab.settle()
        #expect(peer.fromGuest.count == 11, "as if both had looked too early")
        lab.time += 21_000_000
        lab.fireTimer()
        lab.settle()
        #expect(peer.fromGuest.suffix(3) == [1, 2, 3])
    }

    @Test("what the backend filled by an older index is continued")
    func continuesAfterAnOldIndex() throws {
        let lab = try Lab()
        lab.backend.losesMaskedChannels = false
        let (descriptor, peer) = try lab.connected()
        peer.toGuest = [UInt8](repeating: 1, count: 100_000)
        lab.settle()
        var got = 0
        for _ in 0..<1000 where got < 100_000 {
            // Never all of it at once.
            got += max(0, lab.receive(descriptor, 700).result)
            lab.settle()
        }
        #expect(got == 100_000)
    }

    @Test("a refused connect is SO_ERROR, and the next one may succeed")
    func reportsRefusal() throws {
        let lab = try Lab()
        lab.backend.connectAnswer = -111
        let descriptor = lab.socket()
        #expect(lab.connect(descriptor) == -EINPROGRESS)
        #expect(lab.connect(descriptor) == -EALREADY)
        lab.settle()
        #expect(lab.poll(descriptor) & POLLERR != 0)
        #expect(lab.error(descriptor) == ECONNREFUSED)
        #expect(lab.error(descriptor) == 0)
        lab.backend.connectAnswer = 0
        #expect(lab.connect(descriptor) == -EINPROGRESS)
        lab.settle()
        #expect(lab.error(descriptor) == 0)
        #expect(lab.connect(descriptor) == -EISCONN)
    }

    @Test("a connect that hangs holds up no call for long, and those behind it wait outside")
    func survivesHangingConnect() throws {
        let lab = try Lab()
        lab.backend.connectAnswer = -1000
        let first = lab.socket()
        lab.settle()
        #expect(lab.connect(first) == -EINPROGRESS)
        lab.settle()
        let second = lab.socket()
        #expect(lab.connect(second) == -EINPROGRESS)
        let listener = lab.socket()
        let begun = lab.time
        #expect(lab.bind(listener) == -ETIMEDOUT)
        #expect(lab.time - begun < 1_100_000_000)
        let after = lab.time
        #expect(lab.network.listen(listener, backlog: 5) == -EINVAL, "it is not bound yet")
        #expect(lab.bind(lab.socket(), Lab.address(7001, host: 0)) == -ETIMEDOUT)
        #expect(lab.time - after < 100_000_000, "who has waited once need not wait again")
        lab.network.close(second)
        // The first is decided; the second was never sent.
        lab.backend.connectAnswer = -110
        lab.backend.connectHangs = false
        lab.settle()
        #expect(lab.error(first) == ETIMEDOUT)
        #expect(lab.backend.requests.count { $0.command == 1 } == 1)
        #expect(lab.bind(listener) == 0, "the late answer was a success")
        #expect(lab.network.listen(listener, backlog: 5) == 0)
    }

    @Test("a backend that answers others during a connect gets several")
    func connectsAside() throws {
        let lab = try Lab()
        let descriptors = (0..<3).map { _ in lab.socket() }
        for descriptor in descriptors { #expect(lab.connect(descriptor) == -EINPROGRESS) }
        lab.settle()
        for descriptor in descriptors { #expect(lab.error(descriptor) == 0 && lab.poll(descriptor) == POLLOUT) }
    }

    @Test("an error of sending is told once, then EPIPE, and what was not sent is taken back")
    func reportsSendingError() throws {
        let lab = try Lab()
        let (descriptor, peer) = try lab.connected()
        peer.sendError = -104
        #expect(lab.send(descriptor, [1]) == 1)
        lab.settle()
        // Linux's backend would try for ever.
        #expect(lab.backend.vainEvents == 0)
        #expect(lab.poll(descriptor) & POLLERR != 0)
        #expect(lab.send(descriptor, [2]) == -Int(ECONNRESET))
        #expect(lab.send(descriptor, [2]) == -Int(EPIPE))
    }

    @Test("a reset that the backend reports comes behind the bytes, once")
    func reportsReset() throws {
        let lab = try Lab()
        let (descriptor, peer) = try lab.connected()
        peer.toGuest = [9, 9]
        peer.isReset = true
        lab.settle()
        #expect(lab.receive(descriptor).bytes == [9, 9])
        #expect(lab.receive(descriptor).result == -Int(ECONNRESET))
        #expect(lab.receive(descriptor).result == 0)
    }

    @Test("what the dialect lacks fails")
    func refusesTheRest() throws {
        let lab = try Lab()
        #expect(lab.network.socket(domain: 10, type: 1, protocolNumber: 0) == -EAFNOSUPPORT)
        #expect(lab.network.socket(domain: AF_INET, type: 2, protocolNumber: 0) == -ESOCKTNOSUPPORT)
        #expect(lab.network.socket(domain: AF_INET, type: 1, protocolNumber: 132) == -EPROTONOSUPPORT)
        let (descriptor, _) = try lab.connected()
        #expect(lab.network.shutdown(descriptor, how: 1) == -EOPNOTSUPP)
        #expect(lab.network.sendUrgent(descriptor, byte: 1) == -Int(EOPNOTSUPP))
        let (on, off): (Int32, Int32) = (1, 0)
        let set = { (level: Int32, name: Int32, value: Int32) in
            withUnsafeBytes(of: value) { lab.network.setsockopt(descriptor, level: level, name: name, value: $0) }
        }
        #expect(set(SOL_SOCKET, SO_REUSEADDR, on) == 0)
        #expect(set(SOL_SOCKET, SO_REUSEADDR, off) == -ENOPROTOOPT)
        #expect(set(SOL_SOCKET, SO_KEEPALIVE, on) == -ENOPROTOOPT)
        #expect(set(SOL_SOCKET, SO_LINGER, on) == -ENOPROTOOPT)
        #expect(set(6, 1, on) == 0)
        let bound = lab.socket()
        #expect(lab.bind(bound) == 0)
        #expect(lab.connect(bound) == -EOPNOTSUPP, "Linux's backend would connect another socket")
        #expect(lab.backend.faults == [])
    }
}
