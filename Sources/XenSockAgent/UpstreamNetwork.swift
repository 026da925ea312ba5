import CXenSockSystem
import Glibc
import XenSockBackend
import XenSockFrontend
import XenSockRing
import XenSockWire

/// The network of the service behind the agent: every call on a network socket is made as a frontend of that service.
///
/// A network socket is a socket of ``XenSockFrontend``: its descriptor is a placeholder, which the reactor watches for
/// edges as it would a kernel's socket. The library need not be told of that (`Frontend.epollControl`): a short count or
/// EAGAIN follows only after the ring was found empty, or full, with its token taken or its filler sent, so whatever
/// comes next is an edge.
public final class UpstreamNetwork: SocketNetwork {
    /// Called when a session with the service begins or ends: sockets may be lost whose descriptors do not tell.
    var sessionChanged: () -> Void = {}
    /// Called when there is no session, and none could be opened; once until one is open.
    var wasUnreachable: () -> Void = {}
    /// Called when a call waited in vain for the service.
    var wasSilent: () -> Void = {}
    /// Called when a socket is lost that will be made again (``renew()``).
    var lossNoticed: () -> Void = {}
    /// Called with a descriptor at which a socket was made again; returns whether it is watched.
    var rewatch: (Int32) -> Bool = { _ in true }
    /// Called with the number of sockets that were made again, and that of the listeners among them.
    var wereRenewed: (Int, Int) -> Void = { _, _ in }
    /// Called with a socket's description and an errno: it could not be made again, and will be tried again.
    var renewalWasRefused: (String, Int32) -> Void = { _, _ in }
    /// Likewise, when it will not be tried again.
    var wasGivenUp: (String, Int32) -> Void = { _, _ in }
    /// How long a service may refuse to make a socket again before that is given up, in nanoseconds.
    var renewalPatience: UInt64 = 70_000_000_000

    /// The session of the last call.
    private var session: UInt32 = 0
    private var wasOpen = false
    private var isReported = false
    /// Sockets whose placeholder hung up although the service had not said how they end: it is gone.
    var hungUp: Set<Int32> = []
    /// Datagram sockets that are lost and have said so.
    var told: Set<Int32> = []
    /// Sockets without a peer.
    var standing: [Int32: StandingSocket] = [:]
    var nextSerial: UInt64 = 0
    var isRenewing = false

    /// A call that takes longer than this has waited for a service that does not answer, in nanoseconds.
    private static let promptly: UInt64 = 1_000_000_000

    public init() {}

    public func owns(_ descriptor: Int32) -> Bool {
        // The service that is gone may have taken the socket from the library's table.
        AgentFrontend.owns(descriptor) || standing[descriptor] != nil
    }

    /// Whether nothing more will come from the service for a socket.
    func isLost(_ handle: SocketHandle) -> Bool {
        hungUp.contains(handle.fd) || AgentFrontend.isOver(handle)
    }

    /// Makes a call that asks the service.
    func asking(_ call: () -> Int) -> Int32 {
        let start = now()
        let result = call()
        let isOpen = AgentFrontend.isOpen
        if result == -Int(ENETDOWN), !isOpen, now() &- start > Self.promptly, !AgentFrontend.isResting {
            AgentFrontend.isResting = true
            wasSilent()
        }
        if AgentFrontend.session != session || isOpen != wasOpen {
            session = AgentFrontend.session
            wasOpen = isOpen
            isReported = !isOpen
            sessionChanged()
            // Whatever opened the session, those that wait come before what it goes on with.
            if isOpen, !isRenewing, !standing.isEmpty { renew() }
        } else if !isOpen, !isReported {
            isReported = true
            wasUnreachable()
        }
        return Int32(truncatingIfNeeded: result)
    }

    /// Looks whether the session has ended.
    func look() { _ = asking { 0 } }

    /// Likewise, about a socket. One that is lost is not asked for: the service has another by now, or none.
    func asking(_ descriptor: Int32, _ call: (SocketHandle) -> Int) -> Int32 {
        guard let handle = usable(descriptor) else { return -ENETDOWN }
        var result = asking { call(handle) }
        if result == -ENETDOWN || result == -EBADF, isWaiting(descriptor), let handle = usable(descriptor) {
            // The service is another by now, as this request has found out.
            result = asking { call(handle) }
        }
        // The library has tried to attach the socket: this service does not know it.
        return result == -EBADF ? -ENETDOWN : result
    }

    /// A socket that is not lost, or is made again now.
    private func usable(_ descriptor: Int32) -> SocketHandle? {
        if let handle = AgentFrontend.find(descriptor), !isLost(handle) { return handle }
        guard isWaiting(descriptor) else { return nil }
        renew()
        guard let handle = AgentFrontend.find(descriptor), !isLost(handle) else { return nil }
        return handle
    }

    func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    // MARK: Beginning

    public func socket(domain: Int32, type: Int32, protocolNumber: Int32) -> Int32 {
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = watched(
            asking { Frontend.socket(domain: domain, type: type | flags, protocol: protocolNumber) })
        if descriptor >= 0 { remember(descriptor, domain: domain, type: type & ~flags, protocolNumber: protocolNumber) }
        return descriptor
    }

    public func connect(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32 {
        let result = asking(descriptor) { Frontend.connect($0, address.baseAddress, UInt32(address.count)) }
        if result == 0 || result == -EINPROGRESS { forget(descriptor) }
        return result
    }

    public func bind(_ descriptor: Int32, _ address: UnsafeRawBufferPointer) -> Int32 {
        let result = asking(descriptor) { Frontend.bind($0, address.baseAddress, UInt32(address.count)) }
        if result == 0 { noteAddress(descriptor) }
        return result
    }

    public func listen(_ descriptor: Int32, backlog: Int32) -> Int32 {
        if let socket = standing[descriptor], socket.isListening, isWaiting(descriptor) {
            _ = socket.noteListen(backlog: backlog)
            return 0
        }
        let result = asking(descriptor) { Frontend.listen($0, backlog: backlog) }
        guard result == 0, let socket = standing[descriptor] else { return result }
        // Without bind(2) the kernel has chosen a port.
        if socket.address == nil { noteAddress(descriptor) }
        if !socket.noteListen(backlog: backlog) { forget(descriptor) }
        return result
    }

    public func accept(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        // The library would silence a listener that has hung up.
        _ = poll(descriptor, events: 0)
        // Nothing comes before it is made again.
        if isWaiting(descriptor) { return -EAGAIN }
        let result = withUnsafeMutablePointer(to: &length) { length in
            watched(asking(descriptor) { Frontend.accept($0, address, length, flags: flags) })
        }
        return result == -ENETDOWN && isWaiting(descriptor) ? -EAGAIN : result
    }

    /// A new socket, or the errno in its place.
    private func watched(_ descriptor: Int32) -> Int32 {
        if descriptor >= 0, let handle = AgentFrontend.find(descriptor) { AgentFrontend.watch(handle) }
        if descriptor >= 0 {
            hungUp.remove(descriptor)
            told.remove(descriptor)
            standing[descriptor] = nil
        }
        return descriptor
    }

    // MARK: Bytes

    public func receive(_ descriptor: Int32, into segments: Segments) -> Int {
        guard let handle = AgentFrontend.find(descriptor) else { return -Int(ECONNRESET) }
        var vectors = Self.vectors(segments)
        let result = withUnsafePointer(to: &vectors) {
            $0.withMemoryRebound(to: iovec.self, capacity: 2) {
                Frontend.receive(handle, $0, 2, flags: Int32(MSG_DONTWAIT), message: nil)
            }
        }
        return result == -Int(EAGAIN) && isLost(handle) ? -Int(ECONNRESET) : result
    }

    public func send(_ descriptor: Int32, from segments: Segments) -> Int {
        send(descriptor, segments, flags: 0)
    }

    public func sendHeld(_ descriptor: Int32, from segments: Segments) -> Int {
        send(descriptor, segments, flags: Int32(MSG_MORE))
    }

    private func send(_ descriptor: Int32, _ segments: Segments, flags: Int32) -> Int {
        guard let handle = AgentFrontend.find(descriptor) else { return -Int(ECONNRESET) }
        var vectors = Self.vectors(segments)
        let result = withUnsafePointer(to: &vectors) {
            $0.withMemoryRebound(to: iovec.self, capacity: 2) {
                Frontend.send(
                    handle, $0, 2, flags: flags | Int32(MSG_NOSIGNAL | MSG_DONTWAIT), address: nil, length: 0)
            }
        }
        return result == -Int(EAGAIN) && isLost(handle) ? -Int(ECONNRESET) : result
    }

    private static func vectors(_ segments: Segments) -> (iovec, iovec) {
        (
            iovec(iov_base: segments.first.baseAddress, iov_len: segments.first.count),
            iovec(iov_base: segments.second.baseAddress, iov_len: segments.second.count)
        )
    }

    public func sendUrgent(_ descriptor: Int32, byte: UInt8) -> Int {
        let flags = Int32(MSG_OOB | MSG_NOSIGNAL)
        return Int(
            asking(descriptor) { handle in
                withUnsafeBytes(of: byte) {
                    var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: 1)
                    return Frontend.send(handle, &vector, 1, flags: flags, address: nil, length: 0)
                }
            })
    }

    public func receiveUrgent(_ descriptor: Int32) -> Int {
        guard let handle = AgentFrontend.find(descriptor) else { return -Int(EINVAL) }
        var byte: UInt8 = 0
        let result = withUnsafeMutableBytes(of: &byte) {
            var vector = iovec(iov_base: $0.baseAddress, iov_len: 1)
            return Frontend.receive(handle, &vector, 1, flags: Int32(MSG_OOB | MSG_DONTWAIT), message: nil)
        }
        return result == 1 ? Int(byte) : result == 0 ? -Int(EAGAIN) : result
    }

    // MARK: Questions and settings

    public func getsockopt(
        _ descriptor: Int32, level: Int32, name: Int32, value: UnsafeMutableRawPointer, length: inout UInt32
    ) -> Int32 {
        if level == SOL_SOCKET, name == SO_ERROR, length >= 4, let error = pendingError(descriptor) {
            value.storeBytes(of: error, as: Int32.self)
            length = 4
            return 0
        }
        return withUnsafeMutablePointer(to: &length) { length in
            asking(descriptor) { Frontend.getOption($0, level: level, name: name, value, length) }
        }
    }

    /// SO_ERROR; nil if the service is to be asked.
    private func pendingError(_ descriptor: Int32) -> Int32? {
        if let handle = AgentFrontend.find(descriptor) { return pendingError(handle) }
        guard let socket = standing[descriptor] else { return nil }
        // A datagram socket that was given up says so once.
        return socket.isGivenUp && told.insert(descriptor).inserted ? ENETDOWN : 0
    }

    /// Likewise. A lost connection has one for ever.
    private func pendingError(_ handle: SocketHandle) -> Int32 {
        var error: Int32 = 0
        var length = socklen_t(4)
        let result = Frontend.getOption(handle, level: SOL_SOCKET, name: SO_ERROR, &error, &length)
        if result < 0 { return Int32(truncatingIfNeeded: -result) }
        if error != 0 || !isLost(handle) || isWaiting(handle.fd) || AgentFrontend.hasEnded(handle) || handle.isDatagram
        {
            return error
        }
        return AgentFrontend.isConnecting(handle) ? ENETDOWN : ECONNRESET
    }

    public func setsockopt(_ descriptor: Int32, level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Int32 {
        let result = asking(descriptor) {
            Frontend.setOption($0, level: level, name: name, value.baseAddress, length: UInt32(value.count))
        }
        if result == 0, let socket = standing[descriptor], !socket.noteOption(level: level, name: name, value: value) {
            forget(descriptor)
        }
        return result
    }

    public func getsockname(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        if let name = standing[descriptor]?.address, isWaiting(descriptor) {
            length = UInt32(name.copy(to: address, capacity: Int(length)))
            return 0
        }
        return self.name(descriptor, peer: false, address, &length)
    }

    public func getpeername(_ descriptor: Int32, address: UnsafeMutableRawPointer, length: inout UInt32) -> Int32 {
        self.name(descriptor, peer: true, address, &length)
    }

    private func name(
        _ descriptor: Int32, peer: Bool, _ address: UnsafeMutableRawPointer, _ length: inout UInt32
    ) -> Int32 {
        withUnsafeMutablePointer(to: &length) { length in
            asking(descriptor) { Frontend.getName($0, peer: peer, address, length) }
        }
    }

    public func ioctl(_ descriptor: Int32, request: UInt32, value: inout Int32) -> Int32 {
        withUnsafeMutableBytes(of: &value) { value in
            asking(descriptor) { Frontend.ioctl($0, request: UInt(request), value.baseAddress) }
        }
    }

    // MARK: Readiness

    public func poll(_ descriptor: Int32, events: Int16) -> Int16 {
        guard let handle = AgentFrontend.find(descriptor) else {
            if isWaiting(descriptor) { return 0 }
            return events | Int16(standing[descriptor] == nil ? POLLHUP | POLLERR : POLLHUP)
        }
        var shown = AgentFrontend.poll(descriptor, events: events)
        if shown & Int16(POLLHUP) != 0 { noteHangUp(handle) }
        shown |= AgentFrontend.missingEvents(handle, asked: events)
        if isLost(handle) {
            if isWaiting(descriptor) { return 0 }
            shown |= events | Int16(POLLHUP)
        }
        return shown
    }

    public func completed(_ descriptor: Int32, events: UInt32) -> UInt32 {
        guard owns(descriptor) else { return events }
        // EPOLLIN, EPOLLOUT, EPOLLRDHUP; the bits of epoll.h and poll.h are the same.
        let all: UInt32 = 0x1 | 0x4 | 0x2000
        let broken = UInt32(POLLERR | POLLHUP)
        guard let handle = AgentFrontend.find(descriptor) else {
            return isWaiting(descriptor) ? 0 : events | all | broken
        }
        if events & UInt32(POLLHUP) != 0 { noteHangUp(handle) }
        if isLost(handle) { return isWaiting(descriptor) ? 0 : events | all | broken }
        guard events != 0 else { return 0 }
        return events | UInt32(UInt16(bitPattern: AgentFrontend.missingEvents(handle, asked: Int16(all))))
    }

    private func noteHangUp(_ handle: SocketHandle) {
        if !AgentFrontend.hasEnded(handle) { hungUp.insert(handle.fd) }
    }

    // MARK: The end

    /// `draft1` and `pvcalls1` can only release.
    public var shutsDown: Bool { Frontend.resolvesNames }

    public func shutdown(_ descriptor: Int32, how: Int32) -> Int32 {
        let ends = how != Int32(SHUT_WR) && standing[descriptor]?.isListening == true && isWaiting(descriptor)
        let result = ends ? 0 : shutdownNow(descriptor, how: how)
        // A listener does not listen any more; a datagram socket has two halves, ENOTCONN or not.
        if result == 0 || result == -ENOTCONN { forget(descriptor) }
        return result
    }

    private func shutdownNow(_ descriptor: Int32, how: Int32) -> Int32 {
        asking(descriptor) { handle in
            guard handle.isDatagram, how != Int32(SHUT_WR) else { return Frontend.shutdown(handle, how: how) }
            // The end of `in` would hide what still comes, which the kernel delivers; the agent's socket shows that end.
            if how == Int32(SHUT_RDWR) { return Frontend.shutdown(handle, how: Int32(SHUT_WR)) }
            return AgentFrontend.isConnected(handle) ? 0 : -Int(ENOTCONN)
        }
    }

    public func hasUnread(_ descriptor: Int32) -> Bool {
        AgentFrontend.find(descriptor).map { AgentFrontend.readable($0) > 0 } ?? false
    }

    public func prepareAbort(_ descriptor: Int32) {
        _ = asking(descriptor) {
            AgentFrontend.prepareAbort($0)
            return 0
        }
    }

    public func close(_ descriptor: Int32) {
        hungUp.remove(descriptor)
        told.remove(descriptor)
        standing[descriptor] = nil
        _ = asking {
            AgentFrontend.close(descriptor)
            return 0
        }
    }
}
