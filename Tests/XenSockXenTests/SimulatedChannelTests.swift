import Glibc
import Testing
import XenSockXen

@Suite struct SimulatedChannelTests {
    let xen = SimulatedXen()
    let guest: any EventChannels
    let control: any EventChannels

    init() throws {
        guest = try xen.platform(domain: 1).channels()
        control = try xen.platform(domain: .control).channels()
    }

    /// A channel between both, with the event of the binding taken.
    func bind() throws -> (guest: UInt32, control: UInt32) {
        let unbound = try guest.bindUnbound(for: .control)
        let bound = try control.bindInterdomain(1, port: unbound)
        #expect(control.nextPending() == bound)
        control.unmask(bound)
        return (unbound, bound)
    }

    @Test func whoBindsIsNotifiedAtOnce() throws {
        let unbound = try guest.bindUnbound(for: .control)
        guest.notify(unbound)
        let bound = try control.bindInterdomain(1, port: unbound)
        #expect(isReadable(control.descriptor))
        #expect(control.nextPending() == bound)
        #expect(!isReadable(control.descriptor) && control.nextPending() == nil)
    }

    @Test func aPortStaysMaskedUntilItIsUnmasked() throws {
        let ports = try bind()
        control.notify(ports.control)
        control.notify(ports.control)
        #expect(isReadable(guest.descriptor))
        #expect(guest.nextPending() == ports.guest)
        #expect(guest.nextPending() == nil && !isReadable(guest.descriptor))
        control.notify(ports.control)
        control.notify(ports.control)
        #expect(guest.nextPending() == nil && !isReadable(guest.descriptor))
        guest.unmask(ports.guest)
        #expect(isReadable(guest.descriptor))
        #expect(guest.nextPending() == ports.guest)
        guest.unmask(ports.guest)
        #expect(guest.nextPending() == nil)
    }

    @Test func unmaskingWhatWasNotReadDoesNotDoubleIt() throws {
        let ports = try bind()
        control.notify(ports.control)
        control.notify(ports.control)
        guest.unmask(ports.guest)
        #expect(guest.nextPending() == ports.guest)
        #expect(guest.nextPending() == nil)
    }

    @Test func eachDeviceHasItsOwnPorts() throws {
        let ports = try bind()
        let other = try xen.platform(domain: 1).channels()
        other.notify(ports.guest)
        other.unbind(ports.guest)
        #expect(control.nextPending() == nil)
        #expect(xen.boundPorts(of: 1) == [ports.guest])
        guest.notify(ports.guest)
        #expect(control.nextPending() == ports.control)
    }

    @Test func onlyTheDomainThatWasMeantBindsAndOnlyOnce() throws {
        let unbound = try guest.bindUnbound(for: 2)
        #expect(throws: XenError.self) { try control.bindInterdomain(1, port: unbound) }
        let third = try xen.platform(domain: 2).channels()
        _ = try third.bindInterdomain(1, port: unbound)
        #expect(throws: XenError.self) { try third.bindInterdomain(1, port: unbound) }
        let error = #expect(throws: XenError.self) { try third.bindInterdomain(9, port: unbound) }
        #expect(error?.errno == ESRCH)
    }

    @Test func unbindingLeavesTheOtherEndUnbound() throws {
        let ports = try bind()
        control.notify(ports.control)
        control.unbind(ports.control)
        #expect(xen.ports(of: .control).isEmpty && xen.boundPorts(of: 1).isEmpty)
        #expect(xen.ports(of: 1) == [ports.guest])
        #expect(guest.nextPending() == ports.guest)
        guest.unmask(ports.guest)
        guest.notify(ports.guest)
        let again = try control.bindInterdomain(1, port: ports.guest)
        #expect(control.nextPending() == again)
    }

    @Test func unbindingForgetsWhatWasPending() throws {
        let ports = try bind()
        control.notify(ports.control)
        guest.unbind(ports.guest)
        #expect(guest.nextPending() == nil && !isReadable(guest.descriptor))
    }

    @Test func closingTheDeviceUnbindsItsPorts() throws {
        var device: (any EventChannels)? = try xen.platform(domain: 1).channels()
        let port = try #require(try device?.bindUnbound(for: .control))
        _ = try control.bindInterdomain(1, port: port)
        #expect(xen.boundPorts(of: .control).count == 1)
        device = nil
        #expect(xen.ports(of: 1).isEmpty && xen.boundPorts(of: .control).isEmpty)
    }

    @Test func restrictionsHoldForGoodAndSpareWhatIsBound() throws {
        let ports = try bind()
        try guest.restrict(to: .nobody)
        let error = #expect(throws: XenError.self) { try guest.bindUnbound(for: .control) }
        #expect(error?.errno == EACCES)
        #expect(throws: XenError.self) { try guest.bindInterdomain(.control, port: 1) }
        #expect(throws: XenError.self) { try guest.restrict(to: 3) }
        guest.notify(ports.guest)
        #expect(control.nextPending() == ports.control)
        let zero = #expect(throws: XenError.self) { try control.restrict(to: .control) }
        #expect(zero?.errno == EINVAL)
    }

    @Test func theLimitIsMetAndPortsAreUsedAgain() throws {
        xen.setLimits(of: 1) { $0.eventChannels = 2 }
        let first = try guest.bindUnbound(for: .control)
        _ = try guest.bindUnbound(for: .control)
        let error = #expect(throws: XenError.self) { try guest.bindUnbound(for: .control) }
        #expect(error?.limits == [.eventChannels])
        guest.unbind(first)
        #expect(try guest.bindUnbound(for: .control) == first)
    }

    @Test func threadsMayNotifyEachOther() throws {
        let ports = try bind()
        let sender = Thread { [guest] in for _ in 0..<10_000 { guest.notify(ports.guest) } }
        var seen = 0
        while seen == 0 || !sender.isDone {
            if let port = control.nextPending() {
                control.unmask(port)
                seen += 1
            }
        }
        sender.join()
        #expect(seen > 0)
    }
}
