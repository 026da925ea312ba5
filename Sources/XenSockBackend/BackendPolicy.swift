/// What a frontend wants to do, before it is done.
///
/// Addresses are Linux socket addresses (`struct sockaddr_in` and so on, family in the first two bytes), at most 128
/// bytes, valid during the call only. Their content is the frontend's and not checked.
public enum PolicyOperation {
    /// socket(2). `type` is the bare type, without SOCK_NONBLOCK and SOCK_CLOEXEC.
    case socket(domain: Int32, type: Int32, protocolNumber: Int32)
    /// connect(2) of a stream socket.
    case connect(UnsafeRawBufferPointer)
    /// bind(2) of a stream socket.
    case bind(UnsafeRawBufferPointer)
    /// connect(2) of a datagram or raw socket, and its first datagram to a new destination.
    case connectDatagrams(UnsafeRawBufferPointer, type: Int32)
    /// bind(2) of a datagram or raw socket.
    case bindDatagrams(UnsafeRawBufferPointer, type: Int32)
    /// listen(2).
    case listen
    /// getaddrinfo(3) of a name; empty if the query has none (only a service).
    case resolve(name: String)
    /// getnameinfo(3) of an address.
    case resolveAddress(UnsafeRawBufferPointer)
    /// getifaddrs(3) and its like. EOPNOTSUPP sends the program to its own domain's interfaces.
    case interfaces
}

/// Decides what a frontend may do. Called on the reactor's thread only, so it must not block.
public protocol BackendPolicy {
    /// - Returns: 0 to allow, or the positive Linux errno that the frontend gets (EACCES, EPERM, ENETUNREACH, …).
    func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32

    /// Changes whenever the same operation may be decided otherwise than before.
    var generation: UInt64 { get }
}

extension BackendPolicy {
    /// For policies that never change.
    public var generation: UInt64 { 0 }
}

/// Allows everything.
public struct AllowAll: BackendPolicy {
    public init() {}

    public func decide(_ operation: PolicyOperation, credentials: PeerCredentials) -> Int32 { 0 }
}
