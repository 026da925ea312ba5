import Testing
import XenSockWire

@testable import XenSockBackend

@Suite("The backend's side of XenBus")
struct XenBusBackendTests {
    private typealias Bus = XenBusBackend

    private func view(_ frontend: XenBusState?, online: Bool = true, other: Bool = false) -> Bus.View {
        var view = Bus.View(frontend: frontend)
        view.isOnline = online
        view.isOtherRing = other
        return view
    }

    /// What follows from frontend states seen one after the other.
    private func steps(_ own: XenBusState?, _ frontends: [XenBusState?]) -> [Bus.Step] {
        var bus = Bus(own: own)
        return frontends.map { bus.next(view($0)) }
    }

    @Test func anOrdinaryLife() {
        #expect(
            steps(
                .initialising,
                [.initialising, .initialising, .initialised, .connected, .closing, .closed, .initialising])
                == [.publish, .wait, .connect, .wait, .end(.closing), .end(.closed), .publish])
    }

    @Test func aFrontendMayBeMissingUntilItComes() {
        #expect(
            steps(nil, [nil, nil, .initialising, .initialised, nil]) == [
                .publish, .wait, .wait, .connect, .end(.closed),
            ])
    }

    @Test(arguments: [
        (XenBusState.closed, Bus.Step.end(.closed)), (.unknown, .end(.closed)), (.closing, .end(.closing)),
        (.initialising, .publish), (.initWait, .publish), (.initialised, .connect), (.connected, .wait),
        (.reconfiguring, .wait), (.reconfigured, .wait),
    ])
    private func whateverComesAfterConnected(_ state: XenBusState, _ step: Bus.Step) {
        #expect(
            steps(.initialising, [.initialising, .initialised, .connected, state]) == [.publish, .connect, .wait, step])
    }

    @Test func aRestartThatWasNotSeenShowsInTheRing() {
        var bus = Bus(own: .initialising)
        _ = bus.next(view(.initialised))
        _ = bus.next(view(.initialised))
        #expect(bus.next(view(.initialised)) == .wait)
        #expect(bus.next(view(.initialised, other: true)) == .connect)
        #expect(bus.next(view(.connected)) == .wait)
        #expect(bus.next(view(.connected, other: true)) == .connect)
    }

    @Test(arguments: [XenBusState.initialised, .connected, .closing]) func aStateOfAServiceBeforeThisOneIsEnded(
        _ own: XenBusState
    ) {
        #expect(
            steps(own, [.connected, .connected, .closed, .initialising]) == [
                .end(.closing), .wait, .end(.closed), .publish,
            ])
        #expect(steps(own, [.initialising, .initialising]) == [.end(.closing), .publish])
        #expect(steps(own, [nil]) == [.end(.closed)])
    }

    @Test func aClosedDeviceWaitsForItsFrontendToLeave() {
        var bus = Bus(own: .initialising)
        _ = bus.next(view(.initialised))
        _ = bus.next(view(.initialised))
        bus.fail()
        #expect(bus.next(view(.initialised)) == .wait)
        var expired = view(.initialised)
        expired.isExpired = true
        #expect(bus.next(expired) == .end(.closed))
        #expect(bus.next(view(.initialised)) == .wait)
        #expect(bus.next(view(.connected)) == .wait)
        #expect(bus.next(view(.closed)) == .wait)
        #expect(bus.next(view(.initialised)) == .publish)
    }

    @Test func theToolstackTakesItAwayInAnyState() {
        for frontends in [
            [], [.initialising], [.initialising, .initialised], [.initialising, .initialised, .connected],
        ] as [[XenBusState]] {
            var bus = Bus(own: .initialising)
            for state in frontends { _ = bus.next(view(state)) }
            for _ in 0..<3 { _ = bus.next(view(.connected, online: false)) }
            _ = bus.next(view(.closed, online: false))
            #expect(bus.state == .closed)
            for state in [.initialising, .initialised, .connected, nil] as [XenBusState?] {
                #expect(bus.next(view(state, online: false)) == .wait)
            }
        }
    }

    @Test func aStateThatTheToolstackWroteIsAnswered() {
        var bus = Bus(own: .initialising)
        for state in [.initialising, .initialised, .connected] as [XenBusState] { _ = bus.next(view(state)) }
        var closing = view(.connected)
        closing.own = .closing
        #expect(bus.next(closing) == .end(.closing))
        #expect(bus.next(closing) == .wait)
        #expect(bus.next(view(.closed)) == .end(.closed))
        closing.frontend = .closed
        #expect(bus.next(closing) == .end(.closed))
    }
}
