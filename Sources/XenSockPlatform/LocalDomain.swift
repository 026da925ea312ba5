import CXenSockSystem
import XenSockRing
import XenSockWire

/// The local platform as a socket of the frontend sees it: an arena with its doorbell, and AF_UNIX placeholders
/// (docs/PROTOCOL.md, chapter 3).
public struct LocalDomain: FrontendDomain {
    /// The arena's first byte. Not owned.
    public let arena: UnsafeMutableRawPointer
    /// The service's doorbell, an eventfd; on Xen its event channel's descriptor. Not owned.
    public let doorbell: Int32
    /// SO_RCVTIMEO in nanoseconds, negative for none, where the kernel does not apply it to `awaitToken`: see `LockedIn`.
    public var receiveLimit = -1

    @inlinable @inline(__always)
    public init(arena: UnsafeMutableRawPointer, doorbell: Int32) {
        self.arena = arena
        self.doorbell = doorbell
    }

    /// Size of a filler in bytes: one alone keeps a socket with the smallest SO_SNDBUF from polling writable.
    public static var fillerSize: Int { 256 }

    /// SO_SNDBUF of a placeholder in bytes: the smallest that the kernel gives.
    public static var placeholderBuffer: Int { 4608 }

    /// SO_SNDBUF of a relayed socket's placeholder as getsockopt(2) reports it: odd enough that a program that inherits it
    /// knows it by that. The second is for a system whose limit (net.core.wmem_max) is below the first.
    public static var relayBuffers: (Int, Int) { (213_006, 65_542) }

    /// Whether `buffer`, an AF_UNIX socket's SO_SNDBUF, says that the socket may be a placeholder.
    public static func mayBePlaceholder(_ buffer: Int) -> Bool {
        buffer == placeholderBuffer || buffer == relayBuffers.0 || buffer == relayBuffers.1
    }

    /// Gives a placeholder a send buffer for bytes instead of readiness.
    public static func widen(_ placeholder: Int32) {
        // One that is neither would not be known again: rather the old size, which is.
        if setBuffer(placeholder, relayBuffers.0) || setBuffer(placeholder, relayBuffers.1) { return }
        _ = setBuffer(placeholder, 2)
    }

    /// Gives a placeholder the send buffer that it is known by, and that one filler fills.
    public static func narrow(_ placeholder: Int32) { set(placeholder, Int32(SO_SNDBUF), 1) }

    /// Sets an option of SOL_SOCKET of a placeholder that carries a stream's bytes: what the kernel's own calls do there.
    public static func set(_ placeholder: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        _ = Kernel.setOption(placeholder, Int32(SOL_SOCKET), name, &value, 4)
    }

    private static func setBuffer(_ placeholder: Int32, _ size: Int) -> Bool {
        var value = Int32(size / 2)
        _ = Kernel.setOption(placeholder, Int32(SOL_SOCKET), Int32(SO_SNDBUF), &value, 4)
        return Kernel.integerOption(placeholder, Int32(SOL_SOCKET), Int32(SO_SNDBUF)) == size
    }

    @inlinable
    public func notify(_ port: UInt32) {
        if DoorbellFront(arena: arena).ring(port) { signal() }
    }

    public func renotify(_ port: UInt32) {
        _ = DoorbellFront(arena: arena).ring(port)
        signal()
    }

    /// Wakes the backend: by the eventfd, or by the session's event channel (docs/PROTOCOL.md, 3.7).
    @usableFromInline
    func signal() {
        let channel = SharedWord32(arena + ArenaHeader.eventChannel).load()
        if channel == 0 {
            var one: UInt64 = 1
            _ = Kernel.write(doorbell, &one, 8)
        } else {
            var port = channel &- 1
            _ = Kernel.ioctl(doorbell, 0x4_4504 /* IOCTL_EVTCHN_NOTIFY */, &port)
        }
    }

    public func receiveTokens(_ placeholder: Int32, _ count: Int) -> Int {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { buffer in
            if Kernel.isLockedIn { return LockedIn.read(placeholder, buffer.baseAddress!, count < 256 ? count : 256) }
            return Kernel.receive(placeholder, buffer.baseAddress!, count < 256 ? count : 256, Int32(MSG_DONTWAIT))
        }
    }

    public func countTokens(_ placeholder: Int32) -> Int {
        if Kernel.isLockedIn { return LockedIn.isReadable(placeholder) ? 1 : 0 }
        var count: Int32 = 0
        let result = Kernel.ioctl(placeholder, UInt(FIONREAD), &count)
        if result < 0 || count == 0 { return result < 0 ? result : 0 }
        // An urgent byte counts there, and is no token.
        return withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { buffer in
            let flags = Int32(MSG_PEEK | MSG_DONTWAIT)
            let peeked = Kernel.receive(placeholder, buffer.baseAddress!, 256, flags)
            return peeked == -Int(EAGAIN) ? 0 : peeked
        }
    }

    public func sendFiller(_ placeholder: Int32) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: Self.fillerSize, alignment: 8) { buffer in
            memset(buffer.baseAddress!, 0, Self.fillerSize)
            if Kernel.isLockedIn { return LockedIn.write(placeholder, buffer.baseAddress!, Self.fillerSize) }
            let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
            return Kernel.send(placeholder, buffer.baseAddress!, Self.fillerSize, flags) == Self.fillerSize
        }
    }

    public func awaitToken(_ placeholder: Int32) -> Int {
        if Kernel.isLockedIn { return LockedIn.awaitToken(placeholder, limit: receiveLimit) }
        var byte: UInt8 = 0
        return xs_wait_recv(placeholder, &byte, 1, Int32(MSG_PEEK))
    }

    public func awaitToken(_ placeholder: Int32, nanoseconds: Int) -> Int {
        let result = xs_wait_poll(placeholder, Int16(POLLIN), Int64(nanoseconds))
        if result <= 0 { return result == 0 ? -Int(EAGAIN) : result }
        return result & Int(POLLIN) != 0 ? 1 : 0
    }

    public func clearUrgent(_ placeholder: Int32) {
        var byte: UInt8 = 0
        _ = Kernel.receive(placeholder, &byte, 1, Int32(MSG_OOB | MSG_DONTWAIT))
        // Its place in the queue goes with a receive that comes upon it, also one of nothing.
        _ = Kernel.receive(placeholder, &byte, 0, Int32(MSG_DONTWAIT))
    }

    public func awaitEnd(_ placeholder: Int32, nanoseconds: Int) -> Int {
        let result = xs_wait_poll(placeholder, Int16(XS_POLLRDHUP), Int64(nanoseconds))
        return result > 0 ? 1 : result
    }

    public func awaitWritable(_ placeholder: Int32, nanoseconds: Int) -> Int {
        let result = xs_wait_poll(placeholder, Int16(POLLOUT), Int64(nanoseconds))
        if result <= 0 { return result }
        return result & Int(POLLHUP | POLLERR) != 0 ? 2 : 1
    }

    public func isHungUp(_ placeholder: Int32) -> Bool {
        xs_poll(placeholder, Int16(XS_POLLRDHUP), 0) > 0
    }
}
