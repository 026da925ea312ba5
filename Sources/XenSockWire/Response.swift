/// A response of the backend, in the terms that all dialects share.
public struct Response: Equatable, Sendable {
    /// What an answer carries beyond `ret`: the extension of `xensock2` (docs/PROTOCOL.md 2.3).
    public enum Payload: Equatable, Sendable {
        case none
        /// GETSOCKNAME, GETPEERNAME.
        case address(SocketAddress)
        /// ACCEPT. `empty`: no further connection waited behind this one. `arrivals`: the listener's producer index
        /// before that look. Both also stand in the answer -EAGAIN, with an empty address.
        case accepted(SocketAddress, empty: Bool, arrivals: UInt32)
        /// GETSOCKOPT: bytes of the value, which stands in the argument slot.
        case length(UInt32)
        /// IOCTL: what the kernel wrote to the integer.
        case value(Int32)
    }

    public var requestID: UInt32
    /// The request's number on the wire.
    public var command: UInt32
    /// 0 or a negative errno of Linux; -524 and -95 alike mean "not supported" and come out as -95 at the frontend.
    public var ret: Int32
    public var id: SocketID
    public var payload: Payload

    public init(requestID: UInt32, command: UInt32, ret: Int32, id: SocketID, payload: Payload = .none) {
        self.requestID = requestID
        self.command = command
        self.ret = ret
        self.id = id
        self.payload = payload
    }

    /// The address of GETSOCKNAME, GETPEERNAME or ACCEPT; nil in other answers.
    public var address: SocketAddress? {
        switch payload {
        case .address(let address), .accepted(let address, _, _): address
        default: nil
        }
    }
}
