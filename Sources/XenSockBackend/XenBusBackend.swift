import XenSockWire

/// The backend's side of XenBus's state machine (docs/PROTOCOL.md, 5.2): what XenStore shows goes in, what to do comes
/// out. It does nothing itself.
struct XenBusBackend {
    /// What XenStore shows.
    struct View {
        /// Nil if there is no such node: the directory, or the domain, is gone, or not there yet.
        var frontend: XenBusState?
        /// What stands in the backend's own node, where the toolstack writes Closing.
        var own: XenBusState?
        var isOnline = true
        /// `ring-ref` or `port` are not those that the connection was made with.
        var isOtherRing = false
        /// The frontend has had its time to close.
        var isExpired = false
    }

    enum Step: Equatable {
        case wait
        /// Publish, then InitWait.
        case publish
        /// Map and bind, then Connected. What was connected before ends first.
        case connect
        /// End the connection, if there is one, then write this state.
        case end(XenBusState)
    }

    /// As written by this backend.
    var state: XenBusState
    /// The frontend has said Connected since this side did: Initialised then means that it began again.
    private var wasConnected = false
    /// The frontend was seen in a state from which it can begin again, since this side closed.
    private var hasLeft: Bool
    private var hasFrontend = false
    /// The state is that of a service before this one, whose mappings are gone.
    private var isInherited: Bool

    /// - Parameter own: the state that the backend's node has when the device is found.
    init(own: XenBusState?) {
        switch own {
        case .initialised, .connected, .closing, .reconfiguring, .reconfigured:
            state = .connected
            isInherited = true
            hasLeft = false
        case .closed:
            state = .closed
            isInherited = false
            hasLeft = true
        case .initialising, .initWait, .unknown, nil:
            state = .initialising
            isInherited = false
            hasLeft = false
        }
    }

    mutating func next(_ view: View) -> Step {
        let step = decide(view)
        if view.frontend != nil { hasFrontend = true }
        if state == .connected, view.frontend == .connected { wasConnected = true }
        switch step {
        case .wait: break
        case .publish: state = .initWait
        case .connect:
            state = .connected
            wasConnected = false
        case .end(let ended):
            state = ended
            isInherited = false
            hasLeft = false
        }
        if state == .closing || state == .closed, Self.canBegin(view.frontend) { hasLeft = true }
        return step
    }

    /// A step could not be done, or the frontend broke the protocol: this side goes to Closing.
    mutating func fail() {
        state = .closing
        hasLeft = false
        isInherited = false
    }

    private static func canBegin(_ frontend: XenBusState?) -> Bool {
        switch frontend {
        case .unknown, .initialising, .closed, nil: true
        default: false
        }
    }

    private func decide(_ view: View) -> Step {
        let isLeaving = !view.isOnline || (view.own == .closing && state != .closing)
        let isGone = view.frontend == nil || view.frontend == .unknown || view.frontend == .closed
        switch state {
        case .initialising:
            return view.isOnline ? .publish : .end(.closed)
        case .initWait:
            if isLeaving { return .end(isGone ? .closed : .closing) }
            switch view.frontend {
            case .initialised, .connected: return .connect
            case .closing: return .end(.closing)
            case .closed: return .end(.closed)
            // A frontend's directory may come after the backend's.
            case .unknown, nil: return hasFrontend ? .end(.closed) : .wait
            default: return .wait
            }
        case .connected:
            return decideConnected(view, isLeaving: isLeaving || isInherited, isGone: isGone)
        case .closing:
            if isGone || view.isExpired { return .end(.closed) }
            if view.frontend == .initialising { return view.isOnline ? .publish : .end(.closed) }
            return .wait
        case .closed:
            // The toolstack waits for Closed.
            if view.own == .closing { return .end(.closed) }
            guard view.isOnline else { return .wait }
            switch view.frontend {
            case .initialising, .initWait: return .publish
            case .initialised: return hasLeft ? .publish : .wait
            default: return .wait
            }
        case .unknown, .initialised, .reconfiguring, .reconfigured:
            return .wait
        }
    }

    private func decideConnected(_ view: View, isLeaving: Bool, isGone: Bool) -> Step {
        if isGone { return .end(.closed) }
        if isLeaving { return .end(.closing) }
        switch view.frontend {
        case .closing: return .end(.closing)
        // It began again without a goodbye, and waits for InitWait.
        case .initialising, .initWait: return .publish
        // It began again so quickly that the states between were not seen.
        case .initialised: return wasConnected || view.isOtherRing ? .connect : .wait
        case .connected: return wasConnected && view.isOtherRing ? .connect : .wait
        default: return .wait
        }
    }
}
