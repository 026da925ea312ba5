import CXenSockSystem
import XenSockRing
import XenSockWire

/// A socket's status line as the frontend uses it (docs/PROTOCOL.md, 3.3). The service writes the first half; both
/// halves may hold anything if it is hostile, so every value is a hint that leads to an error at worst.
@frozen
public struct SocketStatus {
    @usableFromInline let line: UnsafeMutableRawPointer

    /// - Parameter line: 128 bytes of an arena. Not owned.
    @inlinable @inline(__always)
    public init(line: UnsafeMutableRawPointer) { self.line = line }

    @inlinable @inline(__always)
    func word(_ offset: Int) -> SharedWord32 { SharedWord32(line + offset) }

    @inlinable @inline(__always)
    public var generation: UInt32 { word(StatusLine.generation).load() & 0xff_ffff }

    /// What the socket is; a value that no service writes reads as reset.
    @inlinable @inline(__always)
    public var state: StatusLine.State {
        let state = StatusLine.State(rawValue: word(StatusLine.state).load()) ?? .reset
        if case .failedConnect = state, has(StatusLine.Flag.failureReported) { return .open }
        return state
    }

    /// Takes the pending error: a positive errno, or 0. The next taker gets 0.
    @inlinable
    public func takeError() -> Int {
        let error = word(StatusLine.error)
        if error.load() == 0 { return 0 }
        return Self.bounded(error.exchange(0))
    }

    /// Takes the pending error as far as recv(2) reports it: EPIPE is that of a reset behind the end of the stream
    /// (tcp_reset in net/ipv4/tcp_input.c), which sends and SO_ERROR tell.
    func takeReceiveError() -> Int { error == Int(EPIPE) ? 0 : takeError() }

    /// The pending error, left where it is.
    @inlinable
    public var error: Int { Self.bounded(word(StatusLine.error).load()) }

    /// What no socket has pending is EIO: numbers beyond the table, and those upon which a caller tries again for ever.
    @usableFromInline
    static func bounded(_ error: UInt32) -> Int {
        // EINTR, EAGAIN; 133 is EHWPOISON, the table's last.
        error > 133 || error == 4 || error == 11 ? 5 : Int(error)
    }

    /// SOCK_STREAM and so on, as the service says.
    @inlinable @inline(__always)
    public var type: UInt32 { word(StatusLine.kind).load() & 0xffff }

    /// Whether the kernel gives an address for a socket like this one. Programs read a whole address of the family they
    /// expect, without looking at its length. A socket of AF_INET6 may have become one of AF_INET (IPV6_ADDRFORM).
    @inline(never)
    func mayName(family: UInt16, length: Int) -> Bool {
        let domain = word(StatusLine.kind).load() >> 16
        if domain == UInt32(SocketAddress.unix) { return true }
        switch length {
        case 16: return family == SocketAddress.inet
        case 28: return family == SocketAddress.inet6 && domain != UInt32(SocketAddress.inet)
        default: return false
        }
    }

    func mayName(_ address: UnsafeRawBufferPointer) -> Bool {
        mayName(family: address.count < 2 ? 0 : address.loadUnaligned(as: UInt16.self), length: address.count)
    }

    func mayName(_ address: SocketAddress) -> Bool { mayName(family: address.family, length: address.length) }

    @inlinable @inline(__always)
    public var flags: UInt32 { word(StatusLine.flags).load() }

    @inlinable @inline(__always)
    public func has(_ flag: UInt32) -> Bool { flags & flag != 0 }

    @inlinable
    public func set(_ flag: UInt32, _ on: Bool) {
        if on { word(StatusLine.flags).formUnion(flag) } else { word(StatusLine.flags).subtract(flag) }
    }

    /// Whether calls return rather than wait. A relay's always do, whatever the service makes of the flag.
    @inline(__always)
    var isNonBlocking: Bool {
        #if !hasFeature(Embedded)
            if AgentFrontend.isAlone { return true }
        #endif
        return has(StatusLine.Flag.nonBlocking)
    }

    @inlinable @inline(__always)
    public var misses: SharedWord32 { word(StatusLine.misses) }

    @inlinable
    public var receiveTimeout: SharedWord64 { SharedWord64(line + StatusLine.receiveTimeout) }

    @inlinable
    public var sendTimeout: SharedWord64 { SharedWord64(line + StatusLine.sendTimeout) }

    /// SO_RCVLOWAT in bytes; 0 and 1 are the same.
    @inlinable @inline(__always)
    public var lowWater: UInt32 { word(StatusLine.lowWater).load() }

    func setLowWater(_ bytes: UInt32) { word(StatusLine.lowWater).store(bytes) }

    /// SO_PEEK_OFF + 1; 0: off.
    @inlinable @inline(__always)
    public var peekOffset: SharedWord32 { word(StatusLine.peekOffset) }

    /// The urgent byte and its mark (`StatusLine.Urgent`).
    @inlinable @inline(__always)
    var urgent: SharedWord64 { SharedWord64(line + StatusLine.urgent) }

    /// SO_LINGER in seconds for which close(2) waits; 0: it does not.
    var linger: SharedWord32 { word(StatusLine.linger) }

    @inlinable @inline(__always)
    public var receiveLock: DirectionLock { DirectionLock(SharedWord64(line + StatusLine.receiveLock)) }

    @inlinable @inline(__always)
    public var sendLock: DirectionLock { DirectionLock(SharedWord64(line + StatusLine.sendLock)) }

    /// The order of the data ring in use, 0 if none; bounded by what a port's pages can hold.
    @inlinable @inline(__always)
    public var order: UInt32 {
        let order = word(StatusLine.order).load()
        return order <= Arena.maximumOrder ? order : 0
    }

    @inlinable
    public func setOrder(_ order: UInt32) { word(StatusLine.order).store(order) }

    /// What names the indexes page on Xen. The agent writes it.
    var indexesReference: GrantReference { GrantReference(word(StatusLine.reference).load()) }

    /// What SO_SNDBUF lets stand in `out` (`BufferLimit`).
    @inlinable @inline(__always)
    var sendLimit: UInt32 { word(StatusLine.sendLimit).load() }

    func setSendLimit(_ limit: UInt32) { word(StatusLine.sendLimit).store(limit) }

    /// Shows a socket that the service has yet to make, as it will.
    func begin(domain: UInt32, type: UInt32) {
        word(StatusLine.error).store(0)
        urgent.store(0)
        word(StatusLine.kind).store(
            StatusLine.kind(domain: UInt16(truncatingIfNeeded: domain), type: UInt16(truncatingIfNeeded: type)))
        word(StatusLine.state).storeOrdered(StatusLine.State.open.rawValue)
    }

    /// Resets the frontend's half for a new socket.
    func clear(flags: UInt32) {
        SharedWord64(line + StatusLine.receiveLock).store(0)
        SharedWord64(line + StatusLine.sendLock).store(0)
        word(StatusLine.flags).store(flags)
        // Nothing has come yet: the first receive that finds nothing looks whether the backend is alive.
        misses.store(1)
        receiveTimeout.store(0)
        sendTimeout.store(0)
        setSendLimit(BufferLimit.none)
        setOrder(0)
        setLowWater(0)
        peekOffset.store(0)
        linger.store(0)
    }
}
