import CXenSockSystem
import Glibc
import XenSockFrontend
import XenSockWire

/// Sockets without a peer outlive the service behind the agent: they wait until it is back, and are made again there at
/// the same descriptor (docs/PROTOCOL.md, 3.6).
extension UpstreamNetwork {
    /// Begins to remember what makes a socket again.
    func remember(_ descriptor: Int32, domain: Int32, type: Int32, protocolNumber: Int32) {
        guard StandingSocket.isPossible(domain: domain) else { return }
        nextSerial &+= 1
        standing[descriptor] = StandingSocket(
            domain: domain, type: type, protocolNumber: protocolNumber, serial: nextSerial)
    }

    /// A socket has a peer, or more was done with it than is remembered: it ends with the service.
    func forget(_ descriptor: Int32) { standing[descriptor] = nil }

    /// Remembers the address of a socket that is bound.
    func noteAddress(_ descriptor: Int32) {
        guard let socket = standing[descriptor] else { return }
        let name = withUnsafeTemporaryAllocation(byteCount: SocketAddress.capacity, alignment: 8) {
            bytes -> SocketAddress? in
            guard let base = bytes.baseAddress else { return nil }
            var length = UInt32(SocketAddress.capacity)
            guard getsockname(descriptor, address: base, length: &length) == 0 else { return nil }
            return SocketAddress(bytes: base, length: min(Int(length), SocketAddress.capacity))
        }
        if name.map(socket.noteAddress) != true { forget(descriptor) }
    }

    // MARK: While it waits

    /// Whether a socket is lost and will be made again.
    func isWaiting(_ descriptor: Int32) -> Bool {
        guard let socket = standing[descriptor], !socket.isGivenUp else { return false }
        if let handle = AgentFrontend.find(descriptor), !isLost(handle) { return false }
        if !socket.isWaiting {
            socket.isWaiting = true
            lossNoticed()
        }
        return true
    }

    /// Looks which sockets are lost.
    ///
    /// - Returns: how many wait to be made again, and how many of them listen.
    func noteLosses() -> (all: Int, listeners: Int) {
        var (all, listeners) = (0, 0)
        for (descriptor, socket) in standing where isWaiting(descriptor) {
            all += 1
            if socket.isListening { listeners += 1 }
        }
        return (all, listeners)
    }

    var hasWaiting: Bool { standing.contains { $0.value.isWaiting && !$0.value.isGivenUp } }

    // MARK: Making them again

    /// Makes all sockets again that wait, listeners first and in the order in which programs made them. Opens a session
    /// if there is none.
    func renew() {
        guard !isRenewing else { return }
        isRenewing = true
        defer { isRenewing = false }
        let waiting = standing.filter { isWaiting($0.key) }.sorted {
            ($0.value.isListening ? 0 : 1, $0.value.serial) < ($1.value.isListening ? 0 : 1, $1.value.serial)
        }
        // A service that was silent, and is not gone, would hold their addresses.
        for (descriptor, _) in waiting { AgentFrontend.abandon(descriptor) }
        var (made, listeners) = (0, 0)
        for (descriptor, socket) in waiting {
            let error = make(descriptor, socket)
            if error == 0 {
                made += 1
                if socket.isListening { listeners += 1 }
            } else if !AgentFrontend.isOpen {
                // The patience with refusals begins anew when it is back.
                for (_, socket) in waiting { socket.refusedSince = nil }
                break
            } else {
                refused(descriptor, socket, error)
            }
        }
        if made > 0 { wereRenewed(made, listeners) }
    }

    /// - Returns: 0 or a positive errno.
    private func make(_ descriptor: Int32, _ socket: StandingSocket) -> Int32 {
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let new = asking {
            Frontend.socket(domain: socket.domain, type: socket.type | flags, protocol: socket.protocolNumber)
        }
        guard new >= 0 else { return 0 &- new }
        guard let handle = AgentFrontend.find(new) else { return EBADF }
        for step in socket.steps {
            let result = asking { Self.perform(step, handle) }
            guard result == 0 else {
                AgentFrontend.close(new)
                return 0 &- result
            }
        }
        AgentFrontend.watch(handle)
        guard AgentFrontend.replace(descriptor, by: new) else {
            AgentFrontend.close(new)
            return EBADF
        }
        hungUp.remove(descriptor)
        told.remove(descriptor)
        socket.isWaiting = false
        socket.refusedSince = nil
        guard rewatch(descriptor) else {
            giveUp(descriptor, socket, ENOSPC)
            return 0
        }
        return 0
    }

    private static func perform(_ step: StandingSocket.Step, _ handle: SocketHandle) -> Int {
        switch step {
        case .option(let level, let name, let value):
            value.withUnsafeBytes {
                Frontend.setOption(handle, level: level, name: name, $0.baseAddress, length: UInt32($0.count))
            }
        case .bind(let address):
            address.withUnsafeBytes { Frontend.bind(handle, $0.baseAddress, UInt32($0.count)) }
        case .listen(let backlog):
            Frontend.listen(handle, backlog: backlog)
        }
    }

    /// The service is there and does not make a socket again. What may pass is waited for.
    private func refused(_ descriptor: Int32, _ socket: StandingSocket, _ error: Int32) {
        let passing: Set<Int32> = [
            EADDRINUSE, EADDRNOTAVAIL, ENOBUFS, ENOMEM, EMFILE, ENFILE, EAGAIN, EINTR, ENETDOWN, ETIMEDOUT,
        ]
        let since = socket.refusedSince ?? now()
        guard passing.contains(error), now() &- since < renewalPatience else {
            return giveUp(descriptor, socket, error)
        }
        if socket.refusedSince == nil {
            socket.refusedSince = since
            renewalWasRefused(socket.description, error)
        }
    }

    private func giveUp(_ descriptor: Int32, _ socket: StandingSocket, _ error: Int32) {
        socket.isGivenUp = true
        hungUp.insert(descriptor)
        wasGivenUp(socket.description, error)
    }
}
