/// The state of one end of a device (`enum xenbus_state`), as its `state` node says it in decimal.
public enum XenBusState: UInt32, Sendable {
    case unknown = 0
    case initialising = 1
    case initWait = 2
    case initialised = 3
    case connected = 4
    case closing = 5
    case closed = 6
    case reconfiguring = 7
    case reconfigured = 8
}

/// Names of XenStore nodes, relative to the device's directory of either end.
public enum Node {
    // Both ends.
    public static let state: StaticString = "state"
    public static let error: StaticString = "error"

    // Written by the toolstack.
    public static let backend: StaticString = "backend"
    public static let backendID: StaticString = "backend-id"
    public static let frontend: StaticString = "frontend"
    public static let frontendID: StaticString = "frontend-id"
    public static let online: StaticString = "online"

    // Written by the backend.
    public static let versions: StaticString = "versions"
    public static let maximumPageOrder: StaticString = "max-page-order"
    public static let functionCalls: StaticString = "function-calls"
    public static let featureXenSock2: StaticString = "feature-xensock2"
    /// Of HELLO answers: requests may be posted; the options of docs/PROTOCOL.md 2.3 are never refused.
    public static let featurePosted: StaticString = "feature-posted"
    public static let featureOptions: StaticString = "feature-options"

    // Written by the frontend.
    public static let version: StaticString = "version"
    public static let ringReference: StaticString = "ring-ref"
    public static let port: StaticString = "port"
    public static let xensock2: StaticString = "xensock2"
    public static let argumentsReference: StaticString = "arguments-ref"

    /// Of an agent's HELLO answer (docs/PROTOCOL.md 3.7).
    public static let controlOffset: StaticString = "control-offset"

    /// The device's kind, a directory of `device` and `backend`.
    public static let device: StaticString = "pvcalls"
    /// The kind of `draft1` devices.
    public static let draft1Device: StaticString = "xensock"
}
