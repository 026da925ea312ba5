import Glibc
import XenSockRing

/// A network other than this kernel's own: what performs the calls on the service's network sockets in the kernel's
/// place. The agent's is an xensockd behind it.
///
/// Its sockets are descriptors that epoll(7) can watch. All methods are called on the reactor's thread only; none may
/// wait for the network. Results are as in ``SocketKernel``: negative errno values, never the thread's errno.
public protocol SocketNetwork: AnyObject {
    /// Whether a descriptor is a socket of this network; the calls on all others are the kernel's.
    func owns(_ descriptor: Int32) -> Bool

    func socket(domain: Int32, type: Int32, protocolNumber: Int32) -> Int32
    func connect(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32
    func bind(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32
    func listen(_ descriptor: Int32, backlog: Int32) -> Int32
    /// - Parameter address: room for 128 bytes; `length` becomes the address's length.
    func accept(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32
    /// A count below the room means that nothing more is there now: the next arrival is a new edge.
    func receive(_ descriptor: Int32, into segments: Segments) -> Int
    /// A count below what was given means that there is no room now: the next room is a new edge.
    func send(_ descriptor: Int32, from segments: Segments) -> Int
    /// Likewise, with MSG_MORE.
    func sendHeld(_ descriptor: Int32, from segments: Segments) -> Int
    func sendUrgent(_ descriptor: Int32, byte: UInt8) -> Int
    /// The urgent byte that was announced, once, or a negative errno. FIONREAD then counts up to its mark.
    func receiveUrgent(_ descriptor: Int32) -> Int
    /// recvmsg(2) of a datagram. An error that says that the socket is lost comes once, then EAGAIN.
    func receiveMessage(_ descriptor: Int32, _ message: UnsafeMutablePointer<msghdr>, flags: Int32) -> Int
    /// sendmsg(2) of a datagram.
    func sendMessage(_ descriptor: Int32, _ message: UnsafeMutablePointer<msghdr>, flags: Int32) -> Int
    func shutdown(_ descriptor: Int32, how: Int32) -> Int32
    /// Whether a connection can be shut down: where it cannot, shutdown(2) fails before anything waits for it.
    var shutsDown: Bool { get }
    func close(_ descriptor: Int32)
    func getsockopt(
        _ descriptor: Int32, level: Int32, name: Int32, value: UnsafeMutableRawPointer, length: inout UInt32
    ) -> Int32
    func setsockopt(_ descriptor: Int32, level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Int32
    func getsockname(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32
    func getpeername(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32
    func ioctl(_ descriptor: Int32, request: UInt32, value: inout Int32) -> Int32

    /// poll(2) with events of poll.h; does not wait.
    func poll(_ descriptor: Int32, events: Int16) -> Int16

    /// Whether bytes are here that nobody has received. What the far end of the network holds is its own to look at,
    /// when it learns of the close.
    func hasUnread(_ descriptor: Int32) -> Bool

    /// The close that follows resets the connection, whatever is still on its way.
    func prepareAbort(_ descriptor: Int32)

    /// Completes what epoll reported of a socket by what its descriptor cannot show (`EPOLLERR`, `EPOLLHUP`).
    func completed(_ descriptor: Int32, events: UInt32) -> UInt32
}

extension SocketNetwork {
    public var shutsDown: Bool { true }
}

extension Service {
    /// The network lost some of its sockets, and their descriptors do not show it: every socket looks.
    public func recheckNetwork() {
        for socket in Array(cookies.values) + draining where socket.network >= 0 {
            let events = kernel.completed(socket.network, events: 0)
            guard events != 0 else { continue }
            socket.networkEvent(events)
            settle(socket)
        }
        for local in Array(v1Cookies.values) + drainingV1 where local.socket.network >= 0 {
            let events = kernel.completed(local.socket.network, events: 0)
            guard events != 0 else { continue }
            local.socket.networkEvent(events)
            settle(local)
        }
    }
}

extension SocketNetwork {
    /// One that cannot hold bytes back sends them.
    public func sendHeld(_ descriptor: Int32, from segments: Segments) -> Int { send(descriptor, from: segments) }
}
