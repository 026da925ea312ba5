import Glibc
import Testing
import XenSockXen

@Suite struct SimulatedDomainTests {
    let xen = SimulatedXen()

    @Test func comingAndGoingIsToldToTheControlDomain() throws {
        let control = try xen.platform(domain: .control).store()
        let guest = try xen.platform(domain: 1).store()
        for store in [control, guest] {
            try store.watch("@introduceDomain", token: "in")
            try store.watch("@releaseDomain", token: "out")
            #expect(store.nextEvent()?.path == "@introduceDomain")
            #expect(store.nextEvent()?.path == "@releaseDomain")
        }
        #expect(try !control.isIntroduced(2))
        xen.createDomain(2)
        #expect(control.nextEvent()?.token == "in")
        #expect(try control.isIntroduced(2))
        xen.destroyDomain(2)
        #expect(control.nextEvent()?.token == "out")
        #expect(try !control.isIntroduced(2) && control.nextEvent() == nil)
        #expect(guest.nextEvent() == nil)
    }

    @Test func aDestroyedDomainLeavesOnlyWhatOthersHaveMapped() throws {
        let control = xen.platform(domain: .control)
        let guest = xen.platform(domain: 1)
        let theirs = try control.allocator.allocate(pages: 1, for: 1)
        let its = try guest.mapper.map(theirs.references, of: .control)
        let allocation = try guest.allocator.allocate(pages: 2, for: .control)
        let mapping = try control.mapper.map([allocation.references[0]], of: 1)
        let channels = try guest.channels()
        let ours = try control.channels()
        let port = try channels.bindUnbound(for: .control)
        let bound = try ours.bindInterdomain(1, port: port)
        let store = try guest.store()

        xen.destroyDomain(1)
        #expect(xen.grants(of: 1) == [allocation.references[0]] && xen.mappings(by: .control) == 1)
        #expect(xen.mappings(by: 1) == 0)
        #expect(xen.ports(of: 1).isEmpty && xen.ports(of: .control) == [bound])
        #expect(xen.boundPorts(of: .control).isEmpty)
        // What is mapped stays readable: its memory goes with the last mapping.
        mapping.base.storeBytes(of: 1, as: UInt8.self)
        ours.notify(bound)
        channels.notify(port)
        #expect(channels.nextPending() == nil)
        #expect(throws: XenError.self) { try channels.bindUnbound(for: .control) }
        #expect(throws: XenError.self) { try guest.allocator.allocate(pages: 1, for: .control) }
        #expect(throws: XenError.self) { try control.mapper.map([allocation.references[1]], of: 1) }
        #expect(throws: XenError.self) { try store.read("domid") }
        #expect(throws: XenError.self) { try ours.bindInterdomain(1, port: port) }
        mapping.unmap()
        allocation.free()
        its.unmap()
        #expect(xen.grants(of: 1).isEmpty)
    }

    @Test func destroyingRemovesTheNodesOfItsDevices() throws {
        let control = try xen.platform(domain: .control).store()
        xen.createDomain(1)
        xen.createDomain(11)
        for domain in ["1", "11"] { try control.write("/local/domain/0/backend/pvcalls/\(domain)/0/state", "4") }
        try control.watch("/local/domain/0/backend", token: "b")
        _ = control.nextEvent()
        xen.destroyDomain(1)
        #expect(xen.nodes(under: "/local/domain/1").isEmpty)
        #expect(try control.list("/local/domain/0/backend/pvcalls") == ["11"])
        #expect(control.nextEvent()?.path == "/local/domain/0/backend/pvcalls/1")
        xen.destroyDomain(11, keepingNodes: true)
        #expect(try control.read("/local/domain/11/domid") == "11")
    }

    @Test func aDevicesEndsMayWriteTheirOwnAndReadTheOthers() throws {
        let guest = try xen.platform(domain: 3).store()
        let driver = try xen.platform(domain: 2).store()
        xen.createDevice("pvcalls", frontend: 3, backend: 2)
        let back = try #require(try guest.read("device/pvcalls/0/backend"))
        let front = try #require(try driver.read("backend/pvcalls/3/0/frontend"))
        try driver.write("\(back)/versions", "1")
        try guest.write("\(front)/version", "1")
        #expect(try guest.read("\(back)/versions") == "1")
        #expect(try driver.read("\(front)/version") == "1")
        #expect(throws: XenError.self) { try guest.write("\(back)/state", "6") }
        #expect(throws: XenError.self) { try driver.write("\(front)/state", "6") }
        let other = try xen.platform(domain: 4).store()
        #expect(throws: XenError.self) { try other.read("\(back)/state") }
        #expect(throws: XenError.self) { try other.read("\(front)/state") }
    }

    @Test func aNumberMayBeUsedAgain() throws {
        let first = xen.platform(domain: 1)
        let allocation = try first.allocator.allocate(pages: 1, for: .control)
        xen.destroyDomain(1)
        let second = xen.platform(domain: 1)
        let again = try second.allocator.allocate(pages: 1, for: .control)
        allocation.free()
        #expect(xen.grants(of: 1) == again.references)
        #expect(try second.store().ownDomain == 1)
    }

    @Test func callsFailWhenTold() throws {
        let guest = xen.platform(domain: 1)
        xen.fail(.allocate, in: 1, errno: ENOSPC, after: 1, times: 2)
        _ = try guest.allocator.allocate(pages: 1, for: .control)
        for _ in 0..<2 {
            let error = #expect(throws: XenError.self) { try guest.allocator.allocate(pages: 1, for: .control) }
            #expect(error?.limits.first == .grantAllocations)
        }
        _ = try guest.allocator.allocate(pages: 1, for: .control)
        xen.fail(.endTransaction, in: 1, errno: EAGAIN)
        var runs = 0
        try guest.store().transaction { (_) throws(XenError) in runs += 1 }
        #expect(runs == 2)
        xen.fail(.openChannels, in: .control, errno: EMFILE)
        let error = #expect(throws: XenError.self) { try xen.platform(domain: .control).channels() }
        #expect(error?.limits == [.descriptors])
    }
}
