import Glibc
import XenSockFrontend

/// Datagrams, as messages.
extension UpstreamNetwork {
    public func receiveMessage(_ descriptor: Int32, _ message: UnsafeMutablePointer<msghdr>, flags: Int32) -> Int {
        guard let handle = AgentFrontend.find(descriptor), let vectors = message.pointee.msg_iov else {
            return -Int(EAGAIN)
        }
        let receive = {
            Frontend.receive(
                handle, vectors, message.pointee.msg_iovlen, flags: flags | Int32(MSG_DONTWAIT), message: message)
        }
        var result = receive()
        // What stands in the error queue keeps a token, behind which an arrival would be no edge.
        if result == -Int(EAGAIN), AgentFrontend.holdsErrors(handle), AgentFrontend.wantEveryArrival(handle) {
            result = receive()
        }
        if result == -Int(ENETDOWN) { hungUp.insert(descriptor) }
        if result < 0, isWaiting(descriptor) { return -Int(EAGAIN) }
        guard result == -Int(ENETDOWN) || result == -Int(EAGAIN), isLost(handle) else { return result }
        return told.insert(descriptor).inserted ? -Int(ENETDOWN) : -Int(EAGAIN)
    }

    public func sendMessage(_ descriptor: Int32, _ message: UnsafeMutablePointer<msghdr>, flags: Int32) -> Int {
        guard let vectors = message.pointee.msg_iov else { return -Int(EFAULT) }
        let control = UnsafeRawBufferPointer(
            start: message.pointee.msg_control, count: message.pointee.msg_controllen)
        if let socket = standing[descriptor], socket.isWaiting, isLosing(descriptor) { return Self.size(message) }
        let result = Int(
            asking(descriptor) {
                Frontend.send(
                    $0, vectors, message.pointee.msg_iovlen, flags: flags | Int32(MSG_NOSIGNAL | MSG_DONTWAIT),
                    address: message.pointee.msg_name, length: message.pointee.msg_namelen, control: control)
            })
        if result >= 0, let socket = standing[descriptor], socket.address == nil { forget(descriptor) }
        return result == -Int(ENETDOWN) && isLosing(descriptor) ? Self.size(message) : result
    }

    /// Whether what a datagram socket sends gets lost, as datagrams may: it has an address, and will have it again.
    private func isLosing(_ descriptor: Int32) -> Bool {
        guard let socket = standing[descriptor], socket.address != nil else { return false }
        return isWaiting(descriptor)
    }

    private static func size(_ message: UnsafeMutablePointer<msghdr>) -> Int {
        guard let vectors = message.pointee.msg_iov else { return 0 }
        return (0..<Int(message.pointee.msg_iovlen)).reduce(0) { $0 + vectors[$1].iov_len }
    }
}
