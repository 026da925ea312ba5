import Testing
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockBackend

extension ServiceTests {
    /// XenBus between the service and frontends that do what they should, and what they should not.
    @Suite struct XenDeviceTests {
        let fixture: XenFixture
        var xen: SimulatedXen { fixture.xen }

        init() throws { fixture = try XenFixture() }

        @Test func aDeviceIsPublishedBeforeItsFrontendLooks() throws {
            defer { fixture.stop() }
            let guest = try fixture.add(5)
            #expect(guest.awaitBackend(.initWait))
            #expect(fixture.node(guest, "versions") == "1")
            #expect(fixture.node(guest, "max-page-order") == "8")
            #expect(fixture.node(guest, "function-calls") == "1")
        }

        @Test func aDeviceIsServedFromConnectedToClosed() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            #expect(xen.mappings(by: .control) == 1)
            #expect(try guest.call(.poll(id: 9)) == -22)
            try guest.set(.closing)
            #expect(guest.awaitBackend(.closing))
            #expect(xen.mappings(by: .control) == 0)
            #expect(xen.boundPorts(of: .control) == [])
            try guest.set(.closed)
            #expect(guest.awaitBackend(.closed))
        }

        @Test(arguments: [XenBusState.closed, .unknown]) func aFrontendGoesWithoutAGoodbye(_ state: XenBusState) throws
        {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            try guest.set(state)
            #expect(guest.awaitBackend(.closed))
            #expect(fixture.holdsNothing())
        }

        @Test func aFrontendConnectsAgainAfterClosing() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            for _ in 0..<3 {
                try guest.set(.closing)
                #expect(guest.awaitBackend(.closing))
                try guest.set(.closed)
                #expect(guest.awaitBackend(.closed))
                try guest.leave()
                try guest.set(.initialising)
                try guest.connect()
                #expect(try guest.call(.release(id: 1, reuse: false)) == 0)
            }
        }

        @Test func aFrontendThatBeginsAgainAtOnceIsServedAfresh() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            try guest.leave()
            try guest.set(.initialising)
            try guest.connect()
            #expect(try guest.call(.release(id: 1, reuse: false)) == 0)
            #expect(xen.mappings(by: .control) == 1)
        }

        @Test func aFrontendWhoseRestartWasNotSeenIsServedAfresh() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            try guest.leave()
            try guest.offer()
            #expect(try guest.call(.release(id: 1, reuse: false)) == 0)
            #expect(guest.state() == "4")
            #expect(eventually { xen.mappings(by: .control) == 1 })
        }

        @Test func aDomainDiesInTheMiddle() throws {
            defer { fixture.stop() }
            let server = try Peer.listening()
            let guest = try fixture.guest(5)
            let other = try fixture.guest(6)
            #expect(try guest.connect(1, to: server.address) == 0)
            xen.destroyDomain(5, keepingNodes: true)
            #expect(eventually { xen.mappedGrants(of: 5) == 0 })
            #expect(eventually { fixture.node(guest, "state") == "6" })
            #expect(try other.call(.release(id: 1, reuse: false)) == 0)
        }

        @Test func aDirectoryVanishesAndComesAgain() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            xen.destroyDomain(5)
            #expect(fixture.holdsNothing())
            #expect(fixture.node(guest, "state") == nil)
            let next = try fixture.guest(5)
            #expect(try next.call(.release(id: 1, reuse: false)) == 0)
        }

        @Test func theToolstackTakesADeviceAway() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            let toolstack = try xen.platform(domain: .control).store()
            try toolstack.write("\(guest.backend)/online", "0")
            try toolstack.write("\(guest.backend)/state", "5")
            #expect(fixture.holdsNothing())
            #expect(guest.awaitBackend(.closing))
            try guest.set(.closed)
            #expect(guest.awaitBackend(.closed))
            // It stays closed.
            try guest.set(.initialising)
            #expect(!eventually(within: 0.3) { guest.state() != "6" })
            try toolstack.remove(guest.backend)
            #expect(!eventually(within: 0.3) { fixture.node(guest, "state") != nil })
        }

        @Test func aFrontendThatDoesNotCloseIsNotWaitedFor() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            let toolstack = try xen.platform(domain: .control).store()
            try toolstack.write("\(guest.backend)/online", "0")
            #expect(guest.awaitBackend(.closing))
            #expect(eventually { guest.state() == "6" })
        }

        @Test func aServiceThatStopsClosesEveryDevice() throws {
            let guest = try fixture.guest(5)
            let waiting = try fixture.add(6)
            #expect(waiting.awaitBackend(.initWait))
            fixture.stop()
            #expect(xen.mappings(by: .control) == 0)
            #expect(guest.state() == "6")
            // What it published still stands, for a frontend that comes before the next service.
            #expect(waiting.state() == "2")
            try waiting.offer()
            try fixture.start()
            defer { fixture.stop() }
            #expect(waiting.awaitBackend(.connected))
            try guest.leave()
            try guest.set(.initialising)
            try guest.connect()
        }

        @Test func aServiceThatWasKilledIsFollowedByAnother() throws {
            let guest = try fixture.guest(5)
            fixture.kill()
            try fixture.start()
            defer { fixture.stop() }
            #expect(guest.awaitBackend(.closing))
            try guest.set(.closed)
            #expect(guest.awaitBackend(.closed))
            try guest.leave()
            try guest.set(.initialising)
            try guest.connect()
            #expect(try guest.call(.release(id: 1, reuse: false)) == 0)
        }

        @Test(arguments: [
            ["version": "2"], ["version": ""], ["ring-ref": "99999"], ["ring-ref": "x"], ["ring-ref": "-1"],
            ["port": "4000"], ["port": ""], ["port": "4294967296"],
        ])
        func anOfferThatCannotBeTakenIsRefused(_ nodes: [String: String]) throws {
            defer { fixture.stop() }
            let guest = try fixture.add(5)
            #expect(guest.awaitBackend(.initWait))
            try guest.offer(nodes)
            #expect(guest.awaitBackend(.closing))
            #expect(fixture.node(guest, "error")?.isEmpty == false)
            #expect(fixture.holdsNothing())
            // And may be made again.
            try guest.set(.closed)
            #expect(guest.awaitBackend(.closed))
            try guest.set(.initialising)
            try guest.connect()
            #expect(fixture.node(guest, "error") == nil)
        }

        @Test func anOfferThatWasRefusedIsNotTriedAgain() throws {
            defer { fixture.stop() }
            let guest = try fixture.add(5)
            #expect(guest.awaitBackend(.initWait))
            try guest.offer(["ring-ref": "99999"])
            #expect(guest.awaitBackend(.closed))
            #expect(!eventually(within: 0.3) { guest.state() != "6" })
        }

        @Test func oneGuestHasSeveralDevices() throws {
            defer { fixture.stop() }
            let first = try fixture.guest(5)
            let second = try fixture.add(5, device: 3)
            try second.connect()
            #expect(try second.call(.release(id: 1, reuse: false)) == 0)
            try second.set(.closing)
            #expect(second.awaitBackend(.closing))
            #expect(try first.call(.release(id: 1, reuse: false)) == 0)
        }

        @Test func aDeviceMadePieceByPieceIsFound() throws {
            defer { fixture.stop() }
            let toolstack = try xen.platform(domain: .control).store()
            xen.createDomain(7)
            let guest = try GuestFrontend(xen, 7)
            for (path, owner, reader) in [(guest.path, DomainID(7), DomainID(0)), (guest.backend, 0, 7)] {
                try toolstack.makeDirectory(path)
                try toolstack.setPermissions(path, owner: owner, readers: [reader])
            }
            try toolstack.write("\(guest.backend)/state", "1")
            try toolstack.write("\(guest.backend)/frontend", guest.path)
            try toolstack.write("\(guest.backend)/frontend-id", "7")
            #expect(guest.awaitBackend(.initWait))
            try toolstack.write("\(guest.path)/state", "1")
            try guest.connect()
        }

        @Test func aDirectoryOfAnotherDomainIsNoDevice() throws {
            defer { fixture.stop() }
            let toolstack = try xen.platform(domain: .control).store()
            xen.createDomain(7)
            xen.createDomain(8)
            let guest = try GuestFrontend(xen, 7)
            try toolstack.write("\(guest.backend)/state", "1")
            try toolstack.write("\(guest.backend)/frontend", "/local/domain/8/device/pvcalls/0")
            try toolstack.write("\(guest.backend)/frontend-id", "7")
            #expect(!eventually(within: 0.3) { fixture.node(guest, "state") != "1" })
        }

        @Test func aGuestThatChangesItsStateWithoutEndDoesNotStopAnother() throws {
            defer { fixture.stop() }
            let hostile = try fixture.guest(5)
            let other = try fixture.guest(6)
            for round in 0..<2000 {
                try hostile.store.write("\(hostile.path)/state", "\(round % 12)")
                if round % 100 == 0 { #expect(try other.call(.release(id: 1, reuse: false)) == 0) }
            }
            try hostile.set(.closed)
            #expect(eventually(within: 6) { hostile.state() == "6" })
            #expect(xen.mappedGrants(of: 5) == 0)
        }
    }
}
