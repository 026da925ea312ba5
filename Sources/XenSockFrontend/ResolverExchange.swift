import CXenSockSystem
import XenSockPlatform
import XenSockRing
import XenSockWire

/// One question to the backend domain's resolver: a socket of its own for the question, so that waiting for the answer
/// is like waiting for any data (docs/PROTOCOL.md, 2.4).
enum ResolverExchange {
    /// Sends a query record and takes the answer record.
    ///
    /// - Parameters:
    ///   - query: the whole record.
    ///   - answer: room for the largest answer, 65536 bytes.
    /// - Returns: the answer's length, at least 16 and bounded by `answer`; or a negative errno.
    static func run(_ query: UnsafeRawBufferPointer, _ answer: UnsafeMutableRawBufferPointer) -> Int {
        let fd = Birth.open(flags: Int32(SOCK_CLOEXEC.rawValue)) { state, mask, port, id in
            Posting.socket(
                state, mask, port, id, domain: Resolver.domain, type: UInt32(SOCK_STREAM.rawValue), protocol: 0)
        }
        if fd < 0 { return fd }
        defer { _ = Descriptors.close(Int32(fd)) }
        guard let handle = Descriptors.find(Int32(fd)) else { return -Int(EIO) }
        let connected = Frontend.connect(handle, to: SocketAddress())
        if connected < 0 { return connected }
        let sent = transfer(handle, UnsafeMutableRawBufferPointer(mutating: query), sending: true)
        if sent < 0 { return sent }
        let header = transfer(handle, UnsafeMutableRawBufferPointer(rebasing: answer[0..<4]), sending: false)
        if header < 0 { return header }
        let length = Int(answer.load(as: UInt32.self))
        guard length >= Resolver.Answer.entries, length <= answer.count else { return -Int(EPROTO) }
        let rest = transfer(handle, UnsafeMutableRawBufferPointer(rebasing: answer[4..<length]), sending: false)
        return rest < 0 ? rest : length
    }

    /// Transfers exactly the buffer's bytes, whatever signals come in between.
    private static func transfer(_ handle: SocketHandle, _ buffer: UnsafeMutableRawBufferPointer, sending: Bool) -> Int
    {
        var done = 0
        while done < buffer.count {
            var vector = iovec(iov_base: buffer.baseAddress! + done, iov_len: buffer.count &- done)
            let result =
                sending
                ? handle.socket.send(&vector, 1, flags: 0) : handle.socket.receive(&vector, 1, flags: 0)
            if result == -Int(EINTR) { continue }
            if result < 0 { return result }
            if result == 0 { return -Int(ECONNRESET) }
            done &+= result
        }
        return done
    }
}
