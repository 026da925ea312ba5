import Glibc
import XenSockWire

/// A socket that has no peer, and so can be made again: how it was made, and what its program did with it since
/// (docs/PROTOCOL.md, 3.6).
final class StandingSocket {
    /// What succeeded, in its order.
    enum Step {
        case option(level: Int32, name: Int32, value: [UInt8])
        /// The address that the socket has, not the one that was asked for: the port is that which the kernel chose.
        case bind(SocketAddress)
        case listen(backlog: Int32)
    }

    /// With more there is no making it again. An option has 512 bytes at most.
    static let maximumSteps = 64

    let domain: Int32
    /// Without SOCK_NONBLOCK and SOCK_CLOEXEC.
    let type: Int32
    let protocolNumber: Int32
    /// Counts sockets in the order in which programs made them.
    let serial: UInt64
    private(set) var steps: [Step] = []
    private(set) var address: SocketAddress?
    private(set) var isListening = false

    /// It is lost, and noticed to be.
    var isWaiting = false
    /// Since when the service refuses to make it, in nanoseconds of CLOCK_MONOTONIC.
    var refusedSince: UInt64?
    /// It will not be made again any more: it is a lost socket like others.
    var isGivenUp = false

    init(domain: Int32, type: Int32, protocolNumber: Int32, serial: UInt64) {
        self.domain = domain
        self.type = type
        self.protocolNumber = protocolNumber
        self.serial = serial
    }

    /// Whether sockets of that kind can be made again. The name of an AF_UNIX socket may be a file that is still there.
    static func isPossible(domain: Int32) -> Bool { domain == AF_INET || domain == AF_INET6 }

    var isStream: Bool { type == Int32(SOCK_STREAM.rawValue) }

    /// - Returns: false if there is no room for it.
    func noteOption(level: Int32, name: Int32, value: UnsafeRawBufferPointer) -> Bool {
        let step = Step.option(level: level, name: name, value: Array(value))
        if !Self.accumulates(level: level, name: name), let index = indexOfOption(level, name) {
            steps[index] = step
            return true
        }
        return append(step)
    }

    /// - Returns: false if that is not an address that can be had again.
    func noteAddress(_ address: SocketAddress) -> Bool {
        // The port of a raw socket is its protocol, which bind(2) ignores.
        guard type == Int32(SOCK_RAW.rawValue) || Self.port(address) != 0 else { return false }
        self.address = address
        return append(.bind(address))
    }

    func noteListen(backlog: Int32) -> Bool {
        isListening = true
        for index in steps.indices {
            guard case .listen = steps[index] else { continue }
            steps[index] = .listen(backlog: backlog)
            return true
        }
        return append(.listen(backlog: backlog))
    }

    private func append(_ step: Step) -> Bool {
        guard steps.count < Self.maximumSteps else { return false }
        steps.append(step)
        return true
    }

    /// The place of an option that was set since the last bind(2) or listen(2), before which it may mean something else.
    private func indexOfOption(_ level: Int32, _ name: Int32) -> Int? {
        for index in steps.indices.reversed() {
            guard case .option(let other, let number, _) = steps[index] else { return nil }
            if other == level, number == name { return index }
        }
        return nil
    }

    /// Options whose value says what is added or taken away: memberships of multicast and anycast groups, and their
    /// sources.
    private static func accumulates(level: Int32, name: Int32) -> Bool {
        switch level {
        case Int32(IPPROTO_IP): (35...48).contains(name)
        case Int32(IPPROTO_IPV6): [20, 21, 27, 28].contains(name) || (42...48).contains(name)
        default: false
        }
    }

    static func port(_ address: SocketAddress) -> UInt16 {
        address.withUnsafeBytes { bytes in
            bytes.count >= 4 ? UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) : 0
        }
    }

    /// What the log calls it.
    var description: String {
        let kind = isListening ? "listener" : isStream ? "socket" : "datagram socket"
        guard let address else { return "\(kind) without an address" }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let isIPv6 = domain == AF_INET6
        address.withUnsafeBytes { bytes in
            guard bytes.count >= (isIPv6 ? 24 : 8), let base = bytes.baseAddress else { return }
            inet_ntop(domain, base + (isIPv6 ? 8 : 4), &text, socklen_t(text.count))
        }
        let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return "\(kind) at \(isIPv6 ? "[\(host)]" : host):\(Self.port(address))"
    }
}
