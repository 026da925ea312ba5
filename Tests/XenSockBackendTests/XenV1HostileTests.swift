import Glibc
import Testing
import XenSockRing
import XenSockTestSupport
import XenSockWire
import XenSockXen

@testable import XenSockBackend

extension ServiceTests {
    /// A guest that writes garbage everywhere. Another is served all the while, and nothing is left.
    @Suite struct XenV1HostileTests {
        @Test(arguments: 1...4) func garbageCostsOnlyTheGuestThatWritesIt(_ seed: UInt64) throws {
            let fixture = try XenFixture { $0.closingLimit = 50_000_000 }
            defer { fixture.stop() }
            let server = try Peer.listening(backlog: 4096)
            let hostile = try fixture.guest(5)
            let other = try fixture.guest(6)
            #expect(try other.connect(1, to: server.address) == 0)
            let peer = try server.accept()
            var random = SeededGenerator(seed: seed)
            for round in 0..<400 {
                try attack(hostile, server.address, &random)
                if round % 20 == 0 {
                    try other.send(1, [UInt8(truncatingIfNeeded: round)])
                    #expect(peer.read(1).bytes == [UInt8(truncatingIfNeeded: round)])
                }
            }
            try hostile.set(.closed)
            #expect(eventually(within: 8) { hostile.state() == "6" })
            #expect(eventually { fixture.xen.mappedGrants(of: 5) == 0 })
            #expect(eventually { fixture.xen.boundPorts(of: 5).isEmpty })
            // It may come back, and is then a guest as any other.
            try hostile.leave()
            try hostile.set(.initialising)
            try hostile.connect()
            #expect(try hostile.connect(1, to: server.address) == 0)
        }

        private func attack(_ guest: GuestFrontend, _ address: SocketAddress, _ random: inout SeededGenerator) throws {
            let word = UInt32.random(in: 0...UInt32.max, using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0:
                SharedWord32(guest.page.base + Int(word % 1024) * 4).store(word &* 31)
                guest.ringBell()
            case 1, 2, 3:
                request(guest, &random)
            case 4:
                let states: [XenBusState] = [
                    .unknown, .initialising, .initWait, .initialised, .connected, .closing, .closed,
                ]
                try guest.set(states[Int(word % 7)])
            case 5:
                try guest.store.write("\(guest.path)/\(["ring-ref", "port", "version"][Int(word % 3)])", "\(word % 40)")
            case 6:
                try guest.store.write("\(guest.path)/state", ["", "x", "99999999999", "4", "3"][Int(word % 5)])
            case 7:
                if let page = guest.indexPages.randomElement(using: &random) {
                    SharedWord32(page + Int(word % 40) * 4).store(word &* 17)
                }
                for port in guest.ports { guest.channels.notify(port) }
            case 8:
                try guest.leave()
                try guest.set(.initialising)
                if eventually(within: 0.1, { guest.state() == "2" }) { try? guest.offer() }
            default:
                honest(guest, address, &random)
            }
        }

        /// A request of random content, which nobody waits for.
        private func request(_ guest: GuestFrontend, _ random: inout SeededGenerator) {
            let slot = guest.ring.nextRequest()
            for index in 0..<16 { SharedWord32(slot + 4 * index).store(UInt32.random(in: 0...64, using: &random)) }
            SharedWord32(slot + 4).store(UInt32.random(in: 0...8, using: &random))
            SharedWord32(slot + 8).store(UInt32.random(in: 0...6, using: &random))
            SharedWord32(slot + 12).store(0)
            if guest.ring.push() { guest.ringBell() }
            while (try? guest.ring.nextResponse()) != nil { guest.ring.consumeResponse() }
        }

        /// A good CONNECT whose answer nobody waits for.
        private func honest(_ guest: GuestFrontend, _ address: SocketAddress, _ random: inout SeededGenerator) {
            let id = SocketID(UInt64.random(in: 0...6, using: &random))
            guard let request = try? guest.connectRequest(id, to: address) else { return }
            _ = try? guest.post(request)
            while (try? guest.ring.nextResponse()) != nil { guest.ring.consumeResponse() }
        }
    }
}
