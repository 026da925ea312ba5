import Glibc
import Testing
import XenSockRing
import XenSockWire
import XenSockXen

@testable import XenSockGuest

struct GuestDeviceTests {
    @Test func `A device connects with sessions where the backend has them`() throws {
        let fixture = try DeviceFixture()
        fixture.settle()
        #expect(fixture.state == .initialising)
        try fixture.publish()
        #expect(fixture.state == .initialised)
        #expect(fixture.frontendNode(Node.version) == "1")
        #expect(fixture.frontendNode(Node.xensock2) == "1")
        #expect(fixture.connections.isEmpty)
        try fixture.write(.connected)
        #expect(fixture.state == .connected)
        #expect(fixture.connections.map(\.dialect) == [.xensock2])
    }

    @Test func `A backend without sessions gets pvcalls1`() throws {
        let fixture = try DeviceFixture()
        try fixture.store.write("\(fixture.frontend)/xensock2", "1")
        try fixture.publish(sessions: false)
        #expect(fixture.frontendNode(Node.xensock2) == nil)
        try fixture.write(.connected)
        #expect(fixture.connections.map(\.dialect) == [.pvcalls1])
        #expect(fixture.connections.first?.maximumPageOrder == 8)
    }

    @Test func `Requests and events go both ways`() throws {
        let fixture = try DeviceFixture()
        try fixture.publish()
        let (ring, channels, port) = try fixture.accept()
        try fixture.write(.connected)
        let connection = try #require(fixture.device.connection)
        connection.ring.nextRequest().storeBytes(of: 42, as: UInt32.self)
        let mustNotify = connection.ring.push()
        #expect(mustNotify)
        connection.notify()
        var back = CommandRingBack(page: ring.base, layout: .pvcalls)
        #expect(channels.nextPending() == port)
        channels.unmask(port)
        #expect(try back.nextRequest()?.load(as: UInt32.self) == 42)
        back.consumeRequest()
        var events = 0
        connection.notified = { events += 1 }
        // Until the first response is taken an event is asked for.
        back.pushResponse()
        let isAwaited = back.publishResponses()
        #expect(isAwaited)
        channels.notify(port)
        fixture.settle()
        #expect(events == 1)
        var own = 0
        let channel = try connection.bind { own += 1 }
        let bound = try channels.bindInterdomain(DeviceFixture.guest, port: channel)
        channels.notify(bound)
        fixture.settle()
        channels.notify(bound)
        fixture.settle()
        #expect(own == 2)
    }

    @Test(arguments: [XenBusState.closing, .closed, .initWait, .initialising])
    func `Whatever ends Connected ends the connection, frees everything and is answered with Closed`(
        _ state: XenBusState
    ) throws {
        let fixture = try DeviceFixture()
        try fixture.publish()
        try fixture.write(.connected)
        _ = try fixture.device.connection?.bind {}
        #expect(fixture.xen.ports(of: DeviceFixture.guest).count == 2)
        try fixture.write(state)
        #expect(fixture.ends == 1)
        #expect(fixture.device.connection == nil)
        #expect(fixture.state == .closed)
        #expect(fixture.xen.grants(of: DeviceFixture.guest).isEmpty)
        #expect(fixture.xen.ports(of: DeviceFixture.guest).isEmpty)
    }

    @Test func `A backend that comes back is connected to again`() throws {
        let fixture = try DeviceFixture()
        try fixture.publish()
        try fixture.write(.connected)
        usleep(1_100_000)
        try fixture.write(.closing)
        #expect(fixture.state == .closed)
        try fixture.write(.closed)
        #expect(fixture.state == .initialising)
        try fixture.publish()
        try fixture.write(.connected)
        #expect(fixture.connections.count == 2)
        #expect(fixture.device.connection === fixture.connections[1])
    }

    @Test func `A device that is being taken away is not asked for again`() throws {
        let fixture = try DeviceFixture()
        try fixture.publish()
        try fixture.write(.connected)
        usleep(1_100_000)
        try fixture.store.write("\(fixture.backend)/online", "0")
        try fixture.write(.closing)
        try fixture.write(.closed)
        #expect(fixture.state == .closed)
        try fixture.store.remove(fixture.frontend)
        try fixture.store.remove(fixture.backend)
        fixture.settle()
        fixture.xen.createDevice("pvcalls", frontend: DeviceFixture.guest)
        try fixture.publish()
        try fixture.write(.connected)
        #expect(fixture.connections.count == 2)
    }

    @Test func `A device that appears later is found`() throws {
        let fixture = try DeviceFixture(hasDevice: false)
        fixture.settle()
        #expect(fixture.device.dialect == nil)
        fixture.xen.createDevice("pvcalls", id: 0, frontend: DeviceFixture.guest)
        try fixture.publish()
        try fixture.write(.connected)
        #expect(fixture.connections.count == 1)
    }

    @Test func `A driver domain that is destroyed ends the connection, and the next one's device is found`() throws {
        let fixture = try DeviceFixture(backend: 3)
        try fixture.publish()
        try fixture.write(.connected)
        #expect(fixture.connections.first?.backend == 3)
        fixture.xen.destroyDomain(3)
        fixture.settle()
        #expect(fixture.ends == 1)
        #expect(fixture.state == .closed)
        #expect(fixture.xen.ports(of: DeviceFixture.guest).isEmpty)
        try fixture.store.remove(fixture.frontend)
        fixture.settle()
        fixture.server = 4
        fixture.xen.createDomain(4)
        fixture.xen.createDevice("pvcalls", frontend: DeviceFixture.guest, backend: 4)
        try fixture.publish()
        try fixture.write(.connected)
        #expect(fixture.connections.count == 2)
        #expect(fixture.connections.last?.backend == 4)
        #expect(fixture.device.connection === fixture.connections.last)
    }

    @Test func `After a resume everything of before is given up and the device connects anew`() throws {
        let fixture = try DeviceFixture()
        try fixture.publish()
        try fixture.write(.connected)
        // The toolstack makes the device's nodes again; the backend's may be another's.
        try fixture.store.remove(fixture.frontend)
        fixture.xen.createDevice("pvcalls", frontend: DeviceFixture.guest)
        fixture.settle()
        #expect(fixture.ends == 1)
        #expect(fixture.state == .initialising)
        try fixture.publish()
        try fixture.write(.connected)
        #expect(fixture.connections.count == 2)
        #expect(fixture.xen.grants(of: DeviceFixture.guest).count == 1)
    }

    @Test(arguments: [XenBusState.initialised, .connected, .closing])
    func `What a dead agent left is closed first`(_ left: XenBusState) throws {
        let fixture = try DeviceFixture()
        try fixture.store.write("\(fixture.frontend)/state", "\(left.rawValue)")
        try fixture.store.write("\(fixture.backend)/state", "4")
        fixture.settle()
        #expect(fixture.state == .closed)
        try fixture.write(.closed)
        #expect(fixture.state == .initialising)
        try fixture.publish()
        #expect(fixture.state == .initialised)
    }

    @Test func `A backend of another version is refused with an error node`() throws {
        let fixture = try DeviceFixture()
        try fixture.publish(versions: "2")
        #expect(fixture.state == .closing)
        #expect(fixture.frontendNode(Node.error)?.contains("versions") == true)
        try fixture.write(.closing)
        #expect(fixture.state == .closed)
    }

    @Test func `Without grants the device says so and tries again`() throws {
        let fixture = try DeviceFixture()
        fixture.xen.setLimits(of: DeviceFixture.guest) { $0.grantAllocations = 0 }
        try fixture.publish()
        #expect(fixture.state == .closing)
        #expect(fixture.frontendNode(Node.error)?.contains("limit") == true)
        fixture.xen.setLimits(of: DeviceFixture.guest) { $0.grantAllocations = 10 }
        try fixture.write(.closed)
        usleep(1_100_000)
        fixture.settle()
        try fixture.publish()
        try fixture.write(.connected)
        #expect(fixture.connections.count == 1)
    }

    @Test func `A violation closes the device`() throws {
        let fixture = try DeviceFixture()
        try fixture.publish()
        try fixture.write(.connected)
        fixture.connections[0].violated("for a test")
        #expect(fixture.ends == 1)
        #expect(!fixture.connections[0].isOpen)
        #expect(fixture.state == .closing)
        #expect(fixture.frontendNode(Node.error) == "for a test")
        try fixture.write(.closed)
        #expect(fixture.state == .closed)
    }

    @Test func `An agent that stops closes the device in order`() throws {
        let fixture = try DeviceFixture()
        try fixture.publish()
        try fixture.write(.connected)
        try fixture.store.write("\(fixture.backend)/state", "5")
        fixture.device.close()
        #expect(fixture.ends == 1)
        #expect(fixture.state == .closed)
        #expect(fixture.xen.grants(of: DeviceFixture.guest).isEmpty)
    }
}
