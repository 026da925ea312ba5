import Testing
import XenSockWire
import XenSockXen

@testable import XenSockBackend

extension ServiceTests {
    /// A service outside of the control domain: XenStore shows it the devices that are its own, and nothing of their guests.
    @Suite struct XenDriverDomainTests {
        let fixture: XenFixture
        let control: any XenStore
        var xen: SimulatedXen { fixture.xen }

        init() throws {
            fixture = try XenFixture(in: 3)
            control = try fixture.xen.platform(domain: .control).store()
        }

        /// What `xl destroy` does first, of which nobody sees a part.
        private func begin(destroying guest: GuestFrontend, in control: any XenStore) throws {
            try control.transaction { transaction throws(XenError) in
                try transaction.remove(guest.path)
                try transaction.write("\(guest.backend)/online", "0")
                try transaction.write("\(guest.backend)/state", "5")
            }
        }

        @Test func aGuestOfADriverDomainIsServed() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            #expect(xen.mappings(by: 3) == 1)
            #expect(try guest.call(.poll(id: 9)) == -22)
            try guest.set(.closing)
            #expect(guest.awaitBackend(.closing))
            try guest.set(.closed)
            #expect(guest.awaitBackend(.closed))
            #expect(fixture.holdsNothing())
            #expect(fixture.node(guest, "online") == "1")
        }

        @Test func aGuestThatIsDestroyedIsNoticedByItsNodesAlone() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            // A node that is gone is one that may not be read: there is nothing above it that this domain may see.
            try control.remove(guest.domain.path)
            #expect(guest.awaitBackend(.closed))
            #expect(fixture.holdsNothing())
        }

        @Test func theServiceRemovesADeviceThatTheToolstackTakesAway() throws {
            defer { fixture.stop() }
            let (guest, other) = (try fixture.guest(5), try fixture.guest(6))
            try begin(destroying: guest, in: control)
            #expect(eventually { xen.nodes(under: guest.backend).isEmpty })
            #expect(eventually { xen.mappings(by: 3) == 1 })
            #expect(try other.call(.poll(id: 9)) == -22)
        }

        @Test func aDeviceThatWasTakenAwayWhileNobodyServedIsRemovedLater() throws {
            let guest = try fixture.guest(5)
            fixture.kill()
            try begin(destroying: guest, in: control)
            try fixture.start()
            defer { fixture.stop() }
            #expect(eventually { xen.nodes(under: guest.backend).isEmpty })
        }

        @Test func aFrontendThatHidesItsNodesIsOneThatIsGone() throws {
            defer { fixture.stop() }
            let guest = try fixture.guest(5)
            try guest.store.setPermissions("\(guest.path)/state", owner: 5, readers: [])
            #expect(guest.awaitBackend(.closed))
            #expect(fixture.holdsNothing())
            try guest.store.setPermissions("\(guest.path)/state", owner: 5, readers: [3])
            try guest.leave()
            try guest.set(.initialising)
            #expect(guest.awaitBackend(.initWait))
            try guest.store.setPermissions("\(guest.path)/version", owner: 5, readers: [])
            try guest.offer()
            #expect(eventually { fixture.node(guest, "error") != nil })
            #expect(guest.awaitBackend(.closing))
        }

        /// In the control domain the toolstack removes what it made.
        @Test func theControlDomainsServiceLeavesTheNodesToTheToolstack() throws {
            fixture.stop()
            let fixture = try XenFixture()
            defer { fixture.stop() }
            let control = try fixture.xen.platform(domain: .control).store()
            let guest = try fixture.guest(5)
            try begin(destroying: guest, in: control)
            #expect(guest.awaitBackend(.closed))
            #expect(fixture.holdsNothing())
            #expect(fixture.node(guest, "online") == "0")
        }
    }
}
